"""The answer to one request: its head, and its body as it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from workloads.proxyrunner.upstream.errors import StreamCutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.asgi import Passage
    from workloads.proxyrunner.upstream.framing import Part
    from workloads.proxyrunner.upstream.known import AnswerHead

__all__ = ("Answer", "Line")

_HIGH_WATER = 2**16
"""Bytes that may wait for whoever reads, before the server is held up. What the loop takes at once is more, so that of
a large answer no more than that comes before somebody reads it: the memory for it would be new each time."""


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
    """An answer. It is to be read to its end with :meth:`read` or :meth:`pour`, or given up with :meth:`close`.

    Args:
        line: The connection on which it comes.
        head: Its head.
        body: Its body, if that has come whole. Default: None, it comes.
    """

    __slots__ = (
        "_cut", "_held", "_line", "_over", "_parts", "_passage", "_size", "_waiter", "_watch", "ended", "head",
        "on_come", "poured",
    )  # fmt: skip

    def __init__(self, line: Line, head: AnswerHead, body: bytes | None = None) -> None:
        """An answer whose head has come."""
        self.head = head
        """Its head."""
        self._line = line
        self._parts: list[Part] = [] if body is None else [body]
        self._size = 0
        self._held = False
        self.ended = body is not None
        """Whether it has come to its end."""
        self._cut = ""
        self._waiter: asyncio.Future[None] | None = None
        self._passage: Passage | None = None
        self._watch: Callable[[Part], object] | None = None
        self._over: Callable[[str], object] | None = None
        self.on_come: Callable[[], object] | None = None
        """Called once, when all has been fed that came together with its head; not of one that has come whole."""
        self.poured = 0
        """Bytes of the body that :meth:`pour` has passed on."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.head.status

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers, names in lower case."""
        return self.head.headers

    @property
    def whole(self) -> bytes | None:
        """The body, of which nothing was read; None when it has not come to its end."""
        return b"".join(self._parts) if self.ended else None

    @property
    def at_end(self) -> bool:
        """Whether it has come and been read to its end."""
        return self.ended and not self._parts

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
            if self.ended:
                return b""
            await self._news()
        parts = self._parts
        self._parts, self._size = [], 0
        self._go_on()
        return b"".join(parts)

    async def pour(self, passage: Passage, watch: Callable[[Part], object] | None = None) -> None:
        """Pass on the whole body, each part as soon as it comes and without waking anybody for it.

        Args:
            passage: Where to. While it has no room the server is held up.
            watch: Called with each part before. Default: None, nobody looks.

        Raises:
            StreamCutError: The answer ended in the middle.
        """
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(reason: str) -> None:
            if not over.done():
                over.set_result(reason)

        self.attach(passage, end, watch)
        try:
            reason = await over
        finally:
            self._detach()
        if reason:
            raise StreamCutError(reason)

    def attach(
        self, passage: Passage, over: Callable[[str], object], watch: Callable[[Part], object] | None = None
    ) -> None:
        """As :meth:`pour`, for who does not wait.

        Args:
            passage: As for :meth:`pour`.
            over: Called once, when no more will come: with the reason why not, or empty at the end.
            watch: As for :meth:`pour`.
        """
        parts, self._parts, self._size = self._parts, [], 0
        self._passage, self._over, self._watch = passage, over, watch
        passage.on_room = self._go_on
        self._go_on()
        if parts or self.ended:
            self.feed(parts, last=self.ended)
        if self._cut:
            self._end(self._cut)

    def close(self) -> None:
        """Give up what has not come yet, which the server notices. Idempotent."""
        self._detach()
        if not self.ended and not self._cut:
            self._line.abort()

    def feed(self, parts: Sequence[Part], *, last: bool = False) -> None:
        """Parts of the body came.

        Args:
            parts: The parts.
            last: Whether that is all of it. Default: no.
        """
        self.ended = last
        size = sum(map(len, parts))
        if self._passage is None:
            self._parts += parts
            self._size += size
            # Whoever is called when all is here that came with the head may well take it at once.
            enough = self._size > _HIGH_WATER and self.on_come is None
            self._wake()
        else:
            self.poured += size
            if self._watch is not None:
                for part in parts:
                    self._watch(part)
            enough = not self._passage.pass_on(parts, last=last)
        if last:
            self._go_on()  # to another answer
            self._wake()
            self.rest()
            self._end("")
        elif enough:
            self._hold()

    def cut(self, reason: str) -> None:
        """No more of it will come."""
        self._cut = reason
        self._wake()
        self.rest()
        self._end(reason)

    def rest(self) -> None:
        """Nothing more of it is here now."""
        on_come, self.on_come = self.on_come, None
        if on_come is not None:
            on_come()
            if self._size > _HIGH_WATER and not self.ended and not self._cut:
                self._hold()

    def _detach(self) -> None:
        if self._passage is not None:
            self._passage.on_room = None
            self._passage = self._watch = self._over = None

    def _end(self, reason: str) -> None:
        over = self._over
        self._detach()
        if over is not None:
            over(reason)

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._line.hold()

    def _go_on(self) -> None:
        if self._held:
            self._held = False
            self._line.go_on()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
