"""Proxy runners in tests, and what they tell."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from workloads import RunConfig
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner, ReplicaAddress


class Recorder:
    """An observer that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.statuses: list[tuple[WorkloadStatus, str]] = []
        self.ready: list[tuple[int, int]] = []
        self.pids: list[int] = []
        self.port = 0
        self._news = asyncio.Event()

    def listening(self, host: str, port: int) -> None:
        self.port = port
        self._news.set()

    def status(self, status: WorkloadStatus, context: str) -> None:
        self.statuses.append((status, context))
        self._news.set()

    def replicas(self, replicas: Any, ready: int) -> None:
        self.ready.append((len(replicas), ready))
        self.pids += [replica.identity.pid for replica in replicas if replica.identity.pid not in self.pids]
        self._news.set()

    async def until(self, condition: Any) -> None:
        """Wait until a condition on this observer holds."""
        async with asyncio.timeout(40):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def running(self, times: int = 1) -> None:
        """Wait until the workload has become running so many times."""
        await self.until(lambda self: self.count(WorkloadStatus.RUNNING) >= times)

    def count(self, status: WorkloadStatus) -> int:
        return sum(seen is status for seen, _ in self.statuses)


@asynccontextmanager
async def routed(server_port: int, *, control: Any = None, stall_timeout: float = 120.0, **fields: Any):
    """A runner that only routes to a port of this machine. Yields it once it is ready."""
    config = RunConfig(**{"name": "routed", "transport": "streamable-http", **fields})
    replicas = [ReplicaAddress("127.0.0.1", server_port)]
    async with ProxyRunner(config, replicas=replicas, control=control, stall_timeout=stall_timeout) as runner:
        yield runner


@asynccontextmanager
async def served(runner: ProxyRunner):
    """A runner that serves in the background. Yields the event that ends it and its task."""
    shutdown = asyncio.Event()
    task = asyncio.create_task(runner.serve(shutdown))
    try:
        yield shutdown, task
    finally:
        shutdown.set()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
