"""The answer to one request: its head, and its body as it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from workloads.proxyrunner.upstream.errors import StreamCutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Answer", "Line")

_HIGH_WATER = 2**18
"""Bytes that may wait for whoever reads, before the server is held up: what the loop takes at once is not too much."""


class Line(Protocol):
    """The connection on which an answer comes, as far as the answer needs it."""

    def hold(self) -> None:
        """Take nothing more from the server for now."""
        ...

    def go_on(self) -> None:
        """Take what the server sends again."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...


class Answer:
    """An answer. It is to be read to its end with :meth:`read`, or given up with :meth:`close`.

    Args:
        line: The connection on which it comes.
        status: The HTTP status.
        headers: The headers, names in lower case.
    """

    __slots__ = ("_cut", "_ended", "_held", "_line", "_parts", "_size", "_waiter", "headers", "on_come", "status")

    def __init__(self, line: Line, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """An answer whose head has come."""
        self.status = status
        self.headers = headers
        self._line = line
        self._parts: list[bytes] = []
        self._size = 0
        self._held = False
        self._ended = False
        self._cut = ""
        self._waiter: asyncio.Future[None] | None = None
        self.on_come: Callable[[], object] | None = None
        """Called once, when all has been fed that came together with its head."""

    @property
    def whole(self) -> bytes | None:
        """The body, of which nothing was read; None when it has not come to its end."""
        return b"".join(self._parts) if self._ended else None

    @property
    def at_end(self) -> bool:
        """Whether it has come and been read to its end."""
        return self._ended and not self._parts

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty when there is none."""
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")

    async def read(self) -> bytes:
        """All that has come of the body, as soon as there is something; empty at its end.

        Raises:
            StreamCutError: The answer ended in the middle.
        """
        while not self._parts:
            if self._cut:
                raise StreamCutError(self._cut)
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        parts = self._parts
        self._parts, self._size = [], 0
        if self._held:
            self._held = False
            self._line.go_on()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Give up what has not come yet, which the server notices. Idempotent."""
        if not self._ended and not self._cut:
            self._line.abort()

    def feed(self, part: bytes) -> None:
        """A part of the body came."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > _HIGH_WATER and not self._held:
            self._held = True
            self._line.hold()
        self._wake()

    def end(self) -> None:
        """The whole body has come."""
        self._ended = True
        if self._held:  # the connection goes on to another answer
            self._held = False
            self._line.go_on()
        self._wake()
        self.rest()

    def cut(self, reason: str) -> None:
        """No more of it will come."""
        self._cut = reason
        self._wake()
        self.rest()

    def rest(self) -> None:
        """Nothing more of it is here now."""
        on_come, self.on_come = self.on_come, None
        if on_come is not None:
            on_come()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
