"""Server-sent events: writing them, and reading as much of them as a probe needs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("HEADERS", "KEEP_ALIVE", "Event", "EventReader", "event")

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
"""The headers of a stream: no cache may keep it and no proxy may collect it."""

KEEP_ALIVE = b": ping\n\n"
"""A comment, which says only that the stream lives."""


class Event(NamedTuple):
    """One event.

    Attributes:
        type: Its type; ``message`` unless the server says otherwise.
        data: Its data.
    """

    type: str
    data: str


def event(data: bytes) -> bytes:
    """A ``message`` event whose data is one line."""
    return b"event: message\ndata: %s\n\n" % data


class EventReader:
    """Finds the events in a stream that arrives in parts.

    Args:
        limit: Bytes a line may have; a longer one ends in a ``ValueError``.
    """

    def __init__(self, limit: int = 2**20) -> None:
        """Begin at the start of a stream."""
        self._limit = limit
        self._rest = b""
        self._type = ""
        self._data: list[str] = []

    def feed(self, part: bytes) -> Iterator[Event]:
        """The events that this part of the stream completes."""
        *lines, rest = (self._rest + part).replace(b"\r\n", b"\n").split(b"\n")
        if len(rest) > self._limit:
            raise ValueError("a line of the event stream is too long")
        self._rest = rest
        for line in lines:
            field, _, value = line.decode("utf-8", "replace").partition(":")
            if not line:
                if self._data:
                    yield Event(self._type or "message", "\n".join(self._data))
                self._type, self._data = "", []
            elif field == "event":
                self._type = value.removeprefix(" ")
            elif field == "data":
                self._data.append(value.removeprefix(" "))
