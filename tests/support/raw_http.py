"""HTTP by hand, both ends: a server that does what a test says, and a client that sends what a test says."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

READY = {"jsonrpc": "2.0", "id": "workloads-ready", "result": {"supportedVersions": ["2026-07-28"]}}


@dataclass
class Message:
    """A request or a response as it came."""

    start: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.start.split()[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]

    def get(self, name: str) -> str | None:
        """The value of a header that must not be repeated."""
        found = self.all(name)
        assert len(found) <= 1, found
        return found[0] if found else None


async def read_head(reader: asyncio.StreamReader) -> Message:
    head = await reader.readuntil(b"\r\n\r\n")
    start, *lines = head[:-4].split(b"\r\n")
    headers = [tuple(part.strip() for part in line.split(b":", 1)) for line in lines]
    return Message(start, headers)


async def read_body(reader: asyncio.StreamReader, message: Message) -> bytes:
    if "chunked" in (message.get("transfer-encoding") or ""):
        return b"".join([chunk async for chunk in chunks(reader)])
    return await reader.readexactly(int(message.get("content-length") or 0))


async def chunks(reader: asyncio.StreamReader):
    """The chunks of a chunked body; ``IncompleteReadError`` if it is cut."""
    while size := int((await _line(reader)).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await _line(reader)


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise asyncio.IncompleteReadError(line, None)
    return line.strip()


@dataclass
class Exchange:
    """One request to the server, and the connection to answer it on."""

    request: Message
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: RawServer

    async def answer(self, status: int = 200, body: bytes = b"", *headers: tuple[str, str]) -> None:
        """A whole answer."""
        length = () if any(name == "content-length" for name, _ in headers) else (("content-length", str(len(body))),)
        await self.start(status, *headers, *length)
        self.writer.write(body)
        await self.writer.drain()

    async def start(self, status: int, *headers: tuple[str, str]) -> None:
        """The head of an answer."""
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers), "", ""]
        self.writer.write("\r\n".join(lines).encode("latin-1"))
        await self.writer.drain()

    async def chunk(self, part: bytes) -> None:
        """A chunk of an answer that began as chunked; an empty one ends it."""
        self.writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await self.writer.drain()

    async def gone(self) -> None:
        """Returns when the other side has closed the connection."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()


@dataclass
class RawServer:
    """A server that answers as a test says. It answers the readiness probe itself, unless the test does."""

    handle: Callable[[Exchange], Awaitable[None]]
    ready: bool = True
    port: int = 0
    bodies: bool = True
    """Whether bodies are read before a test is asked for an answer."""
    seen: list[Message] = field(default_factory=list)
    """Every request but probes."""
    connections: list[object] = field(default_factory=list)
    """Every connection that was made."""
    ended: int = 0
    """How many of them have ended."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[RawServer], bool]) -> None:
        """Wait until a condition on this server holds."""
        async with asyncio.timeout(30):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def gone(self, connections: int) -> None:
        """Wait until so many connections have ended."""
        await self.until(lambda self: self.ended >= connections)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while True:
                request = await read_head(reader)
                if self.bodies or request.all("mcp-method") == ["server/discover"]:
                    request.body = await read_body(reader, request)
                exchange = Exchange(request, reader, writer, self)
                if self.ready and b"workloads-ready" in request.body:
                    await exchange.answer(200, json.dumps(READY).encode(), ("content-type", "application/json"))
                    continue
                self.seen.append(request)
                self._news.set()
                await self.handle(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.ended += 1
            self._news.set()


@asynccontextmanager
async def raw_server(
    handle: Callable[[Exchange], Awaitable[None]], *, ready: bool = True, bodies: bool = True, ssl: Any = None
):
    """A server on a free port of this machine."""
    subject = RawServer(handle, ready, bodies=bodies)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(subject.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24, ssl=ssl)
    subject.port = server.sockets[0].getsockname()[1]
    try:
        yield subject
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class RawClient:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self.reader = reader
        self.writer = writer
        self.port = port

    def write(self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", host: bool = True) -> None:
        """Write a request."""
        lines = [f"{method} {path} HTTP/1.1"]
        if host:
            lines.append(f"Host: 127.0.0.1:{self.port}")
        given = {name.lower() for name, _ in headers}
        if body and not given & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def ask(self, method: str, path: str, *headers: tuple[str, str], **options: Any) -> Message:
        """Write a request and read the whole answer."""
        self.write(method, path, *headers, **options)
        answer = await self.head()
        if method != "HEAD" and answer.status not in (204, 304):
            answer.body = await asyncio.wait_for(read_body(self.reader, answer), 20)
        return answer

    async def post(self, message: Any, *headers: tuple[str, str], path: str = "/mcp") -> Message:
        """POST a message, or any bytes, and read the whole answer."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        given = {name.lower() for name, _ in headers}
        defaults = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
        added = [item for item in defaults if item[0] not in given]
        return await self.ask("POST", path, *headers, *added, body=body)

    async def head(self) -> Message:
        """The head of the next answer."""
        return await asyncio.wait_for(read_head(self.reader), 20)

    async def ended(self) -> bytes:
        """Everything up to the end of the connection."""
        return await asyncio.wait_for(self.reader.read(), 20)

    def close(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()


@asynccontextmanager
async def raw_client(port: int):
    """A connection to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    client = RawClient(reader, writer, port)
    try:
        yield client
    finally:
        client.close()


def request(method: str = "tools/call", request_id: Any = 1, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
