"""Where the body of an answer ends, told from what comes on the connection. Pure.

The parser of heads could tell it too, but copies every part of a body for that; here a part is a view of what came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    Part: TypeAlias = "bytes | memoryview"

__all__ = ("Chunks", "Counted", "Framing", "UntilClosed")

_MAX_LINE = 2**12
"""Bytes that the size of a chunk may have with its extensions, or a trailer."""
_MAX_TRAILERS = 2**16
_LITTLE = 2**12
"""Bytes of which a copy costs less than a view."""
_MANY = 16
"""Views that are kept apart: each takes as much memory as a small part."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n\0]*)?\r\n")
_END = re.compile(rb"\r\n")
_NEXT = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(?:;[^\r\n\0]*)?\r\n")
"""Both, which nearly always come together: the end of a chunk and the size of the next one."""
_TRAILER = re.compile(rb"(?:[!#-'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)?\r\n")


def _view(data: bytes, begin: int, end: int) -> Part:
    """What lies between. Little of it is cheaper copied."""
    return data[begin:end] if len(data) < _LITTLE else memoryview(data)[begin:end]


class Framing(Protocol):
    """How a body is told from what follows it."""

    ended: bool
    """Whether all of it has come."""

    beyond: bool
    """Whether more has come than that."""

    def take(self, data: bytes, at: int) -> Sequence[Part]:
        """The parts of the body in what came next; none of them is empty.

        Args:
            data: What came.
            at: Where in it the body begins, or goes on; something is there.

        Raises:
            ValueError: It is not what may come.
        """
        ...


class Counted:
    """A body of known length.

    Args:
        length: Bytes it has.
    """

    __slots__ = ("_left", "beyond", "ended")

    def __init__(self, length: int) -> None:
        """Nothing of it has come."""
        self._left = length
        self.ended = not length
        self.beyond = False

    def take(self, data: bytes, at: int) -> Sequence[Part]:
        """See :class:`Framing`."""
        size = len(data) - at
        part = _view(data, at, at + self._left) if at or size > self._left else data
        self._left -= size
        if self._left <= 0:
            self.ended = True
            self.beyond = self._left < 0
        return (part,)


class UntilClosed:
    """A body that ends with its connection."""

    __slots__ = ("beyond", "ended")

    def __init__(self) -> None:
        """Nothing of it has come."""
        self.ended = self.beyond = False

    def take(self, data: bytes, at: int) -> Sequence[Part]:
        """See :class:`Framing`."""
        return (_view(data, at, len(data)),)


class Chunks:
    """A body in chunks (RFC 9112, section 7.1). Extensions and trailers are read, and are nobody's."""

    __slots__ = ("_due", "_left", "_line", "_trailers", "beyond", "ended")

    def __init__(self) -> None:
        """Nothing of it has come."""
        self.ended = self.beyond = False
        self._left = 0
        self._due = _SIZE
        self._line = b""  # the beginning of a line whose end is still to come
        self._trailers = 0

    def take(self, data: bytes, at: int) -> Sequence[Part]:
        """See :class:`Framing`."""
        parts: list[Part] = []
        view = memoryview(data)
        size = len(data)
        while at < size and not self.ended:
            if self._left:
                part = view[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
            elif self._due is _END and not self._line and (line := _NEXT.match(data, at)) is not None:
                at = line.end()
                self._sized(line)
            elif not self._line and (line := self._due.match(data, at)) is not None:
                at = line.end()
                self._read(line)
            else:
                at = self._collect(data, at)
        self.beyond = at < size
        return parts if len(parts) <= _MANY else (b"".join(parts),)

    def _collect(self, data: bytes, at: int) -> int:
        """Take a part of a line. Returns where that ends in what came."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or at + _MAX_LINE]
        line = self._due.fullmatch(self._line)
        if line is not None:
            self._line = b""
            self._read(line)
        elif end or len(self._line) >= _MAX_LINE:
            raise ValueError("the chunks of the body cannot be told apart")
        return end or len(data)

    def _read(self, line: re.Match[bytes]) -> None:
        """A line has come."""
        if self._due is _SIZE:
            self._sized(line)
        elif self._due is _END:
            self._due = _SIZE
        else:
            self._trailers += line.end() - line.start()
            self.ended = line[0] == b"\r\n"
            if self._trailers > _MAX_TRAILERS:
                raise ValueError("the trailers of the body are too long")

    def _sized(self, line: re.Match[bytes]) -> None:
        """The size of a chunk has come."""
        self._left = int(line[1], 16)
        self._due = _END if self._left else _TRAILER
