"""How attribute names become keys."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

__all__ = ("LegacyStyle", "Style")

_INITIALISMS = {
    word.lower(): word for word in ("CA", "CIMD", "DCR", "HTTP", "ID", "IP", "JWKS", "OAuth", "PKCE", "URI", "URL")
}


class Style(Enum):
    """The three ways of naming keys that one run config has."""

    SNAKE_CASE = auto()
    CAMEL_CASE = auto()
    GO = auto()

    def key(self, name: str) -> str:
        """The key of an attribute.

        Args:
            name: The attribute.

        Example:
            >>> Style.CAMEL_CASE.key("ca_cert_path"), Style.GO.key("ca_cert_path")
            ('caCertPath', 'CACertPath')
        """
        if self is Style.SNAKE_CASE:
            return name
        first, *rest = name.split("_")
        if self is Style.CAMEL_CASE:
            return first + "".join(word.capitalize() for word in rest)
        return "".join(_INITIALISMS.get(word, word.capitalize()) for word in (first, *rest))


class LegacyStyle(NamedTuple):
    """Keys as an older version named them.

    Attributes:
        marker: The key that tells such an object.
        style: How the others are named.
    """

    marker: str
    style: Style
