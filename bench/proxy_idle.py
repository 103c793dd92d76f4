"""What a proxy runner costs while nothing happens: its memory, alone and with streams, and the time until it is ready.

The same with sessions in a Redis and after its metrics were asked for, which load what else there is to load.

The runner is the command, ``workloads proxyrunner``, in front of a server that it deploys: the smallest there can be.
The time until it is ready is that beyond the server's own, measured by starting the server alone in the same round. A
first start, which may write bytecode that installed packages have, does not count.

Run it with ``python -m bench proxy_idle``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import redis_server

from bench.harness import ROUNDS, Figure, cpu_of_process, report
from bench.proxy_roles import ROLES
from bench.roles import role
from workloads._core.paths import Paths
from workloads._core.unix_sockets import short_address

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_MIB = 40.0
READY_MS = 350.0
SHARING_MIB = 56.0
SHARING_READY_MS = 600.0
STREAMS = 5000
STREAMS_MIB = 400.0

SERVER = """
import os, socket
body = b'{"jsonrpc":"2.0","id":"workloads-ready","result":{"supportedVersions":["2026-07-28"]}}'
head = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body)
listening = socket.create_server(("127.0.0.1", int(os.environ["MCP_PORT"])))
while True:
    connection, _ = listening.accept()
    while connection.recv(65536):
        connection.sendall(head + body)
"""


def measure(rounds: int = ROUNDS, streams: int = STREAMS) -> dict[str, Any]:
    """Measure memory and times.

    Args:
        rounds: How many starts count, at least seven.
        streams: How many streams are kept open.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    beyond: list[float] = []
    resident: list[float] = []
    computed: list[float] = []
    sharing: list[tuple[float, float]] = []
    with redis_server.running() as redis, tempfile.TemporaryDirectory() as folder:
        store = {"scaling_config": {"session_redis": {"address": f"127.0.0.1:{redis.port}"}}}
        for number in range(rounds + 1):
            alone = _server_alone()
            with _runner(Path(folder)) as (pid, took):
                if number:
                    computed.append(cpu_of_process(pid) * 1e3)
                    beyond.append((took - alone) * 1e3)
                    resident.append(_resident(pid))
            with _runner(Path(folder), **store) as (pid, _):
                spent = cpu_of_process(pid) * 1e3
                _ask_for_metrics(Path(folder) / "state")
                if number:
                    sharing.append((_resident(pid), spent))
    with role(ROLES, "serve") as serving, role(ROLES, "proxy", str(serving.port)) as proxy:
        bare = _resident(proxy.pid)
        with role(ROLES, "streams", str(proxy.port), str(streams)):
            full = _resident(proxy.pid)
    figures = [
        Figure("memory of an idle proxy runner", statistics.median(resident), "MiB", IDLE_MIB),
        Figure(f"memory with {streams} idle streams", full, "MiB", STREAMS_MIB * max(streams / STREAMS, 0.2)),
        Figure("memory of a stream", (full - bare) / streams * 1024, "KiB"),
        # Nearly all of the way to ready is computing, which a busy machine only delays.
        Figure("CPU until ready", statistics.median(computed), "ms", READY_MS),
        Figure("ready, beyond the server's own start", statistics.median(beyond), "ms"),
        Figure("memory with Redis and metrics", statistics.median(memory for memory, _ in sharing), "MiB", SHARING_MIB),
        Figure("CPU until ready with Redis", statistics.median(cpu for _, cpu in sharing), "ms", SHARING_READY_MS),
    ]
    return report("proxy idle", figures, rounds=rounds, streams=streams)


def _server_alone() -> float:
    port = _free_port()
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", SERVER], env={**os.environ, "MCP_PORT": str(port)}) as process:
        took = _answers(port, began)
        process.kill()
    return took


@contextmanager
def _runner(folder: Path, **more: Any) -> Iterator[tuple[int, float]]:
    """A runner that has become ready. Yields the number of its process, and how long that took, in seconds.

    Args:
        folder: Where it keeps what it keeps.
        more: More keys of its run config.
    """
    port = _free_port()
    file = folder / "runconfig.json"
    command = [sys.executable, "-c", SERVER]
    config = {"name": "idle", "transport": "streamable-http", "port": port, "command": command, **more}
    file.write_text(json.dumps(config))
    arguments = ["--state-dir", str(folder / "state"), "--runtime", "process", "proxyrunner", "--config", str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "workloads", *arguments], env=environment) as process:
        try:
            yield process.pid, _answers(port, began)
        finally:
            process.send_signal(signal.SIGTERM)


def _ask_for_metrics(state: Path) -> None:
    path = Paths.locate(state_dir=state).control_socket("idle")
    with socket.socket(socket.AF_UNIX) as operator, short_address(path) as address:
        operator.connect(address)
        operator.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = operator.recv(4096)
        while operator.recv(65536):
            pass
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"no metrics: {head!r}")


def _answers(port: int, began: float) -> float:
    """Wait until a port answers with 200. Returns the seconds since ``began``."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port
    while time.perf_counter() - began < 60:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter() - began
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError("it did not become ready in a minute")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _resident(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    import psutil

    return float(psutil.Process(pid).memory_info().rss) / 2**20
