"""The connections that clients have, and what is answered on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.connection import Connection
    from workloads.proxyrunner.turn import Turn

__all__ = ("Clients",)

_MOMENT = 0.05
"""Seconds for which a request is not served whose small body is not here, though announced."""


class Clients:
    """Knows every connection, and every request that is being answered. It belongs to one loop.

    Args:
        application: What answers.
        loop: The loop.
        on_come: Called whenever a client has come.
        at_once: Begins to answer a request that has come whole, without a task; tells whether it does. Default: None,
            the application answers all.
    """

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        on_come: Callable[[], object],
        at_once: Callable[[Turn], bool] | None = None,
    ) -> None:
        """Begin with none."""
        self._application = application
        self._at_once = at_once
        self._on_come = on_come
        self._tasks: set[asyncio.Task[None]] = set()
        self._none = asyncio.Event()
        self._none.set()
        self.loop = loop
        """The loop."""
        self.patience = Patience(loop, _MOMENT)
        """Of the connections that wait for a small body."""
        self.connections: set[Connection] = set()
        """All connections that there are."""
        self.closing = False
        """Whether who comes now comes too late."""

    def came(self, connection: Connection) -> None:
        """A client has come."""
        self.connections.add(connection)
        self._none.clear()
        self._on_come()
        if self.closing:
            connection.end()

    def left(self, connection: Connection) -> None:
        """A client has gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._none.set()

    def serve(self, turn: Turn) -> None:
        """Answer a request."""
        if self._at_once is None or not turn.arrived or turn.lost or not self._at_once(turn):
            self.run(turn, self._application)

    def run(self, turn: Turn, application: Application) -> None:
        """Let an application answer a request, in a task of its own."""
        task = self.loop.create_task(turn.run(application))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def gone(self) -> None:
        """Wait until there is no connection any more, and nothing is being answered."""
        await self._none.wait()
        if self._tasks:
            await asyncio.wait(self._tasks)
