"""One connection to a server: it carries one exchange after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

from workloads.proxyrunner.upstream.answer import Answer
from workloads.proxyrunner.upstream.errors import BadAnswerError, ResetError
from workloads.proxyrunner.upstream.framing import UntilClosed
from workloads.proxyrunner.upstream.known import AnswerHead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.patience import Patience
    from workloads.proxyrunner.upstream.framing import Framing, Part
    from workloads.proxyrunner.upstream.known import KnownAnswers

__all__ = ("MAX_HEAD", "Asker", "ServerConnection")

MAX_HEAD = 2**18
"""Bytes the head of an answer may have, give or take what the network delivers at once."""

_STATUSES = range(200, 600)
_END_OF_HEAD = b"\r\n\r\n"
"""The parser takes nothing else for it, but passes over empty lines before a head."""


class Asker(Protocol):
    """Who waits for an answer; a future is one."""

    def done(self) -> bool:
        """Whether it waits no more."""
        ...

    def set_result(self, result: Answer, /) -> None:
        """The answer has come: all of it, or its head."""
        ...

    def set_exception(self, error: Exception, /) -> None:
        """None will come."""
        ...


class ServerConnection(asyncio.Protocol):
    """One connection. It belongs to whoever asks on it, until the answer has come to its end.

    Args:
        on_idle: Called when an exchange is over and another may follow.
        on_lost: Called once, when the connection has ended.
        known: The heads that have come before, on this connection or on others.
        patience: Of the connections that wait for a small body.
    """

    def __init__(
        self,
        on_idle: Callable[[ServerConnection], object],
        on_lost: Callable[[ServerConnection], object],
        known: KnownAnswers,
        patience: Patience,
    ) -> None:
        """A connection that is being made."""
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._known = known
        self._patience = patience
        # An answer's head that is known, where it ends, and all that has come of the answer: until its body has, too.
        self._aside: tuple[AnswerHead, int, bytes] | None = None
        self._parser: Any = None
        self._transport: asyncio.Transport | None = None
        self._head: Asker | None = None
        self._read: AnswerHead | None = None  # by the parser, which has not returned yet
        self._answer: Answer | None = None
        self._framing: Framing = UntilClosed()
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._head_tail = b""
        self._bodiless = self._keep_alive = self._sending = False
        self._room: asyncio.Future[None] | None = None
        self.asked = 0
        """How often it was asked."""
        self.idle_since = 0.0
        """When its last exchange ended, by the clock of the loop."""

    @property
    def open(self) -> bool:
        """Whether requests can be written to it."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, head: Asker, request: bytes, *, bodiless: bool, whole: bool = True) -> None:
        """Write a request.

        Args:
            head: Given the answer: as soon as its head has come, or together with a small body that follows at once.
            request: The request: all of it, or as much as there is yet.
            bodiless: Whether an answer to this method has no body, whatever its headers say.
            whole: Whether nothing is left to :meth:`write`.
        """
        self.asked += 1
        self._head = head
        self._bodiless = bodiless
        self._sending = not whole
        self._headers = []
        self._head_size = 0
        self._parser = None
        assert self._transport is not None
        self._transport.write(request)

    async def write(self, part: bytes, *, last: bool = False) -> None:
        """Write more of a request, as fast as the server takes it.

        Raises:
            ResetError: The connection has ended.
        """
        if not self.open:
            raise ResetError("the connection ended before the request was sent")
        assert self._transport is not None
        self._transport.write(part)
        if last:
            self._sending = False
        elif self._room is not None:
            await asyncio.shield(self._room)

    def abort(self) -> None:
        """Close at once; an answer under way is cut."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, asked: int) -> None:
        """Close at once, unless somebody else asks by now.

        Args:
            asked: What :attr:`asked` was with the request that is given up.
        """
        if self.asked <= asked:
            self.abort()

    def hold(self) -> None:
        """Take nothing more from the server for now."""
        if self.open:
            cast("asyncio.Transport", self._transport).pause_reading()

    def go_on(self) -> None:
        """Take what the server sends again."""
        if self.open:
            cast("asyncio.Transport", self._transport).resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """The server does not keep up."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It does again."""
        room, self._room = self._room, None
        if room is not None:
            room.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        aside, self._aside = self._aside, None
        known, at, brief, size = None, 0, 0, 0
        if aside is not None:
            known, at, begun = aside
            data = begun + data
        elif self._head is not None and not self._head_size:
            at = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
            known = self._known.find(data[:at])
        if known is not None and not self._bodiless:
            brief, size = known.brief, len(data) - at
            if size < brief:
                # Often the body comes apart from its head. Looked at together they cost less.
                if aside is None:
                    self._patience.begin(self)
                self._aside = known, at, data
                return
        if aside is not None:
            self._patience.end(self)
        if known is not None and size == brief > 0:
            self._take_whole(known, data[at:])
        else:
            self._take(data, known, at)

    def waited(self) -> None:
        """The body has not come in time that is usually small, and soon there."""
        aside, self._aside = self._aside, None
        self._patience.end(self)
        if aside is not None:
            known, at, begun = aside
            self._take(begun, known, at)

    def _take_whole(self, head: AnswerHead, body: bytes) -> None:
        """Take an answer that has come at once."""
        asker, self._head = self._head, None
        assert asker is not None
        self._keep_alive = head.keep_alive
        self._over()
        if not asker.done():
            asker.set_result(Answer(self, head, body))

    def _take(self, data: bytes, known: AnswerHead | None = None, at: int = 0) -> None:
        """Take what came.

        Args:
            data: That.
            known: Its head, if that is known.
            at: Where the head ends, then.
        """
        begins = self._head is not None
        if known is None:
            at = 0
        else:
            self._begin(known)
        while self._head is not None and at < len(data):
            at = self._read_head(data, at)
        answer = self._answer
        if at < len(data):
            if answer is None:
                self.abort()  # nobody asked: it must not be taken for the answer to the next request
                return
            self._read_body(answer, data, at)
        if begins and answer is not None:
            answer.rest()

    def _read_body(self, answer: Answer, data: bytes, at: int) -> None:
        """Take what there is of a body."""
        framing = self._framing
        try:
            parts = framing.take(data, at)
        except ValueError as error:
            self._fail(BadAnswerError(str(error)))
            return
        if not framing.ended:
            answer.feed(parts)
            return
        self._complete(answer, parts)
        if framing.beyond:
            self.abort()

    def _read_head(self, data: bytes, at: int) -> int:
        """Take what there is of a head. Returns where it ends in what came."""
        came = self._head_tail + data[at:] if self._head_tail or at else data
        found = came.find(_END_OF_HEAD)
        end = len(came) if found < 0 else found + len(_END_OF_HEAD)
        piece = came[len(self._head_tail) : end]
        self._head_tail = came[1 - len(_END_OF_HEAD) :] if found < 0 else b""
        self._head_size += len(piece)
        if self._parser is None:
            # It is told of heads alone, so none can be used for a second answer.
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BadAnswerError(str(error) or "it is no HTTP"))
        head, self._read = self._read, None
        if head is not None and self._head is not None:
            if len(piece) == self._head_size:
                self._known.learn(piece, head)
            self._begin(head)
        if self._head is not None and self._head_size > MAX_HEAD:
            self._fail(BadAnswerError(f"its head has more than {MAX_HEAD} bytes"))
        return at + len(piece)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            # Only news about the answer, which is still to come (RFC 9110, section 15.2).
            self._headers = []
            return
        try:
            head = AnswerHead(status, tuple(self._headers), keep_alive=self._parser.should_keep_alive())
        except ValueError as error:
            self._fail(BadAnswerError(str(error)))
            return
        if status in _STATUSES:
            self._read = head
        else:
            self._fail(BadAnswerError(f"status {status}"))

    def _begin(self, head: AnswerHead) -> None:
        """The answer begins."""
        asker, self._head = self._head, None
        assert asker is not None
        self._keep_alive = head.keep_alive
        self._framing = framing = head.framing()
        answer = self._answer = Answer(self, head)
        if not asker.done():
            asker.set_result(answer)
        if framing.ended or self._bodiless or head.bodiless:
            self._complete(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, on either side."""
        self.waited()
        self.resume_writing()
        reason = str(exc or "") or "the connection was closed"
        answer = self._answer
        if answer is not None and exc is None and isinstance(self._framing, UntilClosed):
            self._answer = None
            answer.feed((), last=True)
        else:
            self._fail(ResetError(reason))
        self._on_lost(self)

    def _complete(self, answer: Answer, parts: Sequence[Part] = ()) -> None:
        self._answer = None
        answer.feed(parts, last=True)
        self._over()

    def _over(self) -> None:
        """The exchange is over."""
        # A server that answers before it has the whole request does not want the rest.
        if self._keep_alive and not self._sending and self.open:
            self._on_idle(self)
        else:
            self.abort()

    def _fail(self, error: Exception) -> None:
        head, answer = self._head, self._answer
        self._head = self._answer = None
        if answer is not None:
            answer.cut(str(error))
        if head is not None and not head.done():
            head.set_exception(error)
        self.abort()
