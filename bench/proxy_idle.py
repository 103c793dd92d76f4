"""What a proxy runner costs while nothing happens: its memory, alone and with streams, and the time until it is ready.

The same with sessions in a Redis and after its metrics were asked for, which load what else there is to load.

The runner is the command, ``workloads proxyrunner``, in front of a server that it deploys: the smallest there can be.
The time until it is ready is that from its exec until ``/health`` says so, less that from the exec of the server alone
until it answers, in the same round. A first start, which may write bytecode that installed packages have, does not
count. It is told as it is, and held to its goal without the time for which others had the processors, which Linux tells
of each process. So is the CPU, without any slack.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
    plain: list[tuple[float, ...]] = []
    sharing: list[tuple[float, ...]] = []
    with redis_server.running() as redis, tempfile.TemporaryDirectory() as folder:
        store = {"scaling_config": {"session_redis": {"address": f"127.0.0.1:{redis.port}"}}}
        for number in range(rounds + 1):
            alone = _server_alone()
            with _runner(Path(folder)) as (pid, start):
                told = (_resident(pid), cpu_of_process(pid) * 1e3, *start.beyond(alone))
                if number:
                    plain.append(told)
            with _runner(Path(folder), **store) as (pid, start):
                spent = cpu_of_process(pid) * 1e3
                _ask_for_metrics(Path(folder) / "state")
                if number:
                    sharing.append((_resident(pid), spent, *start.beyond(alone)))
    with role(ROLES, "serve") as serving, role(ROLES, "proxy", str(serving.port)) as proxy:
        bare = _resident(proxy.pid)
        with role(ROLES, "streams", str(proxy.port), str(streams)):
            full = _resident(proxy.pid)
    resident, computed, wall, own = (statistics.median(each) for each in zip(*plain, strict=True))
    shared_resident, shared_computed, shared_wall, shared_own = (
        statistics.median(each) for each in zip(*sharing, strict=True)
    )
    figures = [
        Figure("memory of an idle proxy runner", resident, "MiB", IDLE_MIB),
        Figure(f"memory with {streams} idle streams", full, "MiB", STREAMS_MIB * max(streams / STREAMS, 0.2)),
        Figure("memory of a stream", (full - bare) / streams * 1024, "KiB"),
        Figure("CPU until ready", computed, "ms", READY_MS),
        Figure("ready, beyond the server's own start", wall, "ms", READY_MS, gates=False),
        Figure("ready, while it had a processor", own, "ms", READY_MS, steady=False),
        Figure("memory with Redis and metrics", shared_resident, "MiB", SHARING_MIB),
        Figure("CPU until ready with Redis", shared_computed, "ms", SHARING_READY_MS),
        Figure("ready with Redis, beyond the server's own start", shared_wall, "ms", SHARING_READY_MS, gates=False),
        Figure("ready with Redis, while it had a processor", shared_own, "ms", SHARING_READY_MS, steady=False),
    ]
    return report("proxy idle", figures, rounds=rounds, streams=streams)


@dataclass
class _Start:
    """What a start took, in seconds.

    Attributes:
        took: By the clock.
        queued: For how much of that others had the processors, of the process and those that it started.
    """

    took: float
    queued: float

    def beyond(self, other: _Start) -> tuple[float, float]:
        """Milliseconds beyond another start: by the clock, and without the time for which others had the processors."""
        wall = (self.took - other.took) * 1e3
        return wall, wall - (self.queued - other.queued) * 1e3


def _server_alone() -> _Start:
    port = _free_port()
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", SERVER], env={**os.environ, "MCP_PORT": str(port)}) as process:
        start = _Start(_answers(port, began), _queued(process.pid))
        process.kill()
    return start


@contextmanager
def _runner(folder: Path, **more: Any) -> Iterator[tuple[int, _Start]]:
    """A runner that has become ready. Yields the number of its process, and how long that took.

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
            took = _answers(port, began)
            yield process.pid, _Start(took, _queued(process.pid))
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


def _queued(pid: int) -> float:
    """For how many seconds a process and its children were ready to run and did not; 0 where that is not told."""
    import psutil

    queued = 0.0
    for each in (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))):
        for thread in Path(f"/proc/{each}/task").glob("*/schedstat"):
            with suppress(OSError):
                queued += int(thread.read_text().split()[1]) / 1e9
    return queued


def _resident(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    import psutil

    return float(psutil.Process(pid).memory_info().rss) / 2**20
