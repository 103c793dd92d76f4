"""The transparent proxy: requests go to the server and answers come back, unchanged and unbuffered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner import replies
from workloads.proxyrunner.answer_cache import CACHEABLE
from workloads.proxyrunner.asgi import CONNECTION, follow, respond
from workloads.proxyrunner.body import MAX_BODY, Intake, has_body, starts_batch
from workloads.proxyrunner.exchange import Exchange
from workloads.proxyrunner.failures import FAILURES, fail
from workloads.proxyrunner.gate import HOLD
from workloads.proxyrunner.headers import read_request
from workloads.proxyrunner.heads import KNOWN
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST
from workloads.proxyrunner.protocol import HEADER_MISMATCH, is_enveloped
from workloads.proxyrunner.relay import Relay
from workloads.proxyrunner.sender import Sender
from workloads.proxyrunner.sought import SessionTakenError
from workloads.proxyrunner.sse_exchange import SseExchange
from workloads.proxyrunner.sse_ledger import SseLedger, concerns
from workloads.proxyrunner.sse_stream import SseStream
from workloads.proxyrunner.upstream import StreamCutError

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.asgi import ClientConnection, Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.heads import KnownHead
    from workloads.proxyrunner.pool import Pool
    from workloads.proxyrunner.upstream import Answer, Asker, ServerConnection, Upstream

__all__ = ("Forwarder",)

_log = logging.getLogger(__name__)

# What may be answered without its server, and what is more than one request to one server.
_APART = frozenset((b"subscriptions/listen", *(method.encode() for method in CACHEABLE)))
_ENOUGH = 2**16
"""Bytes of a body that are read in any case; what follows may go on part by part."""


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
        self._sender = Sender(gate, upstream, hold)
        self._relay = Relay(upstream, exchanges)
        self._streamable = streamable
        self._stateless = stateless
        self._trust_forwarded = trust_forwarded
        self._max_body = max_body
        self._ledger = None if streamable else SseLedger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = await self._take(scope, receive, send)
        reply = await self._refuse(exchange)
        if reply is not None:
            await respond(send, reply)
            return
        await self.go_on(exchange)

    def begin(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, asker: Asker
    ) -> tuple[Exchange, ServerConnection] | None:
        """Send a request to its server, if nothing has to be waited for before.

        Args:
            scope: The ASGI scope.
            receive: The ASGI callable.
            send: The ASGI callable.
            body: The whole body.
            asker: Is given the answer; then :meth:`go_on` may follow.

        Returns:
            The request, to be ended, and the connection on which it went; None when it was not sent.
        """
        if not self._streamable or len(body) > self._max_body:
            return None
        known: KnownHead | None = scope.get(KNOWN)
        head = None if known is None else known.request
        if head is None:
            head = read_request(scope["headers"], trust_forwarded=self._trust_forwarded)
            if known is not None:
                known.request = head
        exchange = Exchange(scope, receive, send, head, body, None, scope[CONNECTION])
        if not (known is not None and known.plain and body[:1] == b"{"):
            if head.mcp_method in _APART or exchange.begins or self._problem(exchange) is not None:
                return None
            if known is not None:
                known.plain = head.modern
        connection = self._sender.at_once(exchange, asker, known)
        return None if connection is None else (exchange, connection)

    async def go_on(self, exchange: Exchange) -> None:
        """Forward a request that was read, or go on with what came of one that was sent."""
        try:
            follow(exchange.connection)
            await self._forward(exchange)
        finally:
            exchange.end()

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Read a request: its head, and as much of its body as decides where it goes."""
        received: list[tuple[bytes, bytes]] = scope["headers"]
        connection: ClientConnection = scope[CONNECTION]
        intake = Intake(received, receive, self._max_body) if has_body(received) else None
        head = read_request(received, trust_forwarded=self._trust_forwarded)
        kind = Exchange if self._streamable else SseExchange
        exchange = kind(scope, receive, send, head, b"", intake, connection)
        if intake is not None:
            if connection.arrived:
                exchange.body = await intake.read_here()
            else:
                # Of the old SSE transport every message is counted, so it is read whole.
                enough = _ENOUGH if self._streamable and exchange.speaks_for_itself else None
                exchange.body = await intake.read(enough)
            if intake.complete:
                exchange.intake = None
        return exchange

    async def _forward(self, exchange: Exchange) -> None:
        ledger, posted, accepted = self._ledger, None, False
        if ledger is not None and exchange.method == "POST":
            posted = ledger.posted(exchange.target.decode("latin-1"), exchange.body)
            if posted is None:
                exchange.awaits, exchange.cancels = concerns(exchange.body)
        try:
            answer = await self._sender.send(exchange)
            accepted = answer.status < 300
        except FAILURES as error:
            await fail(exchange, error)
            return
        finally:
            if posted is not None:
                if not accepted:
                    tap, message = posted
                    tap.forget(message)
            elif ledger is not None:
                await _settle(exchange, accepted=accepted)
        stream = self._stream(exchange, answer)
        try:
            if exchange.visit is not None:
                session = answer.header(b"mcp-session-id")
                await exchange.visit.answered(answer.status, None if session is None else session.decode("latin-1"))
            if stream is not None:
                await stream.open()
            await self._relay.answer(exchange, answer, stream)
        except (SessionTakenError, SessionStoreUnavailableError, StreamCutError) as error:
            await fail(exchange, error)
        finally:
            exchange.connection.on_lost = None
            answer.close()
            if stream is not None:
                await stream.close()

    def _stream(self, exchange: Exchange, answer: Answer) -> SseStream | None:
        if self._ledger is None or not exchange.lives_long(answer):
            return None
        return SseStream(answer, self._ledger.watch(exchange.target.decode("latin-1")), exchange.visit)

    def _problem(self, exchange: Exchange) -> tuple[int, str] | None:
        """What is wrong with a request, as the error of JSON-RPC that tells it; None when nothing is."""
        head = exchange.head
        if head.problem:
            return INVALID_REQUEST, head.problem
        if exchange.method != "POST":
            return None
        if starts_batch(exchange.body):
            return INVALID_REQUEST, "Batches are not supported"
        if self._streamable and head.version is None and is_enveloped(exchange.body):
            # Whoever writes an envelope means the new era, and shall not be taken for a client of the old one.
            return HEADER_MISMATCH, "Missing header mcp-protocol-version"
        return None

    async def _refuse(self, exchange: Exchange) -> replies.Reply | None:
        problem = self._problem(exchange)
        if problem is not None:
            request = exchange.body if starts_batch(exchange.body) else await exchange.message()
            return replies.refusal(400, *problem, request=request)
        if self._streamable and exchange.method in ("GET", "HEAD", "DELETE"):
            if self._stateless:
                return replies.method_not_allowed("POST", "OPTIONS")
            if exchange.head.modern:
                return replies.method_not_allowed("POST")
        return None


async def _settle(exchange: Exchange, *, accepted: bool) -> None:
    """Let nobody wait for the answer to what was not accepted, or to what this cancels, on another proxy's stream."""
    visit = exchange.visit
    try:
        if visit is not None and not accepted and exchange.awaits is not None:
            await visit.settle((exchange.awaits,))
        elif visit is not None and accepted and exchange.cancels is not None:
            await visit.cancel(exchange.cancels)
    except SessionStoreUnavailableError as error:
        _log.warning("a drain may wait for an answer that does not come", extra={"reason": error.reason})
