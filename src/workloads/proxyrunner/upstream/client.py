"""Sends requests to servers, over connections that are kept for the next request."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from workloads.proxyrunner.patience import Patience
from workloads.proxyrunner.upstream.connection import ServerConnection
from workloads.proxyrunner.upstream.dial import Dialer
from workloads.proxyrunner.upstream.errors import ConnectFailedError
from workloads.proxyrunner.upstream.known import KnownAnswers
from workloads.proxyrunner.upstream.wire import LAST_CHUNK, chunk, request_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.upstream.answer import Answer
    from workloads.proxyrunner.upstream.connection import Asker

__all__ = ("KEEP_ALIVE", "Upstream")

KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept. Servers commonly close one after five; to send just then loses the request."""

_MOMENT = 0.05
"""Seconds for which the head of an answer waits for its body, when that is small."""


class Upstream:
    """Connections to servers, a pool for each. It belongs to the loop on which it is first used."""

    def __init__(self) -> None:
        """Prepare; nothing is connected yet."""
        self._dialer = Dialer()
        self._known = KnownAnswers()
        self._idle: dict[str, list[ServerConnection]] = {}  # by the URL of their server
        self._homes: dict[ServerConnection, str] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._closed = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @cached_property
    def _patience(self) -> Patience:
        return Patience(self._loop, _MOMENT)

    async def close(self) -> None:
        """Close every connection; what is under way on them is cut. Idempotent."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        if self._homes:
            if self._emptied is None:
                self._emptied = self._loop.create_future()
            for connection in list(self._homes):
                connection.abort()
            await asyncio.shield(self._emptied)

    async def send(
        self,
        address: ReplicaAddress,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
        *,
        rest: AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """Send a request and wait for the head of the answer. Cancelling it closes the connection.

        Args:
            address: Where to.
            method: The HTTP method.
            target: Path and query, encoded as they shall go out.
            headers: The headers, names in lower case, as they shall go out.
            body: The body.
            rest: What follows the body, as fast as the server takes it; its errors are raised from here. Unless
                ``headers`` have a ``content-length``, the body goes out in chunks then. Default: nothing follows.

        Returns:
            The answer, whose body is still to be read or given up with ``close()``.

        Raises:
            ConnectFailedError: No connection, so nothing was sent.
            ResetError: The connection ended first.
            BadAnswerError: The answer is no HTTP.
        """
        connection = self._take(address)
        if connection is None:
            connection = await self._connect(address)
        head: asyncio.Future[Answer] = self._loop.create_future()
        asked = connection.asked + 1
        try:
            if rest is None:
                _ask(connection, head, address, method, target, headers, body)
                return await head
            return await _stream(connection, head, (method, target, address.host_header, headers), body, rest)
        except BaseException:
            head.cancel()
            connection.give_up(asked)  # which an answer that has come whole leaves to whoever asks next
            raise

    def send_now(self, head: Asker, address: ReplicaAddress, request: bytes) -> ServerConnection | None:
        """Send a request if nothing has to be waited for.

        Args:
            head: Is given the answer, all of it or its head, or an error as :meth:`send` raises it.
            address: Where to.
            request: The whole request, as :func:`request_head` and its body are; one whose answer may have a body.

        Returns:
            The connection, to be aborted when nobody wants the answer; None when nothing was sent.
        """
        connection = self._take(address)
        if connection is not None:
            connection.ask(head, request, bodiless=False)
        return connection

    def _take(self, address: ReplicaAddress) -> ServerConnection | None:
        """An idle connection on which nothing has been heard of its end."""
        idle = self._idle.get(address.url)
        if idle:
            deadline = self._loop.time() - KEEP_ALIVE
            while idle:
                connection = idle.pop()
                if connection.open and connection.idle_since > deadline:
                    return connection
                connection.abort()
        return None

    async def _connect(self, address: ReplicaAddress) -> ServerConnection:
        connection = await self._dialer.dial(
            address, lambda: ServerConnection(self._rest, self._lost, self._known, self._patience)
        )
        if self._closed:
            connection.abort()
            raise ConnectFailedError("the proxy has closed its connections")
        self._homes[connection] = address.url
        return connection

    def _rest(self, connection: ServerConnection) -> None:
        """An exchange is over: keep the connection for the next one."""
        connection.idle_since = self._loop.time()
        self._idle.setdefault(self._homes[connection], []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEEP_ALIVE, self._sweep)

    def _lost(self, connection: ServerConnection) -> None:
        self._homes.pop(connection, None)
        if not self._homes and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and look again when the next one may have."""
        deadline = self._loop.time() - KEEP_ALIVE
        for url, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= deadline:
                    connection.abort()
            kept = [each for each in idle if each.open]
            if kept:
                self._idle[url] = kept
            else:
                del self._idle[url]
        oldest = min((idle[0].idle_since for idle in self._idle.values()), default=None)
        self._sweeping = None if oldest is None else self._loop.call_at(oldest + KEEP_ALIVE, self._sweep)


def _ask(
    connection: ServerConnection,
    head: Asker,
    address: ReplicaAddress,
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """Send a whole request."""
    request = request_head(method, target, address.host_header, headers, len(body)) + body
    connection.ask(head, request, bodiless=method == "HEAD")


async def _stream(
    connection: ServerConnection,
    head: asyncio.Future[Answer],
    request: tuple[str, bytes, bytes, Sequence[tuple[bytes, bytes]]],
    body: bytes,
    rest: AsyncIterator[bytes],
) -> Answer:
    """Send a request whose body is still on its way. A server may answer before it has all of it."""
    method, target, authority, headers = request
    framed = any(name == b"content-length" for name, _ in headers)
    first = body if framed or not body else chunk(body)
    length = len(body) if framed else None
    connection.ask(
        head, request_head(method, target, authority, headers, length) + first, bodiless=method == "HEAD", whole=False
    )

    async def feed() -> None:
        async for part in rest:
            await connection.write(part if framed else chunk(part))
        await connection.write(b"" if framed else LAST_CHUNK, last=True)

    feeding = asyncio.ensure_future(feed())
    try:
        await asyncio.wait((feeding, head), return_when=asyncio.FIRST_COMPLETED)
        if not head.done():
            feeding.result()
        return await head
    finally:
        if not feeding.done():
            feeding.cancel()
        await asyncio.wait({feeding})
        if not feeding.cancelled():
            feeding.exception()
