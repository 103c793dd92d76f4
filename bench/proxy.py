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
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report
from bench.roles import role, route, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

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
    with role(__name__, "serve") as server, role(__name__, "proxy", str(server.port)) as proxy:
        for port in (server.port, proxy.port):
            _load(port, min(seconds, 1.0))
        for _ in range(rounds):
            direct.append(_load(server.port, seconds)["rate"])
            before = cpu_of_process(proxy.pid)
            through = _load(proxy.port, seconds)
            micros.append((cpu_of_process(proxy.pid) - before) / through["requests"] * 1e6)
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

    chosen, *rest = sys.argv[1:]
    roles = {
        "serve": lambda: serve(_application),
        "proxy": lambda: route(int(rest[0])),
        "load": lambda: _generate(int(rest[0]), float(rest[1])),
    }
    uvloop.run(roles[chosen]())
