"""Whose a session is. Pure.

A session belongs to who began it: an issuer and a subject, as in an OpenID Connect token. Tokens change while the two
stay, so a session survives that a token is renewed. What is written down is ToolHive's, so that replicas of either kind
agree.
"""

from __future__ import annotations

import enum
import hmac
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("BINDING_KEY", "LEGACY_KEYS", "UNAUTHENTICATED", "Identity", "Ownership", "bind", "binding_of", "ownership")

BINDING_KEY = "vmcp.identity.binding"
"""The key of metadata that tells whose the session is."""

LEGACY_KEYS = ("vmcp.token.hash", "vmcp.token.salt")
"""Keys of an older way, which bound a session to one token. It cannot be checked any more."""

UNAUTHENTICATED = "unauthenticated"
"""The binding of a session that was begun by nobody in particular."""

_SEPARATOR = "\0"


def _is_usable(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not value or _SEPARATOR in value:
        raise ValueError(f"{attribute.name} of an identity: it is not empty and has no NUL")


@attrs.frozen(kw_only=True)
class Identity:
    """Who sends a request.

    Attributes:
        issuer: Who vouches for it: the ``iss`` of its token. Never empty, without NUL.
        subject: Who it is: the ``sub`` of its token. Never empty, without NUL.
    """

    issuer: str = attrs.field(validator=_is_usable, repr=False)
    subject: str = attrs.field(validator=_is_usable, repr=False)


class Ownership(enum.Enum):
    """How a session and who asks for it go together.

    Attributes:
        OWN: It belongs to who asks.
        FOREIGN: It belongs to another, or is bound to somebody while nobody asks, or to nobody while somebody asks.
        UNBOUND: It does not say whose it is.
        INVALID: It says so in the older way only, or with an empty text: it cannot be checked.
    """

    OWN = "own"
    FOREIGN = "foreign"
    UNBOUND = "unbound"
    INVALID = "invalid"


def binding_of(identity: Identity | None) -> str:
    """What a session of somebody says about whose it is.

    Args:
        identity: Who; None for nobody in particular.
    """
    return UNAUTHENTICATED if identity is None else f"{identity.issuer}{_SEPARATOR}{identity.subject}"


def bind(metadata: Mapping[str, str], identity: Identity | None) -> dict[str, str]:
    """The metadata of a session that belongs to somebody from now on.

    Args:
        metadata: What is known of the session else. What it says of an owner is left out.
        identity: Who; None for nobody in particular.
    """
    others = {key: value for key, value in metadata.items() if key not in LEGACY_KEYS}
    return {**others, BINDING_KEY: binding_of(identity)}


def ownership(metadata: Mapping[str, str], identity: Identity | None) -> Ownership:
    """Whether a session belongs to who asks for it. Takes the same time wherever two bindings of a length differ.

    Args:
        metadata: That of the session.
        identity: Who asks; None for nobody in particular.
    """
    binding = metadata.get(BINDING_KEY)
    if binding is None:
        return Ownership.UNBOUND if metadata.keys().isdisjoint(LEGACY_KEYS) else Ownership.INVALID
    if not binding:
        return Ownership.INVALID
    # A text in metadata may hold half of a surrogate pair, which has no UTF-8 form of its own.
    same = hmac.compare_digest(
        binding.encode("utf-8", "surrogatepass"), binding_of(identity).encode("utf-8", "surrogatepass")
    )
    return Ownership.OWN if same else Ownership.FOREIGN
