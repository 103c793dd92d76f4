"""How many calls pass through the bridge to a stdio server, beside the program ``mcp-proxy``, which does the same.

A server by hand answers ``tools/call`` on standard input and output. A load generator with 16 sessions, each with one
call at a time, calls it through the bridge and through mcp-proxy in interleaved rounds. Bridge, mcp-proxy and the load
generator are processes of their own, and each of the two proxies has a server of its own; the CPU time that a proxy
spends on a call, without that of the server, tells more than the throughput when the machine is busy.

mcp-proxy runs in an environment that ``uvx`` makes for it. Run this with ``python -m bench bridge``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL = 1.5
"""The least number of calls through the bridge for each one through mcp-proxy."""

SECONDS = 2.0
SESSIONS = 16
SERVER = (sys.executable, str(Path(__file__).with_name("echo_stdio.py")))
RIVAL = "mcp-proxy>=0.8,<1"
PATIENCE = 60.0
TEXT = "x" * 100


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure both.

    Args:
        rounds: How many rounds count, at least seven.
        seconds: How long each of the two runs of a round takes.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    rates: dict[str, list[float]] = {"the bridge": [], "mcp-proxy": []}
    micros: dict[str, list[float]] = {name: [] for name in rates}
    with ExitStack() as stack:
        proxies = {"the bridge": stack.enter_context(_bridge()), "mcp-proxy": stack.enter_context(_rival())}
        for port, _ in proxies.values():
            _load(port, min(seconds, 1.0))
        for number in range(rounds):
            for name in sorted(proxies, reverse=bool(number % 2)):
                port, pid = proxies[name]
                before = cpu_of_process(pid)
                done = _load(port, seconds)
                micros[name].append((cpu_of_process(pid) - before) / done["calls"] * 1e6)
                rates[name].append(done["rate"])
    share, cpu = (_ratio(values) for values in (rates, micros))
    ours, theirs = (statistics.median(values) for values in rates.values())
    our_micros, their_micros = (statistics.median(values) for values in micros.values())
    figures = [
        Figure("calls through the bridge, to mcp-proxy", share, "x", GOAL, higher_is_better=True, steady=False),
        Figure("CPU a call, the bridge to mcp-proxy", cpu, "x", 1 / GOAL),
        Figure("calls through the bridge", ours, "/s"),
        Figure("calls through mcp-proxy", theirs, "/s"),
        Figure("CPU of the bridge, a call", our_micros, "us"),
        Figure("CPU of mcp-proxy, a call", their_micros, "us"),
    ]
    plot = {
        "title": f"Calls of {SESSIONS} sessions",
        "values": {"bridge": ours, "mcp-proxy": theirs},
        "unit": "calls/s",
    }
    return report("bridge", figures, plot=plot, rounds=rounds, seconds=seconds)


def _ratio(values: dict[str, list[float]]) -> float:
    return statistics.median(ours / theirs for ours, theirs in zip(*values.values(), strict=True))


@contextmanager
def _bridge() -> Iterator[tuple[int, int]]:
    """The bridge. Yields the port it listens on and the number of its process."""
    command = [sys.executable, "-m", "bench.bridge", "bridge"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.close()  # by which it knows that it shall end
            process.wait(30)


@contextmanager
def _rival() -> Iterator[tuple[int, int]]:
    """Mcp-proxy. Yields the port it listens on and the number of its process."""
    find = ["uvx", "--from", RIVAL, "python", "-c", "import sys; print(sys.executable)"]
    python = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    command = [python, "-m", "mcp_proxy", "--port", str(port), "--log-level", "ERROR", "--"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, *SERVER], **quiet) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("mcp-proxy does not listen")
                time.sleep(0.05)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _load(port: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.bridge", "load", str(port), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _serve_bridge() -> None:
    from workloads import RunConfig
    from workloads.proxyrunner import ProxyRunner

    config = RunConfig(name="bench", command=SERVER, transport="stdio")
    async with ProxyRunner(config) as runner:
        print(runner.port, flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()


class _Client(asyncio.Protocol):
    """One session on one connection: a call, its answer, the next call."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.session = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    async def ask(self, message: dict[str, Any]) -> bytes:
        import httptools

        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        lines = [
            "POST /mcp HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Content-Type: application/json",
            "Accept: application/json, text/event-stream", f"Content-Length: {len(body)}",
            *([f"Mcp-Session-Id: {self.session}"] if self.session else []),
        ]  # fmt: skip
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        return await self.answered

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"mcp-session-id":
            self.session = value.decode()

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() not in (200, 202):
            self.answered.set_exception(RuntimeError(f"status {self.parser.get_status_code()}"))
        else:
            self.answered.set_result(b"".join(self.parts))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("the connection was closed"))


async def _generate(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    calls = 0

    async def session() -> _Client:
        _, client = await loop.create_connection(lambda: _Client(port), "127.0.0.1", port)
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
        await client.ask({"id": 0, "method": "initialize", "params": params})
        await client.ask({"method": "notifications/initialized"})
        return client

    async def call(client: _Client) -> None:
        nonlocal calls
        message = {"id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": TEXT}}}
        while loop.time() < stop:
            answer = await client.ask(message)
            if TEXT.encode() not in answer:
                raise RuntimeError(f"no answer: {answer!r}")
            calls += 1

    clients = [await session() for _ in range(SESSIONS)]
    began = loop.time()
    stop = began + seconds
    await asyncio.gather(*(call(client) for client in clients))
    print(json.dumps({"calls": calls, "rate": calls / (loop.time() - began)}))
    for client in clients:
        client.transport.abort()


if __name__ == "__main__":
    import uvloop

    role, *rest = sys.argv[1:]
    uvloop.run(_serve_bridge() if role == "bridge" else _generate(int(rest[0]), float(rest[1])))
