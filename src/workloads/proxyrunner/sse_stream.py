"""A stream of the old SSE transport: all that its client posts must reach the replica that sends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import ClientConnection, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.pool import Visit
    from workloads.proxyrunner.sse_ledger import Tap
    from workloads.proxyrunner.upstream import Answer

__all__ = ("SseStream",)

_PATIENCE = 15.0
_ENOUGH = 2**16


class SseStream:
    """One stream, on which answers to requests in flight come.

    Args:
        answer: What the server sends.
        tap: Watches it.
        visit: The replica that sends it, if that was chosen from several.
    """

    def __init__(self, answer: Answer, tap: Tap, visit: Visit | None) -> None:
        """Prepare to relay it."""
        self._answer = answer
        self._tap = tap
        self._visit = visit
        self._begun: list[bytes] = []

    async def open(self) -> None:
        """Have all proxies know where its messages belong, before the client knows where to post them.

        What names no endpoint soon is no stream of the protocol's, and is passed on all the same.

        Raises:
            SessionTakenError: Another replica has named that endpoint.
            SessionStoreUnavailableError: It cannot be remembered.
            StreamCutError: The stream ended in the middle.
        """
        if self._visit is None or not self._visit.remembers:
            return
        size = 0
        try:
            async with asyncio.timeout(_PATIENCE):
                while not self._tap.endpoint and size < _ENOUGH and (part := await self._answer.read()):
                    self._begun.append(part)
                    self._tap.feed(part)
                    size += len(part)
        except TimeoutError:
            return
        if self._tap.endpoint:
            await self._visit.opened(self._tap.endpoint)

    async def relay(self, exchanges: Exchanges, connection: ClientConnection, send: Send) -> None:
        """Pass it on until it ends, or until it shall end and no answer is due on it.

        Args:
            exchanges: Where it is entered, so that a drain ends it.
            connection: The client's connection.
            send: The ASGI callable.

        Raises:
            StreamCutError: The stream ended in the middle.
        """
        await LongStream(exchanges, connection, send).run(self._relay(send), ending=self._tap.when_idle)

    async def close(self) -> None:
        """It is over, and so is what its client may post."""
        self._tap.close()
        if self._visit is not None:
            await self._visit.closed()

    async def _relay(self, send: Send) -> None:
        for part in self._begun:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        while part := await self._answer.read():
            await send({"type": "http.response.body", "body": part, "more_body": True})
            self._tap.feed(part)
        await send({"type": "http.response.body", "body": b""})
