"""Servers and clients of the benchmarks of the proxy: what they send, and the roles of :mod:`bench.roles`."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.roles import route, serve, until_told_to_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONNECTIONS = 32
LARGE = 2**20
PART = b"x" * 2**16
ROLES = "bench.proxy_roles"
"""The module in whose roles processes run."""
PATH = "/mcp"
LARGE_PATH = "/large"
BEGIN_PATH = "/begin"
SESSION = "0123456789abcdef0123456789abcdef"

_CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}'
REQUEST = _CALL % (b"x" * (202 - len(_CALL)))
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"text":"%s"}}' % (b"x" * 155)
DISCOVERED = b'{"jsonrpc":"2.0","id":"workloads-ready","result":{"supportedVersions":["2026-07-28"]}}'
assert len(REQUEST) == len(ANSWER) == 200

_WRK = """
wrk.method = "POST"
wrk.body = [[%s]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["Mcp-Session-Id"] = "%s"
"""


def wrk(port: int, path: str, seconds: float) -> dict[str, float]:
    """Keep 32 connections busy with POSTs. Returns how many requests were answered, and how many a second.

    Args:
        port: Where to.
        path: What to ask for.
        seconds: For how long; it knows whole seconds only.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("the benchmark of the proxy needs the load generator wrk: install the package wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "post.lua")
        script.write_text(_WRK % (REQUEST.decode(), SESSION))
        command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True
        ).stdout
    if "Non-2xx" in done or "Socket errors" in done:
        raise RuntimeError(done)
    requests, rate = re.search(r"(\d+) requests in", done), re.search(r"Requests/sec:\s*([\d.]+)", done)
    assert requests is not None
    assert rate is not None
    return {"requests": int(requests[1]), "rate": float(rate[1])}


def at_rate(port: int, rate: int, seconds: float) -> dict[str, float]:
    """Send requests at a steady rate, however long answers take. Returns quantiles of how long, in seconds.

    Args:
        port: Where to.
        rate: Requests a second.
        seconds: For how long.
    """
    command = [sys.executable, "-m", ROLES, "at_rate", str(port), str(rate), str(seconds)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    if scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
        await receive()  # until the client goes
        return
    large = scope["path"] == LARGE_PATH
    body = DISCOVERED if (b"mcp-method", b"server/discover") in scope["headers"] else ANSWER
    length = () if large else ((b"content-length", b"%d" % len(body)),)
    headers = [(b"content-type", b"application/json"), *length]
    if scope["path"] == BEGIN_PATH:
        headers.append((b"mcp-session-id", SESSION.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if large:
        for _ in range(LARGE // len(PART)):
            await send({"type": "http.response.body", "body": PART, "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _busy_proxy(port: int) -> None:
    """Be a proxy runner that does with each request all that it can: look its session up, and write it down."""
    from workloads.cli.logs_setup import configure, log_accesses

    with tempfile.TemporaryFile("w") as log:
        configure(stream=log)
        log_accesses()
        await route(port, prepare=_begin_session)


async def _begin_session(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
    head = f"POST {BEGIN_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b" 200 " in await reader.readline()
    writer.close()


async def _streams(port: int, count: int) -> None:
    """Open so many streams and keep them; tells 0, for a port, when all are there."""

    async def one(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = f"127.0.{1 + number // 10_000}.1"
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        writer.write(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (PATH.encode(), port))
        await reader.readuntil(b": here\n\n")
        return reader, writer

    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    while len(streams) < count:
        streams += await asyncio.gather(*(one(len(streams) + each) for each in range(min(100, count - len(streams)))))
    print(0, flush=True)
    await until_told_to_end()
    for _, writer in streams:
        writer.transport.abort()


class _Client(asyncio.Protocol):
    """A connection that sends one request after the other, and notes how long each took from when it was due."""

    def __init__(self, request: bytes, taken: list[float], idle: list[_Client]) -> None:
        self._request = request
        self._taken = taken
        self._idle = idle
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        import httptools

        self.transport: Any = transport
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, due: float) -> None:
        self._due = due
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            raise RuntimeError(f"status {self._parser.get_status_code()}")
        self._taken.append(time.perf_counter() - self._due)
        self._idle.append(self)


async def _at_rate(port: int, rate: int, seconds: float) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMcp-Session-Id: {SESSION}\r\n"
        f"Content-Length: {len(REQUEST)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    idle: list[_Client] = []

    async def connect() -> _Client:
        _, client = await loop.create_connection(
            lambda: _Client(head.encode() + REQUEST, taken, idle), "127.0.0.1", port
        )
        return client

    idle += [await connect() for _ in range(CONNECTIONS)]
    # Not the clock of the loop, which counts milliseconds.
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (delay := due - time.perf_counter()) > 0:
            await asyncio.sleep(delay)
        (idle.pop() if idle else await connect()).ask(due)
    for _ in range(3000):
        if len(taken) == int(rate * seconds):
            break
        await asyncio.sleep(0.01)
    else:
        raise TimeoutError("half a minute later there are requests without an answer")
    cuts = statistics.quantiles(taken, n=100)
    print(json.dumps({"p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}))


if __name__ == "__main__":
    import uvloop

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    name, *rest = sys.argv[1:]
    roles = {
        "serve": lambda: serve(_application),
        "proxy": lambda: route(int(rest[0])),
        "busy_proxy": lambda: _busy_proxy(int(rest[0])),
        "streams": lambda: _streams(int(rest[0]), int(rest[1])),
        "at_rate": lambda: _at_rate(int(rest[0]), int(rest[1]), float(rest[2])),
    }
    uvloop.run(roles[name]())
