"""How many requests pass through a proxy runner, beside how many the server behind it answers without one.

A server (uvicorn on uvloop, a bare application) answers each POST with 200 bytes. A load generator keeps 32 connections
busy, first straight to the server, then through a proxy runner, in interleaved rounds. Server, proxy and load generator
are processes of their own; on a small machine they share its processors, so the CPU time that the proxy spends on a
request tells more than the throughput.

Run it with ``python -m bench proxy``.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

GOAL = 0.15
"""The least share of the server's own throughput that passes through the proxy."""

SECONDS = 2.0
CONNECTIONS = 32
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"text":"%s"}}' % (b"x" * 155)
REQUEST_BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}'
DISCOVERED = b'{"jsonrpc":"2.0","id":"workloads-ready","result":{"supportedVersions":["2026-07-28"]}}'
assert len(ANSWER) == 200


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure both ways.

    Args:
        rounds: How many rounds count, at least seven.
        seconds: How long each of the two runs of a round takes.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    direct: list[float] = []
    proxied: list[float] = []
    micros: list[float] = []
    waits: list[float] = []
    with _role("serve") as (server_port, _), _role("proxy", str(server_port)) as (proxy_port, proxy):
        for port in (server_port, proxy_port):
            _load(port, min(seconds, 1.0))
        for _ in range(rounds):
            direct.append(_load(server_port, seconds)["rate"])
            before = cpu_of_process(proxy)
            through = _load(proxy_port, seconds)
            micros.append((cpu_of_process(proxy) - before) / through["requests"] * 1e6)
            proxied.append(through["rate"])
            waits.append(through["p99"] * 1e3)
    rates = statistics.median(direct), statistics.median(proxied)
    share = statistics.median(ours / base for ours, base in zip(proxied, direct, strict=True))
    figures = [
        Figure("requests through the proxy, to straight", share, "x", GOAL, higher_is_better=True, steady=False),
        Figure("CPU of the proxy, a request", statistics.median(micros), "us"),
        Figure("straight to the server", rates[0], "/s"),
        Figure("through the proxy", rates[1], "/s"),
        Figure("99th percentile through the proxy", statistics.median(waits), "ms"),
    ]
    values = {"straight to the server": rates[0], "through the proxy": rates[1]}
    plot = {"title": f"POSTs over {CONNECTIONS} connections", "values": values, "unit": "requests/s"}
    return report("proxy", figures, plot=plot, rounds=rounds, seconds=seconds)


@contextmanager
def _role(*arguments: str) -> Iterator[tuple[int, int]]:
    """Run this file in another role. Yields the port it listens on and the number of its process."""
    command = [sys.executable, "-m", "bench.proxy", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.close()  # by which it knows that it shall end
            process.wait(30)


def _load(port: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.proxy", "load", str(port), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    while (await receive()).get("more_body"):
        pass
    body = DISCOVERED if (b"mcp-method", b"server/discover") in scope["headers"] else ANSWER
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _serve() -> None:
    import socket

    import uvicorn

    bound = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(_application, http="httptools", lifespan="off", access_log=False, log_level="error")
    server = uvicorn.Server(config)
    print(bound.getsockname()[1], flush=True)
    serving = asyncio.create_task(server.serve([bound]))
    await _until_told_to_end()
    server.should_exit = True
    await serving


async def _proxy(port: int) -> None:
    from workloads import RunConfig
    from workloads.proxyrunner import ProxyRunner, ReplicaAddress

    config = RunConfig(name="bench", transport="streamable-http")
    async with ProxyRunner(config, replicas=[ReplicaAddress("127.0.0.1", port)]) as runner:
        print(runner.port, flush=True)
        await _until_told_to_end()


async def _until_told_to_end() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _generate(port: int, seconds: float) -> None:
    import httptools

    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(REQUEST_BODY)}\r\n\r\n"
    )
    request = head.encode() + REQUEST_BODY
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    stop = loop.time() + seconds
    taken: list[float] = []

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            self.next()

        def next(self) -> None:
            self.parser = httptools.HttpResponseParser(self)
            self.began = time.perf_counter()
            self.transport.write(request)

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_message_complete(self) -> None:
            if self.parser.get_status_code() != 200:
                ended.set_exception(RuntimeError(f"status {self.parser.get_status_code()}"))
                return
            taken.append(time.perf_counter() - self.began)
            if loop.time() < stop:
                self.next()
            elif not ended.done():
                ended.set_result(None)

        def connection_lost(self, exc: Exception | None) -> None:
            if not ended.done():
                ended.set_exception(exc or ConnectionResetError("the connection was closed"))

    began = time.perf_counter()
    clients = [await loop.create_connection(Client, "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await ended
    rate = len(taken) / (time.perf_counter() - began)
    for transport, _ in clients:
        transport.abort()
    p99 = statistics.quantiles(taken, n=100)[98]
    print(json.dumps({"requests": len(taken), "rate": rate, "p99": p99}))


if __name__ == "__main__":
    import uvloop

    role, *rest = sys.argv[1:]
    roles = {
        "serve": _serve,
        "proxy": lambda: _proxy(int(rest[0])),
        "load": lambda: _generate(int(rest[0]), float(rest[1])),
    }
    uvloop.run(roles[role]())
