"""Lines out of a stream of bytes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MAX_LINE", "LineSplitter")

MAX_LINE = 8 * 2**20
"""Bytes a line may have."""

_EDGE = 2**8
"""Bytes that are kept of either end of a line that is too long."""


class LineSplitter:
    """Finds the lines in a stream that arrives in parts. A line that is too long is dropped, the next one is read.

    Args:
        limit: Bytes a line may have, without its end.
        on_dropped: Called with how a line that is dropped begins and ends, when it ends. Default: nobody is told.
    """

    def __init__(self, limit: int = MAX_LINE, on_dropped: Callable[[bytes, bytes], object] | None = None) -> None:
        """Begin at the start of a stream."""
        self._limit = limit
        self._on_dropped = on_dropped
        self._begins = self._ends = b""
        self._rest = bytearray()
        self._dropping = False
        self.dropped = 0
        """How many lines were too long."""

    def feed(self, part: bytes) -> list[bytes]:
        """The lines that this part completes, without their ends."""
        *ends, rest = part.split(b"\n")
        lines: list[bytes] = []
        for end in ends:
            self._extend(end)
            if not self._dropping:
                lines.append(bytes(self._rest))
            elif self._on_dropped is not None:
                self._on_dropped(self._begins, self._ends)
            self._rest.clear()
            self._dropping = False
        self._extend(rest)
        return lines

    def _extend(self, part: bytes) -> None:
        if self._dropping:
            self._ends = (self._ends + part[-_EDGE:])[-_EDGE:]
        elif len(self._rest) + len(part) > self._limit:
            self._dropping = True
            self.dropped += 1
            self._begins = bytes(self._rest[:_EDGE] + part[:_EDGE])[:_EDGE]
            self._ends = bytes(self._rest[-_EDGE:] + part[-_EDGE:])[-_EDGE:]
            self._rest.clear()
        else:
            self._rest += part
