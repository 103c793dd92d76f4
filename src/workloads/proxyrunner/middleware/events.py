"""Changing server-sent events on their way, and leaving every other byte of the stream alone. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("EventRewriter", "TooLongError")

# The end of a line, and the empty line that ends an event (WHATWG HTML, section 9.2.5).
_LINE = re.compile(rb"\r\n|\n|\r")
_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"  # may begin a stream, and is no part of its first line


class TooLongError(ValueError):
    """An event is longer than allowed."""


class EventRewriter:
    """Lets a stream of events pass, each as soon as it is whole.

    Args:
        rewrite: The new data of an event, on one line, for its data; None leaves the event as it is.
        limit: Bytes an event may have.
    """

    def __init__(self, rewrite: Callable[[bytes], bytes | None], *, limit: int) -> None:
        """Begin at the start of a stream."""
        self._rewrite = rewrite
        self._limit = limit
        self._rest = b""

    def feed(self, part: bytes, *, last: bool = False) -> bytes:
        """What goes on of the stream, now that this part of it came.

        Args:
            part: The next part.
            last: Whether the stream ends with it; an event that is not whole by then is none.

        Raises:
            TooLongError: An event is longer than allowed.
        """
        stream = self._rest + part
        out: list[bytes] = []
        begin = 0
        for found in _END.finditer(stream, max(0, len(self._rest) - 3)):
            # The other half of a "\r\n" may be still to come.
            if found.end() == len(stream) and stream.endswith(b"\r") and not last:
                break
            out.append(self._event(stream[begin : found.end()]))
            begin = found.end()
        self._rest = stream[begin:]
        if len(self._rest) > self._limit:
            raise TooLongError
        if self._rest.startswith(b":") and b"\n" not in self._rest[:-1] and self._rest.endswith(b"\n"):
            # A comment keeps the stream alive, also where no empty line follows it.
            out.append(self._rest)
            self._rest = b""
        return b"".join(out)

    def _event(self, block: bytes) -> bytes:
        lines = _LINE.split(block.removeprefix(_BOM))
        data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        changed = self._rewrite(b"\n".join(data)) if data else None
        if changed is None:
            return block
        others = [line for line in lines if line and not line.startswith(b"data:")]
        return b"\n".join([*others, b"data: " + changed, b"", b""])
