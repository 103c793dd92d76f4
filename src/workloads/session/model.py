"""What a session is."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Session", "SessionType")

SessionType = Literal["mcp", "sse", "streamable"]


def _now() -> datetime:
    return datetime.now(UTC)


def _read_only(metadata: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(metadata))


@attrs.frozen(kw_only=True)
class Session:
    """One session of a client with a workload. Immutable: change it with ``attrs.evolve`` and store the result.

    Attributes:
        id: The id that clients send; :class:`SessionManager` makes it a UUID.
        type: The kind of proxy that it belongs to.
        created_at: When it began, with a time zone; now when left out.
        updated_at: When it was last changed; ``created_at`` when left out.
        metadata: What is known of it, such as ``backend_url``, the replica that it is pinned to. Copied, read-only.
    """

    id: str
    type: SessionType = "mcp"
    created_at: datetime = attrs.field(factory=_now)
    updated_at: datetime = attrs.field(default=attrs.Factory(lambda session: session.created_at, takes_self=True))
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_read_only)
