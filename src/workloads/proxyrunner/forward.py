"""The transparent proxy: requests go to the server and answers come back, unchanged and unbuffered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs

from workloads.proxyrunner import replies
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.asgi import CONNECTION, cut, follow, respond
from workloads.proxyrunner.body import MAX_BODY, has_body, read_body, starts_batch
from workloads.proxyrunner.gate import HOLD, UnavailableError
from workloads.proxyrunner.headers import RequestHead, forwarded, read_request, response_headers
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, begins_session, is_request
from workloads.proxyrunner.pool import UnknownSessionError
from workloads.proxyrunner.protocol import SESSION_NOT_FOUND
from workloads.proxyrunner.sse_ledger import SseLedger
from workloads.proxyrunner.streams import LongStream
from workloads.proxyrunner.upstream import BadAnswerError, ConnectFailedError, ResetError, StreamCutError

if TYPE_CHECKING:
    import aiohttp

    from workloads.proxyrunner.asgi import ClientConnection, Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.pool import Pool, Visit
    from workloads.proxyrunner.sse_ledger import Tap
    from workloads.proxyrunner.upstream import Upstream

__all__ = ("Forwarder",)

_log = logging.getLogger(__name__)

_DISCOVER = b"server/discover"
_LISTEN = b"subscriptions/listen"
_EVENT_STREAM = "text/event-stream"
_RETRY_PAUSE = 0.1


@attrs.define
class _Exchange:
    """One request on its way, with what is needed to answer it."""

    scope: Scope
    receive: Receive
    send: Send
    head: RequestHead
    body: bytes
    connection: ClientConnection
    authority: bytes = b""
    visit: Visit | None = None

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def message(self) -> bytes | None:
        """The body, if it is a JSON-RPC message."""
        return self.body if self.method == "POST" else None

    @property
    def discovers(self) -> bool:
        return self.head.mcp_method == _DISCOVER

    @property
    def target(self) -> str:
        """Path and query as the client encoded them."""
        raw: bytes = self.scope["raw_path"]
        query: bytes = self.scope["query_string"]
        return (b"%s?%s" % (raw, query) if query else raw).decode("ascii")

    @property
    def session(self) -> str | None:
        session = self.head.session
        return None if session is None else session.decode("latin-1")

    @property
    def begins(self) -> bool:
        return self.method == "POST" and not self.head.modern and begins_session(self.body)

    def forget_session(self) -> None:
        self.head.session = None
        self.head.kept = [item for item in self.head.kept if item[0] != b"mcp-session-id"]

    def headers(self) -> list[tuple[bytes, bytes]]:
        client: tuple[str, int] | None = self.scope["client"]
        address = client[0] if client else ""
        scheme: str = self.scope["scheme"]
        return self.head.kept + forwarded(self.head.kept, client=address, host=self.head.host, scheme=scheme)


class Forwarder:
    """An ASGI application that forwards every request to the server behind a gate.

    Args:
        gate: Opens when the server is ready: to its address, or to a pool of replicas to choose from.
        upstream: The connections to it.
        exchanges: Where long-lived streams are entered.
        streamable: Whether the server speaks streamable HTTP, so that its rules can be enforced for it.
        stateless: Whether the server has no sessions: GET, HEAD and DELETE are then refused.
        trust_forwarded: Pass on what earlier proxies said of the client.
        max_body: Bytes a request may have.
        hold: Seconds a request waits for a server that is not ready.
    """

    def __init__(
        self,
        gate: Gate[ReplicaAddress | Pool],
        upstream: Upstream,
        exchanges: Exchanges,
        *,
        streamable: bool = True,
        stateless: bool = False,
        trust_forwarded: bool = False,
        max_body: int = MAX_BODY,
        hold: float = HOLD,
    ) -> None:
        """Prepare to forward."""
        self._gate = gate
        self._upstream = upstream
        self._exchanges = exchanges
        self._streamable = streamable
        self._stateless = stateless
        self._trust_forwarded = trust_forwarded
        self._max_body = max_body
        self._hold = hold
        self._ledger = None if streamable else SseLedger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        received: list[tuple[bytes, bytes]] = scope["headers"]
        body = await read_body(received, receive, self._max_body) if has_body(received) else b""
        head = read_request(received, trust_forwarded=self._trust_forwarded)
        connection: ClientConnection = scope[CONNECTION]
        exchange = _Exchange(scope, receive, send, head, body, connection)
        reply = self._refuse(exchange)
        if reply is not None:
            await respond(send, reply)
            return
        follow(connection)
        try:
            await self._forward(exchange)
        finally:
            if exchange.visit is not None:
                exchange.visit.end()

    async def _forward(self, exchange: _Exchange) -> None:
        posted = self._ledger.posted(exchange.target, exchange.body) if self._ledger is not None else None
        accepted = False
        try:
            response = await (self._discover(exchange) if exchange.discovers else self._send(exchange))
            accepted = response.status < 300
        except (UnavailableError, UnknownSessionError, ConnectFailedError, ResetError, BadAnswerError) as error:
            await _fail(exchange, error)
            return
        finally:
            if posted is not None and not accepted:
                tap, message = posted
                tap.forget(message)
        if exchange.visit is not None:
            exchange.visit.answered(response.status, response.headers.get("Mcp-Session-Id"))
        try:
            await self._answer(exchange, response)
        finally:
            exchange.connection.on_lost = None
            response.close()

    def _refuse(self, exchange: _Exchange) -> replies.Reply | None:
        head, method = exchange.head, exchange.method
        if head.problem:
            return replies.refusal(400, INVALID_REQUEST, head.problem, request=exchange.message)
        if method == "POST":
            if starts_batch(exchange.body):
                return replies.refusal(400, INVALID_REQUEST, "Batches are not supported", request=exchange.body)
        elif self._streamable and method in ("GET", "HEAD", "DELETE"):
            if self._stateless:
                return replies.method_not_allowed("POST", "OPTIONS")
            if head.modern:
                return replies.method_not_allowed("POST")
        return None

    async def _try(self, exchange: _Exchange) -> aiohttp.ClientResponse:
        target = await self._enter(exchange)
        address = target if isinstance(target, ReplicaAddress) else _visit(exchange, target)
        exchange.authority = address.authority.encode()
        return await self._upstream.send(address, exchange.method, exchange.target, exchange.headers(), exchange.body)

    async def _enter(self, exchange: _Exchange) -> ReplicaAddress | Pool:
        try:
            return await self._gate.enter(self._hold)
        except UnavailableError:
            # What the client answers, or cancels, is no new work: requests in flight may wait for it.
            if self._gate.leaving is None or exchange.method != "POST" or is_request(exchange.body):
                raise
            return self._gate.leaving

    async def _send(self, exchange: _Exchange) -> aiohttp.ClientResponse:
        """Send the request, once more if no connection could be made, because then nothing was sent."""
        try:
            return await self._try(exchange)
        except ConnectFailedError:
            # The server may have ended just now, so that the gate is about to shut.
            await asyncio.sleep(_RETRY_PAUSE)
            return await self._try(exchange)

    async def _discover(self, exchange: _Exchange) -> aiohttp.ClientResponse:
        """Send a ``server/discover``, again and again until the server answers it.

        To a client any error here is a verdict: it takes the server for one of the old protocol, for good.
        """
        try:
            async with asyncio.timeout(self._hold):
                while True:
                    try:
                        response = await self._try(exchange)
                    except (ConnectFailedError, ResetError):
                        pass
                    else:
                        if response.status < 500:
                            return response
                        response.close()
                    await asyncio.sleep(_RETRY_PAUSE)
        except TimeoutError:
            raise UnavailableError("The server did not answer server/discover in time") from None

    async def _answer(self, exchange: _Exchange, response: aiohttp.ClientResponse) -> None:
        headers = response_headers(
            response.raw_headers,
            status=response.status,
            authority=exchange.authority,
            modern=exchange.head.modern,
        )
        await exchange.send({"type": "http.response.start", "status": response.status, "headers": headers})
        try:
            if not _lives_long(exchange, response):
                await self._relay(exchange, response)
            elif self._ledger is None:
                stream = LongStream(self._exchanges, exchange.connection, exchange.send)
                await stream.run(self._relay(exchange, response))
            else:
                await self._relay_watched(exchange, response, self._ledger.watch(exchange.target))
        except StreamCutError as error:
            _log.debug("answer was cut off", extra={"reason": str(error), "path": exchange.scope["path"]})
            await cut(exchange.scope, exchange.receive)

    async def _relay(self, exchange: _Exchange, response: aiohttp.ClientResponse) -> None:
        send, content = exchange.send, response.content
        more = True
        while more:
            part = await self._upstream.read(response)
            more = not content.at_eof()
            await send({"type": "http.response.body", "body": part, "more_body": more})

    async def _relay_watched(self, exchange: _Exchange, response: aiohttp.ClientResponse, tap: Tap) -> None:
        """Relay a stream of the old SSE transport, on which answers to requests in flight come."""
        send, content = exchange.send, response.content

        async def relay() -> None:
            while not content.at_eof():
                part = await self._upstream.read(response)
                await send({"type": "http.response.body", "body": part, "more_body": True})
                tap.feed(part)
            await send({"type": "http.response.body", "body": b""})

        stream = LongStream(self._exchanges, exchange.connection, send)
        try:
            await stream.run(relay(), ending=tap.when_idle)
        finally:
            tap.close()


def _visit(exchange: _Exchange, pool: Pool) -> ReplicaAddress:
    failed = exchange.visit
    if failed is not None:
        failed.end()
    exchange.visit = pool.visit(exchange, after=failed)
    return exchange.visit.address


async def _fail(exchange: _Exchange, error: Exception) -> None:
    _log.debug("request failed", extra={"reason": str(error), "path": exchange.scope["path"]})
    request = exchange.message
    if exchange.discovers:
        await cut(exchange.scope, exchange.receive)
    elif isinstance(error, BadAnswerError):
        message = "The server's answer cannot be understood"
        await respond(exchange.send, replies.refusal(502, INTERNAL_ERROR, message, request=request))
    elif isinstance(error, UnknownSessionError):
        reply = replies.refusal(404, SESSION_NOT_FOUND, "Session not found", request=request)
        await respond(exchange.send, reply)
    elif isinstance(error, UnavailableError):
        await respond(exchange.send, replies.unavailable(str(error), request=request))
    else:
        await respond(exchange.send, replies.unavailable("The server cannot be reached", request=request))


def _lives_long(exchange: _Exchange, response: aiohttp.ClientResponse) -> bool:
    if exchange.method != "GET" and exchange.head.mcp_method != _LISTEN:
        return False
    return response.headers.get("Content-Type", "").lower().startswith(_EVENT_STREAM)
