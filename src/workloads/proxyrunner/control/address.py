"""Where the control routes of a proxy runner are: a Unix socket, or a port for those who have a token."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import attrs

__all__ = ("ControlAddress", "ControlPort", "ControlSocket")


@attrs.frozen
class ControlSocket:
    """A Unix socket. Whoever may connect to it may use it: its owner.

    Attributes:
        path: Where it is made, in a folder that only its owner can change.
    """

    path: Path = attrs.field(converter=Path)


def _needs_token(_instance: ControlPort, _attribute: attrs.Attribute[str], token: str) -> None:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("token: must be printable ASCII without spaces, and not empty")


@attrs.frozen
class ControlPort:
    """A TCP port, such as a pod has for it. Whoever shows the token may use it.

    Attributes:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        token: What must come as ``Authorization: Bearer``.
    """

    host: str
    port: int
    token: str = attrs.field(repr=False, validator=_needs_token)


ControlAddress: TypeAlias = ControlSocket | ControlPort
