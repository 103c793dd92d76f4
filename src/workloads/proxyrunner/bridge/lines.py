"""Lines out of a stream of bytes. Pure."""

from __future__ import annotations

__all__ = ("MAX_LINE", "LineSplitter")

MAX_LINE = 8 * 2**20
"""Bytes a line may have."""


class LineSplitter:
    """Finds the lines in a stream that arrives in parts. A line that is too long is dropped, the next one is read.

    Args:
        limit: Bytes a line may have, without its end.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        """Begin at the start of a stream."""
        self._limit = limit
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
            self._rest.clear()
            self._dropping = False
        self._extend(rest)
        return lines

    def _extend(self, part: bytes) -> None:
        if self._dropping:
            return
        if len(self._rest) + len(part) > self._limit:
            self._dropping = True
            self.dropped += 1
            self._rest.clear()
        else:
            self._rest += part
