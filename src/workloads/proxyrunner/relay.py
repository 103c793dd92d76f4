"""How an answer gets to the client: part by part, and of a subscription what all replicas tell."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import cut
from workloads.proxyrunner.fan_in import FanIn
from workloads.proxyrunner.record import record_of
from workloads.proxyrunner.streams import LongStream
from workloads.proxyrunner.upstream import BadAnswerError, ConnectFailedError, ResetError, StreamCutError

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.exchange import Exchange
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.sse_stream import SseStream
    from workloads.proxyrunner.upstream import Answer, Upstream

__all__ = ("Relay",)

_log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds for which the client waits for a replica that does not answer to its subscription as well."""


class Relay:
    """Passes the answers of servers on to clients.

    Args:
        upstream: The connections to the servers.
        exchanges: Where long-lived streams are entered.
    """

    def __init__(self, upstream: Upstream, exchanges: Exchanges) -> None:
        """Prepare to pass on."""
        self._upstream = upstream
        self._exchanges = exchanges

    async def answer(self, exchange: Exchange, answer: Answer, stream: SseStream | None) -> None:
        """Answer a request.

        Args:
            exchange: The request.
            answer: The answer of its server.
            stream: The same, where it is a stream of the old SSE transport.
        """
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
            async with asyncio.timeout(_PATIENCE):
                answer = await self._upstream.send(
                    address, exchange.method, exchange.target, exchange.headers(), exchange.body
                )
        except (ConnectFailedError, ResetError, BadAnswerError, TimeoutError):
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
