"""What a session is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Session", "SessionType")

SessionType = Literal["mcp", "sse", "streamable"]

_TYPES = get_args(SessionType)


def _now() -> datetime:
    return datetime.now(UTC)


def _texts(mapping: Mapping[str, str]) -> ReadOnlyDict[str, str]:
    """A copy that does not change, of texts only: anything else would come back from a store as another value."""
    copied = ReadOnlyDict(mapping) if mapping else EMPTY_DICT
    for key, value in copied.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"expected texts by texts, got {type(value).__name__} for {key!r}")
    return copied


def _check_id(_session: Session, _field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"the id of a session is a text, not {type(value).__name__}")
    if not value:
        raise ValueError("the id of a session is not empty")


def _check_type(_session: Session, _field: attrs.Attribute[Any], value: Any) -> None:
    if value not in _TYPES:
        raise ValueError(f"the type of a session is one of {', '.join(_TYPES)}")


def _check_time(_session: Session, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, datetime):
        raise TypeError(f"{field.name} is a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError(f"{field.name} needs a time zone, such as datetime.UTC")


@attrs.frozen(kw_only=True)
class Session:
    """One session of a client with a workload. Immutable: change it with ``attrs.evolve`` and store the result.

    A subclass that has ``aclose()`` or ``close()`` is closed by a :class:`LocalStorage` that forgets it.

    Attributes:
        id: The id that clients send; :class:`SessionManager` makes it a UUID.
        type: The kind of proxy that it belongs to.
        created_at: When it began, with a time zone; now when left out.
        updated_at: When it was last changed; ``created_at`` when left out.
        metadata: What is known of it, such as ``backend_url``, the replica that it is pinned to. Copied, read-only.
        extra: What others stored with it and this library does not know, such as ToolHive's ``data``: JSON texts by
            their keys, kept as they are. Copied, read-only.

    Raises:
        TypeError: A field is of another type.
        ValueError: The id is empty, the type unknown, or a time without a time zone.
    """

    id: str = attrs.field(validator=_check_id)
    type: SessionType = attrs.field(default="mcp", validator=_check_type)
    created_at: datetime = attrs.field(factory=_now, validator=_check_time)
    updated_at: datetime = attrs.field(
        default=attrs.Factory(lambda session: session.created_at, takes_self=True), validator=_check_time
    )
    metadata: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=_texts)
    extra: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=_texts, repr=False)
