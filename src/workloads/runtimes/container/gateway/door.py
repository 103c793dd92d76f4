"""The inner container: it shares the server's network, and passes everything on to the outer one."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, cast

from workloads.runtimes.container.gateway.dns import MAX_QUERY
from workloads.runtimes.container.gateway.settings import DNS_PORT, PROXY_PORT
from workloads.runtimes.container.gateway.streams import FAULTS, at_most, join

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from workloads.runtimes.container.gateway.settings import Settings
    from workloads.runtimes.container.gateway.streams import Serve

__all__ = ("Door",)

_LOOPBACK = "127.0.0.1"
_SERVER_ADDRESSES = (_LOOPBACK, "::1")
_CONNECTIONS = 256
_QUERIES = 64
_PATIENCE = 15.0


class Door:
    """Listens for the server on loopback, and for the outer container on the volume.

    Args:
        settings: Which ports of the server lead in.
        folder: Where the sockets are.
        proxy_port: Where the proxy listens.
        dns_port: Where the resolver listens.
    """

    def __init__(
        self, settings: Settings, folder: Path, *, proxy_port: int = PROXY_PORT, dns_port: int = DNS_PORT
    ) -> None:
        """Nothing is opened yet."""
        self._ports = settings.ports
        self._folder = folder
        self._listening = ((proxy_port, "proxy"), (dns_port, "dns"))
        self._dns_port = dns_port

    async def open(self, stack: AsyncExitStack) -> None:
        """Listen.

        Args:
            stack: What closes the listeners.
        """
        for port, name in self._listening:
            limited = at_most(_CONNECTIONS, _to_socket(self._folder / f"{name}.sock"))
            await stack.enter_async_context(await asyncio.start_server(limited, _LOOPBACK, port))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._folder / "dns.sock"), local_addr=(_LOOPBACK, self._dns_port)
        )
        stack.callback(transport.close)
        for port in self._ports:
            path = self._folder / f"in-{port}.sock"
            limited = at_most(_CONNECTIONS, _to_server(port))
            await stack.enter_async_context(await asyncio.start_unix_server(limited, path))


class _Datagrams(asyncio.DatagramProtocol):
    """DNS over UDP: each query takes a connection of its own to the outer container."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is not an instance of it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) <= MAX_QUERY and len(self._tasks) < _QUERIES:  # a client asks again what was dropped
            task = asyncio.ensure_future(self._ask(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, query: bytes, client: tuple[str, int]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(struct.pack("!H", len(query)) + query)
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    answer = await reader.readexactly(size)
                finally:
                    writer.close()
        except FAULTS:
            return
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, client)


def _to_socket(path: Path) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join((reader, writer), await asyncio.open_unix_connection(path))

    return serve


def _to_server(port: int) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for address in _SERVER_ADDRESSES:
            try:
                server = await asyncio.open_connection(address, port)
            except OSError:
                continue
            await join((reader, writer), server)
            return

    return serve
