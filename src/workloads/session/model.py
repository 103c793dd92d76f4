"""What a session is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("TYPES", "Session", "SessionType", "texts", "unchecked")

SessionType = Literal["mcp", "sse", "streamable"]

TYPES: tuple[SessionType, ...] = get_args(SessionType)


def _now() -> datetime:
    return datetime.now(UTC)


def texts(mapping: Mapping[str, str]) -> ReadOnlyDict[str, str]:
    """A copy that does not change, of texts only: anything else would come back from a store as another value.

    Args:
        mapping: What is copied.

    Raises:
        TypeError: Something in it is no text.
    """
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
    if value not in TYPES:
        raise ValueError(f"the type of a session is one of {', '.join(TYPES)}")


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
    metadata: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=texts)
    extra: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=texts, repr=False)


_FIELDS = ("id", "type", "created_at", "updated_at", "metadata", "extra")
# The slots themselves, for Session refuses that its fields are set.
_put_id, _put_type, _put_created_at, _put_updated_at, _put_metadata, _put_extra = (
    vars(Session)[name].__set__ for name in _FIELDS
)


def unchecked(
    id: str,  # noqa: A002  # as the field
    type: SessionType,  # noqa: A002  # as the field
    created_at: datetime,
    updated_at: datetime,
    metadata: ReadOnlyDict[str, str],
    extra: ReadOnlyDict[str, str],
) -> Session:
    """A session of fields that were checked already: checking them takes most of the time of making one.

    Args:
        id: See :class:`Session`, as of all.
        type: One of :data:`TYPES`.
        created_at: With a time zone.
        updated_at: With a time zone.
        metadata: As :func:`texts` gives it.
        extra: As :func:`texts` gives it.
    """
    session = Session.__new__(Session)
    _put_id(session, id)
    _put_type(session, type)
    _put_created_at(session, created_at)
    _put_updated_at(session, updated_at)
    _put_metadata(session, metadata)
    _put_extra(session, extra)
    return session
