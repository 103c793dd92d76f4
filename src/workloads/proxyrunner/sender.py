"""How a request gets to a server, and an answer comes of it: once more where that does no harm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.gate import HOLD, UnavailableError
from workloads.proxyrunner.jsonrpc import is_request
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.record import record_of
from workloads.proxyrunner.upstream import ConnectFailedError, ResetError, request_head

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.exchange import Exchange
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.heads import KnownHead
    from workloads.proxyrunner.upstream import Answer, Asker, ServerConnection, Upstream

__all__ = ("Sender",)

_GONE = 404
_RETRY_PAUSE = 0.1


class Sender:
    """Sends requests to the server behind a gate.

    Args:
        gate: Opens when the server is ready: to its address, or to a pool of replicas to choose from.
        upstream: The connections to it.
        hold: Seconds a request waits for a server that is not ready.
    """

    def __init__(self, gate: Gate[ReplicaAddress | Pool], upstream: Upstream, hold: float) -> None:
        """Prepare to send."""
        self._gate = gate
        self._upstream = upstream
        self._hold = hold

    def at_once(self, exchange: Exchange, asker: Asker, known: KnownHead | None) -> ServerConnection | None:
        """Send a whole request, if nothing has to be waited for before.

        Args:
            exchange: The request.
            asker: Is given the answer.
            known: What is known of its head.

        Returns:
            The connection on which it went; None when it was not sent.
        """
        address: ReplicaAddress | None
        target = self._gate.now()
        if isinstance(target, Pool):
            exchange.pool, exchange.visit = target, target.visit_now(exchange)
            address = None if exchange.visit is None else exchange.visit.address
        else:
            address = target
        if address is None:
            return None
        server, body = address.host_header, exchange.body
        # A session that the server calls otherwise has another head there.
        sent = known.sent if known is not None and exchange.head is known.request else {}
        head = sent.get(server)
        if head is None:
            head = request_head(exchange.method, exchange.target, server, exchange.headers(), len(body))
            sent[server] = head
        connection = self._upstream.send_now(asker, address, head + body)
        if connection is None:
            exchange.end()
            return None
        exchange.authority = server
        return connection

    async def send(self, exchange: Exchange) -> Answer:
        """Send a request, or go on with what came of one that was sent.

        Returns:
            The answer, as soon as its head has come.

        Raises:
            Exception: One of :data:`~workloads.proxyrunner.failures.FAILURES`, as when no server was ready in time.
        """
        return await (self._discover(exchange) if exchange.discovers else self._send(exchange))

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

    def _ask(self, exchange: Exchange, address: ReplicaAddress) -> Awaitable[Answer]:
        exchange.authority = address.host_header
        record = record_of(exchange.scope)
        if record is not None:
            record.backend = address.host_header
        return self._upstream.send(
            address, exchange.method, exchange.target, exchange.headers(), exchange.body, rest=exchange.rest()
        )


async def _visit(exchange: Exchange, pool: Pool) -> ReplicaAddress:
    failed, exchange.pool = exchange.visit, pool
    if failed is not None:
        failed.end()
    exchange.visit = await pool.visit(exchange, after=failed)
    if exchange.awaits is not None:
        await exchange.visit.expect(exchange.awaits)
    return exchange.visit.address
