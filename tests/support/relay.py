"""A line between a client and a server that can be cut where a network would: in the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Relay:
    """Passes bytes on, until it is told otherwise.

    Attributes:
        port: Where clients connect.
        dark: Whether nothing is passed on any more, in either direction, and nothing is closed.
        swallow: What, once a client sent it, costs the answer and the connection: the server has done it, and nobody
            knows.
        connections: How many there were.
    """

    def __init__(self) -> None:
        self.port = 0
        self.dark = False
        self.swallow = b""
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self.connections += 1
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
        except BaseException:
            writer.transport.abort()
            raise
        doomed = asyncio.Event()

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
            while chunk := await source.read(65536):
                if self.dark:
                    await asyncio.Event().wait()
                if answers and doomed.is_set():
                    return
                if not answers and self.swallow and self.swallow in chunk:
                    self.swallow = b""
                    doomed.set()
                target.write(chunk)
                await target.drain()

        tasks = [
            asyncio.ensure_future(pump(reader, upstream, answers=False)),
            asyncio.ensure_future(pump(upstream_reader, writer, answers=True)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (writer, upstream):
                each.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    """A line to a port of this machine.

    Args:
        port: The port.
    """
    relay = Relay()
    server = await asyncio.start_server(lambda *streams: relay._accept(*streams, port), "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in list(relay._tasks):
            task.cancel()
        await asyncio.gather(*relay._tasks, return_exceptions=True)
        await server.wait_closed()
