"""One request on a client's connection, and the ASGI callables for whoever answers it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import CONNECTION, header
from workloads.proxyrunner.response import Head, Response, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.asgi import Application, Headers, Message, Scope, Send
    from workloads.proxyrunner.connection import Connection
    from workloads.proxyrunner.upstream.framing import Part

__all__ = ("Turn",)

_log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = whole(500, "Internal Server Error")
_HIGH_WATER = 2**18
"""Bytes of a body that may wait for whoever reads, before the client is held up."""
_MOMENT = 0.01
"""Seconds for which a head waits for a body whose length it tells."""
_SMALL = 2**14
"""Bytes that are cheaper copied than written apart."""


class Turn:
    """One request. Implements :class:`~workloads.proxyrunner.asgi.ClientConnection`.

    Args:
        connection: The connection on which it came.
        scope: The ASGI scope.
        keep_alive: Whether the connection may go on to another request after it.
        expects: Whether the client waits with the body until it is asked for it.
        body: Its body, if that has come whole. Default: None, it comes.
    """

    __slots__ = (
        "_bodiless", "_chunks", "_connection", "_expects", "_held", "_news", "_parts", "_patience", "_response",
        "_size", "_told", "arrived", "done", "keep_alive", "lost", "on_lost", "on_room", "scope",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, scope: Scope, *, keep_alive: bool, expects: bool, body: bytes | None = None
    ) -> None:
        """A request whose head has come."""
        self._connection = connection
        self.scope: Scope = scope
        """The ASGI scope; empty once somebody has it: it knows this turn, and a circle stays until it is looked for."""
        self._bodiless = scope["method"] == "HEAD"
        self._chunks = scope["http_version"] != "1.0"
        self.keep_alive = keep_alive
        """Whether the connection goes on after it."""
        self._expects = expects
        self._parts: list[bytes] = [] if body is None else [body]
        self._size = 0
        self._told = False
        self._news: asyncio.Event | None = None
        self._response: Response | None = None
        self._held = b""
        self._patience: asyncio.TimerHandle | None = None  # for which that is held
        self.arrived = body is not None
        """Whether the whole request has come."""
        self.done = False
        """Whether the whole response has been written."""
        self.lost = False
        """Whether the client has gone."""
        self.on_lost: Callable[[], object] | None = None
        """Called once, when the client goes meanwhile."""
        self.on_room: Callable[[], object] | None = None
        """Called when there is room again for more of the response."""

    @property
    def body(self) -> bytes:
        """What has come of the body, and was not received yet."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def brief(self, size: int) -> int:
        """How long a body its head announces, if that is no longer than this and the client need not be asked for it.

        Args:
            size: Bytes.

        Returns:
            The bytes of the body; 0 for anything else.
        """
        if self._expects or not self.keep_alive:
            return 0
        length = int(header(self.scope["headers"], b"content-length") or 0)
        return length if length <= size else 0

    def template(self) -> Scope:
        """The scope, without what is of this request only."""
        return {key: value for key, value in self.scope.items() if key != CONNECTION}

    @property
    def free(self) -> bool:
        """Whether the client keeps up with what it is sent."""
        return self._connection.room is None

    @property
    def started(self) -> bool:
        """Whether the response has begun."""
        return self._response is not None or self.done

    async def run(self, application: Application) -> None:
        """Let an application answer it."""
        scope, self.scope = self.scope, {}
        try:
            await application(scope, self.receive, self.send)
        except Exception:  # noqa: BLE001  # whatever it raises, the client hears of it
            _log.exception("a request could not be answered")
            self._fail()
        except BaseException:
            self.abort()
            raise
        else:
            if not self.done and not self.lost:
                _log.error("a request was not answered to its end")
                self._fail()

    def serve(self, application: Application) -> None:
        """Let an application answer it, in a task of its own."""
        self._connection.serve(self, application)

    @property
    def way(self) -> tuple[bool, bool, bool]:
        """What of the request, and of its connection, decides how the head of a response looks."""
        return self._bodiless, self._chunks, self.keep_alive

    def head(self, status: int, headers: Headers) -> Head:
        """The head of a response. It may go out again where :attr:`way` is the same.

        Raises:
            ValueError: It cannot be written as it is.
        """
        return Head(status, headers, bodiless=self._bodiless, chunks=self._chunks, keep_alive=self.keep_alive)

    def answer(self, head: Head, body: bytes) -> None:
        """Write a whole response. The whole request must have come.

        Raises:
            ValueError: The body has not the length that its head tells; nothing was written.
        """
        self._connection.write(head.followed_by(body))
        self.scope = {}
        self._finish(head)

    def begin(self, head: Head) -> None:
        """Begin a response, whose body :meth:`pass_on` then writes."""
        self._response = response = Response(head)
        self.scope = {}
        # Each write is a call of the kernel and a packet, and nearly always the body follows at once. Where its length
        # is told, the head alone is of little use.
        self._held = head.text
        if response.due:
            self._patience = self._connection.later(_MOMENT, self._flush)
        else:
            self._connection.soon(self._flush)

    def give_up(self) -> None:
        """The client has gone, and nobody will answer."""
        self.scope = {}

    async def receive(self) -> Message:
        """The next part of the body; after its end, that the client has gone or the response is complete."""
        if self._expects:
            self._expects = False
            if not self.arrived and not self.lost:
                self._connection.write(_CONTINUE)
        while not (self._parts or (self.arrived and not self._told)):
            if self.lost or self.done:
                return {"type": "http.disconnect"}
            self._connection.take_more()
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            await self._news.wait()
        if self.lost or self.done:
            return {"type": "http.disconnect"}
        parts = self._parts
        self._parts, self._size = [], 0
        self._told = self.arrived
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return {"type": "http.request", "body": body, "more_body": not self.arrived}

    async def send(self, message: Message) -> None:
        """Write a part of the response, as fast as the client takes it.

        Raises:
            RuntimeError: It is not the turn of such a message.
            ValueError: It cannot be written as it is.
        """
        room = self._connection.room
        if room is not None and not self.lost:
            await room.wait()
        if self.lost:
            return
        response = self._response
        expected = "http.response.start" if response is None else "http.response.body"
        if message["type"] != expected or self.done:
            raise RuntimeError(f"{message['type']} where {'nothing' if self.done else expected} may follow")
        if response is None:
            if self._expects:
                self._expects = False
                # Not asked for its body, the client may send it or not: what comes next could be either.
                self.keep_alive = self.keep_alive and self.arrived
            self.begin(self.head(message["status"], [*message.get("headers", ())]))
            return
        last = not message.get("more_body", False)
        self._write(response.part(message.get("body", b""), last=last))
        if last:
            self._finish(response.head)

    def passage(self, send: Send) -> Turn | None:
        """See :class:`~workloads.proxyrunner.asgi.ClientConnection`."""
        return self if send == self.send else None

    def pass_on(self, parts: Sequence[Part], *, last: bool) -> bool:
        """See :class:`~workloads.proxyrunner.asgi.Passage`.

        Raises:
            ValueError: The body has not the length that its head tells.
        """
        response = self._response
        if response is not None and not self.lost:
            self._write(response.parts(parts, last=last))
            if last:
                self._finish(response.head)
        return self._connection.room is None

    def feed(self, part: bytes) -> bool:
        """A part of the body came. Returns whether that is enough for now."""
        if self.done:
            return False
        self._parts.append(part)
        self._size += len(part)
        self._wake()
        return self._size > _HIGH_WATER

    def end(self) -> None:
        """The whole body has come."""
        self.arrived = True
        self._wake()

    def leave(self) -> None:
        """The client has gone, or has been refused: tell who answers it, at once."""
        self.lost = True
        self._wake()
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()

    def cut(self) -> None:
        """Send what is written, then close without ending the response."""
        if not self.lost:
            self._flush()
            self._connection.close()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        if not self.lost:  # else it may be in the midst of its farewell
            self._held = b""
            self._connection.abort()

    def _finish(self, head: Head) -> None:
        self.done = True
        self.keep_alive = self.keep_alive and head.keep_alive
        self._wake()
        self._connection.finished(self)

    def _write(self, parts: Sequence[Part]) -> None:
        held, self._held = self._held, b""
        if held:
            parts = (held, *parts)
            if self._patience is not None:
                self._patience.cancel()
        if len(parts) == 1:
            self._connection.write(parts[0])
        elif sum(map(len, parts)) <= _SMALL:
            self._connection.write(b"".join(parts))
        elif parts:
            self._connection.write_all(parts)

    def _flush(self) -> None:
        if self._held and not self.lost:
            self._write(())

    def _fail(self) -> None:
        if self.lost or self.done:
            return
        if self.started:
            self.cut()
        else:
            self._connection.write(_FAILED)
            self._connection.part(heard=self.arrived)

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
