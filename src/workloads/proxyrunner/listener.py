"""The socket clients connect to, and the HTTP server on it, without anything that belongs to a whole process."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from workloads.proxyrunner.binding import BACKLOG
from workloads.proxyrunner.clients import Clients
from workloads.proxyrunner.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.turn import Turn

__all__ = ("PATIENCE", "Listener")

PATIENCE = 120.0
"""Seconds for which a client may read nothing of an answer that waits for it."""

_KEEP_ALIVE = 120.0
"""Seconds a connection of a client is kept on which no whole head of a request comes."""
_SWEEP = 10.0
"""Seconds at most between two looks at all connections: a timer for each would be set and unset with every request."""


class Listener:
    """Serves an application on a bound socket until it is closed.

    Args:
        bound: The socket; the listener closes it, and so may whoever has bound it.
        app: What answers.
        patience: Seconds for which a client may read nothing of an answer that waits for it. Default: 120.
        at_once: Answers without a task what it can, as :class:`~workloads.proxyrunner.clients.Clients` takes it.
            Default: None, everything takes one.
    """

    def __init__(
        self,
        bound: socket.socket,
        app: Application,
        patience: float = PATIENCE,
        at_once: Callable[[Turn], bool] | None = None,
    ) -> None:
        """Prepare to serve."""
        self._socket = bound
        self._app = app
        self._patience = patience
        self._at_once = at_once
        self._clients: Clients | None = None
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to accept clients."""
        loop = asyncio.get_running_loop()
        clients = self._clients = Clients(self._app, loop, self._came, self._at_once)
        if self._socket.family is socket.AF_UNIX:
            self._server = await loop.create_unix_server(
                lambda: Connection(clients), sock=self._socket, backlog=BACKLOG
            )
        else:
            self._server = await loop.create_server(lambda: Connection(clients), sock=self._socket, backlog=BACKLOG)

    def leave(self) -> None:
        """Accept no client any more, and let those that wait for an answer come back elsewhere afterwards."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections():
            connection.leave()

    async def close(self) -> None:
        """Accept no client any more, close idle connections and wait for the others to end."""
        if self._server is None or self._clients is None:
            self._socket.close()
            return
        self._server.close()
        self._clients.closing = True
        for connection in self._connections():
            connection.end()
        await self._clients.gone()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        await self._server.wait_closed()

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in self._connections():
            connection.abort()

    def _connections(self) -> list[Connection]:
        return [] if self._clients is None else list(self._clients.connections)

    def _came(self) -> None:
        """A client has come."""
        if self._sweeping is None:
            pause = min(_SWEEP, self._patience / 4)
            self._sweeping = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        """Close connections on which nothing has gone on for too long, and look again while there are any."""
        self._sweeping = None
        now = asyncio.get_running_loop().time()
        for connection in self._connections():
            connection.expire(now - _KEEP_ALIVE)
            connection.give_up(now, self._patience)
        if self._connections():
            self._came()
