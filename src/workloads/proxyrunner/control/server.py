"""The control routes at work: their socket, from the opening until after the drain."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from workloads._core.unix_sockets import PrivateSocket
from workloads.errors import WorkloadFailedError
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.binding import bind
from workloads.proxyrunner.control.address import ControlSocket
from workloads.proxyrunner.control.app import Control
from workloads.proxyrunner.guard import Guard, is_loopback
from workloads.proxyrunner.listener import Listener
from workloads.proxyrunner.threads import in_thread, taken_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.control.address import ControlAddress, ControlPort

__all__ = ("ControlServer",)

_PATIENCE = 1.0
"""Seconds that whoever is being answered may hold up the end."""


class ControlServer:
    """Serves control routes.

    Args:
        name: The workload, for errors.
        address: Where.
        routes: The applications, by path.
    """

    def __init__(self, name: str, address: ControlAddress, routes: Mapping[str, Application]) -> None:
        """Prepare; nothing is taken yet."""
        self._name = name
        self._address = address
        self.routes = dict(routes)
        """The applications, by path. What is added counts from then on."""
        self._file: PrivateSocket | None = None
        self._listener: Listener | None = None
        self.url = ""
        """Where it listens: ``unix:PATH`` or ``http://HOST:PORT``; empty while it does not."""

    async def open(self) -> None:
        """Listen.

        Raises:
            PortInUseError: The port is taken.
            WorkloadFailedError: The address cannot be listened on.
        """
        if isinstance(self._address, ControlSocket):
            self._listener = await self._on_file(self._address)
        else:
            self._listener = await self._on_port(self._address)
        await self._listener.start()

    async def close(self) -> None:
        """End what it serves, and remove its socket. Idempotent."""
        self.url = ""
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await listener.close()
            except TimeoutError:
                listener.abort()
                await listener.close()
        if self._file is not None:
            await in_thread(self._file.remove)

    async def _on_file(self, address: ControlSocket) -> Listener:
        try:
            file = await taken_in_thread(partial(PrivateSocket.bind, address.path), lambda file: in_thread(file.close))
        except OSError as error:
            reason = f"cannot listen on {address.path}: {error.strerror or error}"
            raise WorkloadFailedError(self._name, reason) from error
        self._file = file
        self.url = f"unix:{address.path}"
        return Listener(file.socket, Control(self.routes))

    async def _on_port(self, address: ControlPort) -> Listener:
        bound = await taken_in_thread(
            partial(bind, self._name, address.host, address.port), lambda bound: bound.close()
        )
        port: int = bound.getsockname()[1]
        guard = Guard(host=address.host, port=port, loopback=is_loopback(address.host))
        self.url = ReplicaAddress(address.host, port).url
        return Listener(bound, Control(self.routes, guard=guard, token=address.token))
