"""The socket clients connect to, and the HTTP server on it, without anything that belongs to a whole process."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from workloads.errors import PortInUseError, WorkloadFailedError
from workloads.proxyrunner.connection import Connection

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application

__all__ = ("Listener", "bind")

_KEEP_ALIVE = 120
"""Seconds an idle connection of a client is kept."""


def bind(name: str, host: str, port: int) -> socket.socket:
    """Bind a socket for a workload's proxy. May look a name up, so it may block.

    Args:
        name: The workload, for errors.
        host: An IP address, or a name that has one.
        port: The port; 0 takes a free one.

    Raises:
        PortInUseError: The port is taken.
        WorkloadFailedError: The address cannot be listened on.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of the addresses of a name such as localhost IPv4 comes first: that is what most clients try.
        family, _, _, _, address = min(found, key=lambda item: item[0] is not socket.AF_INET)
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from None
        reason = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise WorkloadFailedError(name, reason) from error
    # Connections inherit it. Else the body of an answer waits until the client has acknowledged its head, some 40 ms:
    # the loop sees to that only for sockets that were made with the number of the protocol.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening


class Listener:
    """Serves an application on a bound socket until it is closed.

    Args:
        bound: The socket; it belongs to the listener from here on.
        app: What answers.
    """

    def __init__(self, bound: socket.socket, app: Application) -> None:
        """Prepare to serve."""
        self._socket = bound
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                workers=1,  # else read from the environment
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self._started = False

    async def start(self) -> None:
        """Begin to accept clients."""
        # Not serve(): that takes over the signals of the process, and looks ten times a second whether to end.
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup([self._socket])
        self._started = True

    def leave(self) -> None:
        """Accept no client any more, and let those that wait for an answer come back elsewhere afterwards."""
        for server in self._server.servers if self._started else ():
            server.close()
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, Connection):
                connection.leave()

    async def close(self) -> None:
        """Accept no client any more, close idle connections and wait for the others to end."""
        if self._started:
            await self._server.shutdown([self._socket])
        else:
            self._socket.close()

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
