"""Servers that a test runs itself, as others run the replicas that a proxy runner only routes to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.proxyrunner import ReplicaAddress
from workloads.runtimes.process.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = Path(__file__).parents[1] / "servers"


class RunningReplica:
    """One server process, at one address for as long as it is started again there."""

    def __init__(self, port: int, server: str = "sessions.py", **environ: str) -> None:
        self.command = [sys.executable, str(SERVERS / server)]
        self.environ = environ
        self.address = ReplicaAddress("127.0.0.1", port)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        own = {"MCP_HOST": self.address.host, "MCP_PORT": str(self.address.port), "UNKNOWN": "404"}
        environ = {**os.environ, **own, **self.environ}
        self.process = subprocess.Popen(self.command, env=environ, stdin=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def running_replicas(count: int, server: str = "sessions.py", **environ: str) -> Iterator[list[RunningReplica]]:
    """So many servers; they may still be starting."""
    replicas: list[RunningReplica] = []
    taken: set[int] = set()
    try:
        for _ in range(count):
            port = free_port(taken=taken)
            taken.add(port)
            replicas.append(RunningReplica(port, server, **environ))
            replicas[-1].start()
        yield replicas
    finally:
        for replica in replicas:
            replica.kill()
