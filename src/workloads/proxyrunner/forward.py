"""The transparent proxy: requests go to the server and answers come back, unchanged and unbuffered."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner import replies
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.answer_cache import CACHEABLE
from workloads.proxyrunner.asgi import CONNECTION, cut, follow, respond
from workloads.proxyrunner.body import MAX_BODY, Intake, has_body, starts_batch
from workloads.proxyrunner.exchange import Exchange
from workloads.proxyrunner.failures import FAILURES, fail
from workloads.proxyrunner.fan_in import FanIn
from workloads.proxyrunner.gate import HOLD, UnavailableError
from workloads.proxyrunner.headers import read_request
from workloads.proxyrunner.heads import KNOWN
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST, is_request
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.protocol import HEADER_MISMATCH, is_enveloped
from workloads.proxyrunner.record import record_of
from workloads.proxyrunner.sought import SessionTakenError
from workloads.proxyrunner.sse_exchange import SseExchange
from workloads.proxyrunner.sse_ledger import SseLedger, concerns
from workloads.proxyrunner.sse_stream import SseStream
from workloads.proxyrunner.streams import LongStream
from workloads.proxyrunner.upstream import (
    BadAnswerError,
    ConnectFailedError,
    ResetError,
    StreamCutError,
    request_head,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.asgi import ClientConnection, Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.heads import KnownHead
    from workloads.proxyrunner.upstream import Answer, Asker, ServerConnection, Upstream

__all__ = ("Forwarder",)

_log = logging.getLogger(__name__)

_GONE = 404
# What may be answered without its server, and what is more than one request to one server.
_APART = frozenset((b"subscriptions/listen", *(method.encode() for method in CACHEABLE)))
_RETRY_PAUSE = 0.1
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
        address: ReplicaAddress | None
        target = self._gate.now()
        if isinstance(target, Pool):
            exchange.pool, exchange.visit = target, target.visit_now(exchange)
            address = None if exchange.visit is None else exchange.visit.address
        else:
            address = target
        if address is None:
            return None
        server = address.host_header
        # A session that the server calls otherwise has another head there.
        sent = known.sent if known is not None and exchange.head is known.request else {}
        sent_head = sent.get(server)
        if sent_head is None:
            sent_head = request_head(exchange.method, exchange.target, server, exchange.headers(), len(body))
            sent[server] = sent_head
        connection = self._upstream.send_now(asker, address, sent_head + body)
        if connection is None:
            exchange.end()
            return None
        exchange.authority = server
        return exchange, connection

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
            answer = await (self._discover(exchange) if exchange.discovers else self._send(exchange))
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
            await self._answer(exchange, answer, stream)
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

    async def _try(self, exchange: Exchange) -> Answer:
        answer = await self._reach(exchange) if exchange.begun is None else exchange.outcome()
        visit, pool = exchange.visit, exchange.pool
        if answer.status == _GONE and visit is not None and pool is not None and exchange.intake is None:
            again = await pool.forgotten(exchange, visit)
            if again is not None:
                answer.close()
                visit.end()
                exchange.visit = again
                return await self._ask(exchange, again.address)
        return answer

    async def _reach(self, exchange: Exchange) -> Answer:
        target = self._gate.now()
        if target is None:
            target = await self._enter(exchange)
        address = target if isinstance(target, ReplicaAddress) else await _visit(exchange, target)
        return await self._ask(exchange, address)

    @staticmethod
    def _note(exchange: Exchange, address: ReplicaAddress) -> None:
        exchange.authority = address.host_header
        record = record_of(exchange.scope)
        if record is not None:
            record.backend = address.host_header

    def _ask(self, exchange: Exchange, address: ReplicaAddress) -> Awaitable[Answer]:
        self._note(exchange, address)
        return self._upstream.send(
            address, exchange.method, exchange.target, exchange.headers(), exchange.body, rest=exchange.rest()
        )

    async def _enter(self, exchange: Exchange) -> ReplicaAddress | Pool:
        try:
            return await self._gate.enter(self._hold, size=len(exchange.body))
        except UnavailableError:
            # What the client answers, or cancels, is no new work: requests in flight may wait for it.
            leaving = self._gate.leaving
            if leaving is None or exchange.method != "POST":
                raise
            await exchange.collect()
            if is_request(exchange.body):
                raise
            return leaving

    async def _send(self, exchange: Exchange) -> Answer:
        """Send the request, once more if it was not sent, or if twice does no harm."""
        try:
            return await self._try(exchange)
        except ConnectFailedError:
            pass
        except ResetError:
            if not exchange.repeatable:
                raise
        # The server may have ended just now, so that the gate is about to shut.
        await asyncio.sleep(_RETRY_PAUSE)
        return await self._try(exchange)

    async def _discover(self, exchange: Exchange) -> Answer:
        """Send a ``server/discover``, again and again until the server answers it.

        To a client any error here is a verdict: it takes the server for one of the old protocol, for good.
        """
        try:
            async with asyncio.timeout(min(self._hold, HOLD)):
                while True:
                    try:
                        answer = await self._try(exchange)
                    except (ConnectFailedError, ResetError):
                        pass
                    else:
                        if answer.status < 500:
                            return answer
                        answer.close()
                    await asyncio.sleep(_RETRY_PAUSE)
        except TimeoutError:
            raise UnavailableError("The server did not answer server/discover in time") from None

    async def _answer(self, exchange: Exchange, answer: Answer, stream: SseStream | None) -> None:
        headers = exchange.headers_of(answer)
        await exchange.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        try:
            if not exchange.lives_long(answer):
                await _relay(exchange, answer)
            elif stream is not None:
                await stream.relay(self._exchanges, exchange.connection, exchange.send)
            else:
                endless = LongStream(self._exchanges, exchange.connection, exchange.send)
                await endless.run(self._relay_all(exchange, answer) if exchange.listens else _relay(exchange, answer))
        except StreamCutError as error:
            _log.debug("answer was cut off", extra={"reason": str(error), "path": exchange.scope["path"]})
            await cut(exchange.scope, exchange.receive)

    async def _relay_all(self, exchange: Exchange, answer: Answer) -> None:
        """Relay a subscription, and with it what the other replicas tell of the same."""
        pool, visit = exchange.pool, exchange.visit
        beside = [] if pool is None or visit is None else pool.beside(visit, exchange)
        if pool is None or not beside:
            await _relay(exchange, answer)
            return
        others: list[Answer] = []
        try:
            grown = pool.grown
            await asyncio.gather(*(self._listen_too(exchange, each.address, others) for each in beside))
            fan_in = FanIn(answer, others, grown)
            async with aclosing(fan_in.parts()) as parts:
                async for part in parts:
                    await exchange.send({"type": "http.response.body", "body": part, "more_body": True})
            await exchange.send({"type": "http.response.body", "body": b""})
        finally:
            for other in others:
                other.close()
            for each in beside:
                each.end()

    async def _listen_too(self, exchange: Exchange, address: ReplicaAddress, others: list[Answer]) -> None:
        """Subscribe at another replica as well, if that is possible."""
        try:
            answer = await self._upstream.send(
                address, exchange.method, exchange.target, exchange.headers(), exchange.body
            )
        except (ConnectFailedError, ResetError, BadAnswerError):
            return
        if exchange.lives_long(answer):
            others.append(answer)
        else:
            answer.close()


async def _relay(exchange: Exchange, answer: Answer) -> None:
    """Pass the body on, part by part, as fast as the client takes it."""
    send, visit, tracer = exchange.send, exchange.visit, exchange.tracer()
    record = record_of(exchange.scope)
    if record is not None and not exchange.shares_trails:
        passage = record.passage(send, exchange.connection)
        if passage is not None:
            try:
                await answer.pour(passage, None if tracer is None else tracer.feed)
            finally:
                record.sent += answer.poured
            return
    more = True
    while more:
        part = await answer.read()
        more = not answer.at_end
        if tracer is not None:
            tracer.feed(part)
            if visit is not None and visit.untold:
                await visit.tell()
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def _visit(exchange: Exchange, pool: Pool) -> ReplicaAddress:
    failed, exchange.pool = exchange.visit, pool
    if failed is not None:
        failed.end()
    exchange.visit = await pool.visit(exchange, after=failed)
    if exchange.awaits is not None:
        await exchange.visit.expect(exchange.awaits)
    return exchange.visit.address


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
