"""The outer container: it decides what may pass, looks names up, and connects."""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import TYPE_CHECKING

from workloads.runtimes.container.gateway import dns, requests
from workloads.runtimes.container.gateway.policy import as_address, canonical, matches
from workloads.runtimes.container.gateway.streams import FAULTS, at_most, join, keep_alive

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from workloads.runtimes.container.gateway.names import Resolver
    from workloads.runtimes.container.gateway.policy import Address
    from workloads.runtimes.container.gateway.settings import Settings
    from workloads.runtimes.container.gateway.streams import Peer, Serve

__all__ = ("Egress",)

_CONNECTIONS = 256
_PATIENCE = 15.0
_CONNECT_TIMEOUT = 5.0
_MOST_TOLD = 200
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Egress:
    """Serves the door's sockets, and the ports by which the engine's machine reaches the server.

    Args:
        settings: What may pass.
        resolver: Tells addresses that may be connected to.
        folder: Where the sockets are.
    """

    def __init__(self, settings: Settings, resolver: Resolver, folder: Path) -> None:
        """Nothing is opened yet."""
        self._policy = settings.policy
        self._ports = settings.ports
        self._names = settings.names
        self._resolver = resolver
        self._folder = folder
        self._told: set[str] = set()

    async def open(self, stack: AsyncExitStack) -> None:
        """Listen.

        Args:
            stack: What closes the listeners.
        """
        for name, serve in (("proxy", self._proxy), ("dns", self._dns)):
            path = self._folder / f"{name}.sock"
            limited = at_most(_CONNECTIONS, serve)
            await stack.enter_async_context(await asyncio.start_unix_server(limited, path, limit=requests.MAX_HEAD))
        for port in self._ports:
            limited = at_most(_CONNECTIONS, self._entrance(self._folder / f"in-{port}.sock"))
            server = await asyncio.start_server(limited, "0.0.0.0", port, limit=requests.MAX_HEAD)  # noqa: S104  # its network is its own
            await stack.enter_async_context(server)

    async def _proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            target = requests.parse(head)
            far = await self._reach(target)
        except requests.Refusal as refusal:
            writer.write(refusal.response())
            return
        keep_alive(far[1])
        if target.head is None:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far[1].write(target.head)
        await join((reader, writer), far)

    async def _reach(self, target: requests.Target) -> Peer:
        """Connect to where a request leads.

        Raises:
            Refusal: That is not allowed, or not possible.
        """
        shown = f"{target.host}:{target.port}"
        if not self._policy.permits(target.host, target.port):
            self._tell(shown)
            raise requests.Refusal(403, f"{shown} is not allowed by the permission profile")
        addresses = await self._resolver.addresses(target.host)
        if not addresses:
            self._tell(shown)
            raise requests.Refusal(403, f"{shown} has no address that may be reached")
        try:
            return await _connect(addresses, target.port)
        except FAULTS as error:
            raise requests.Refusal(502, f"{shown} cannot be reached: {type(error).__name__}") from error

    async def _dns(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_PATIENCE):
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                question = dns.parse(await reader.readexactly(size))
            if question is None:
                return
            answer = await self._answer(question)
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()

    async def _answer(self, question: dns.Question) -> bytes:
        try:
            name = canonical(question.name)
        except ValueError:
            return dns.no_such_name(question)
        if not self._policy.permits_name(name):
            self._tell(name)
            return dns.no_such_name(question)
        # Addresses only: other records could carry anything.
        addresses = await self._resolver.addresses(name) if question.type in (dns.A, dns.AAAA) else []
        return dns.answer(question, addresses)

    def _entrance(self, socket: Path) -> Serve:
        async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Other containers on this network have no business here: only the machine, which publishes the port.
            if not self._is_engine(str(writer.get_extra_info("peername")[0])):
                return
            head = b""
            if self._names:
                async with asyncio.timeout(_PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                try:
                    head = self._welcomed(head)
                except requests.Refusal as refusal:
                    writer.write(refusal.response())
                    return
            near: Peer = await asyncio.open_unix_connection(socket)
            near[1].write(head)
            await join((reader, writer), near)

        return enter

    def _is_engine(self, peer: str) -> bool:
        address = as_address(peer)
        return address is not None and (address.is_loopback or str(address) == self._policy.engine)

    def _welcomed(self, head: bytes) -> bytes:
        """The head of a request that names the server by a name that is allowed.

        Raises:
            Refusal: It does not.
        """
        host = requests.host_of(head)
        if host not in _LOOPBACK_NAMES and not any(matches(host, name) for name in self._names):
            raise requests.Refusal(403, f"{host} is not allowed by the permission profile")
        return requests.only_one(head)

    def _tell(self, refused: str) -> None:
        """Log what is refused: each target once, so that a server cannot fill a disk."""
        if refused not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(refused)
            sys.stderr.write(f"refused {refused}\n")


async def _connect(addresses: list[Address], port: int) -> Peer:
    errors: list[BaseException] = []
    for address in addresses:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                return await asyncio.open_connection(str(address), port)
        except FAULTS as error:
            errors.append(error)
    raise errors[-1]
