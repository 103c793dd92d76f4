"""A stream of the old SSE transport: all that its client posts must reach the replica that sends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.asgi import ClientConnection, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.pool import Visit
    from workloads.proxyrunner.sse_ledger import Tap
    from workloads.proxyrunner.upstream import Answer

__all__ = ("SseStream",)

_log = logging.getLogger(__name__)

_PATIENCE = 15.0
_ENOUGH = 2**16
_LOOK = 0.25
"""Seconds between two looks for what was asked for at other proxies, while the stream is to end."""


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
        self._sharing = visit is not None and visit.shares
        self._settling: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

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
        ending = self._end_when_idle if self._sharing else self._tap.when_idle
        await LongStream(exchanges, connection, send).run(self._relay(send), ending=ending)

    async def close(self) -> None:
        """It is over, and so is what its client may post."""
        self._tap.close()
        tasks = [task for task in (self._settling, self._ending) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._visit is not None:
            await self._visit.closed()

    async def _relay(self, send: Send) -> None:
        for part in self._begun:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        while part := await self._answer.read():
            await send({"type": "http.response.body", "body": part, "more_body": True})
            self._tap.feed(part)
            if not self._sharing:
                self._tap.strangers.clear()
            elif self._tap.strangers and (self._settling is None or self._settling.done()):
                self._settling = asyncio.create_task(self._settle_if_possible(), name="workloads-sse-settling")
        await send({"type": "http.response.body", "body": b""})

    async def _settle(self) -> None:
        """Tell that what was posted elsewhere was answered. The client need not wait for that.

        What cannot be told now is told with the next answer, or when the stream is to end.
        """
        assert self._visit is not None
        while strangers := self._tap.strangers.copy():
            await self._visit.settle(strangers)
            self._tap.strangers -= strangers

    async def _settle_if_possible(self) -> None:
        with contextlib.suppress(SessionStoreUnavailableError):
            await self._settle()

    def _end_when_idle(self, end: Callable[[], None]) -> None:
        self._ending = asyncio.create_task(self._end(end), name="workloads-sse-ending")

    async def _end(self, end: Callable[[], None]) -> None:
        """End the stream when all answers have come, whichever proxy they were asked for at, or cancelled at."""
        assert self._visit is not None
        try:
            while True:
                await self._settle()
                due, cancelled = await self._visit.ending()
                self._tap.cancelled(cancelled)
                if not due and self._tap.idle:
                    break
                await asyncio.sleep(_LOOK)
        except SessionStoreUnavailableError as error:
            _log.warning("other proxies may await answers on a stream that ends", extra={"reason": error.reason})
        self._tap.when_idle(end)
