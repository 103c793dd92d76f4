"""Answers that nobody expects to end, and how they are ended all the same."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from workloads.proxyrunner.asgi import ClientConnection, Send
    from workloads.proxyrunner.exchanges import Exchanges

__all__ = ("LongStream",)

_LAST_WRITE = 1.0
"""Seconds a client may take to read the end of a stream."""


class LongStream:
    """A response that has begun and lives until the client goes, the server ends it, or somebody calls :meth:`end`.

    Args:
        exchanges: Where it is entered, so that a drain ends it.
        connection: The client's connection.
        send: The ASGI callable.
    """

    def __init__(self, exchanges: Exchanges, connection: ClientConnection, send: Send) -> None:
        """A stream of the current task."""
        self._exchanges = exchanges
        self._connection = connection
        self._send = send
        self._task = asyncio.current_task()
        self._ending = False

    def end(self) -> None:
        """End the response as if the server had, so that the client opens another one."""
        if not self._ending:
            self._ending = True
            assert self._task is not None
            self._task.cancel()

    async def run(
        self,
        relay: Coroutine[object, object, None],
        ending: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Write the response.

        Args:
            relay: Writes it, its end included.
            ending: Called with :meth:`end` when the stream shall end, to call that when it may. Default: at once.
        """
        with self._exchanges.stream(self.end if ending is None else partial(ending, self.end)):
            try:
                await relay
            except asyncio.CancelledError:
                if not self._ending or self._connection.lost:
                    raise
                assert self._task is not None
                self._task.uncancel()
                if not self._connection.done:  # else the server has ended it just now
                    await self._finish()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(_LAST_WRITE):
                await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:  # the client does not read
            self._connection.abort()
