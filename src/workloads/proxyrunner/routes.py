"""Routes to servers that somebody else runs: which there are, and which of them are ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.http_link import HttpLink
    from workloads.proxyrunner.pool import Pool
    from workloads.proxyrunner.reports import Door, News, Vitals

__all__ = ("INTERVAL", "REMOTE_INTERVAL", "Routes")

INTERVAL = 10.0
"""Seconds after which a server that is ready is asked again."""

REMOTE_INTERVAL = 60.0
"""The same for a server of somebody else's, who may mind."""

_PATIENCE = 5.0
"""Seconds it then has to answer."""


class Routes:
    """Lets requests pass to the servers that are ready. It never starts or stops one.

    Args:
        name: The workload.
        servers: Where they are; :meth:`change` changes that.
        connect: How one is asked.
        pool: Told which there are, and which are ready.
        gate: Opened while one is ready.
        health: Told whether one is.
        told: Told what happens.
        ready_timeout: Seconds the first may take to become ready.
        interval: Seconds after which a server that is ready is asked again.
    """

    def __init__(
        self,
        name: str,
        servers: Iterable[ReplicaAddress],
        *,
        connect: Callable[[ReplicaAddress], HttpLink],
        pool: Pool,
        gate: Door[Pool],
        health: Vitals,
        told: News,
        ready_timeout: float,
        interval: float = INTERVAL,
    ) -> None:
        """Prepare to ask."""
        self._name = name
        self._servers = tuple(servers)
        self._connect = connect
        self._pool = pool
        pool.doubted = self._doubt
        self._gate = gate
        self._health = health
        self._told = told
        self._ready_timeout = ready_timeout
        self._interval = interval
        self._following: dict[ReplicaAddress, asyncio.Task[None]] = {}
        self._doubts: dict[ReplicaAddress, asyncio.Event] = {}
        self._last_answer = ""
        self._any_ready = asyncio.Event()

    @property
    def count(self) -> int:
        """How many servers there are."""
        return len(self._servers)

    async def run(self) -> None:
        """Route until cancelled.

        Raises:
            WorkloadFailedError: No server became ready.
        """
        self._told.status(WorkloadStatus.STARTING)
        self.change(self._servers)
        try:
            async with asyncio.timeout(self._ready_timeout):
                await self._any_ready.wait()
            await asyncio.get_running_loop().create_future()
        except TimeoutError:
            await self._forget(list(self._following))  # only then it is known what they heard last
            said = f"; last answer: {self._last_answer}" if self._last_answer else ""
            raise WorkloadFailedError(self._name, f"not ready after {self._ready_timeout:g} s{said}") from None
        finally:
            await self._forget(list(self._following))

    def change(self, servers: Iterable[ReplicaAddress]) -> None:
        """Route to these servers from now on. Exchanges with others end by themselves."""
        self._servers = tuple(dict.fromkeys(servers))
        for server in self._following.keys() - set(self._servers):
            self._following.pop(server).cancel()
            self._doubts.pop(server)
            self._pool.remove(server)
            self._left()
        for server in self._servers:
            if server not in self._following:
                self._pool.expect(server)
                self._doubts[server] = asyncio.Event()
                task = asyncio.create_task(self._follow(server), name=f"workloads-route-{server.authority}")
                self._following[server] = task

    def retire(self) -> bool:
        """Nothing is started. Returns False: there is nothing to watch."""
        return False

    async def stop(self, grace: float | None = None) -> None:
        """Nothing: the servers belong to somebody else."""

    async def kill(self) -> None:
        """Nothing: the servers belong to somebody else."""

    def _doubt(self, server: ReplicaAddress) -> None:
        """No connection could be made to a server: ask it whether it is ready."""
        if server in self._doubts:
            self._doubts[server].set()

    async def _forget(self, servers: list[ReplicaAddress]) -> None:
        tasks = [self._following.pop(server) for server in servers]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, server: ReplicaAddress) -> None:
        """Tell whenever a server becomes ready, or ceases to be."""
        doubt = self._doubts[server]
        link = self._connect(server)
        while True:
            took = await self._ready(link)
            self._pool.add(server)
            self._arrived(took)
            while await self._still(link, doubt):
                pass
            self._pool.pause(server)
            self._left()

    async def _ready(self, link: HttpLink) -> float:
        waiting = asyncio.ensure_future(link.ready())
        try:
            _, took = await waiting
        finally:
            self._last_answer = link.last_answer or self._last_answer
        return took

    async def _still(self, link: HttpLink, doubt: asyncio.Event) -> bool:
        """Whether a server that was ready is so still, some time later, or as soon as that is doubted."""
        try:
            async with asyncio.timeout(self._interval):
                await doubt.wait()
        except TimeoutError:
            pass
        else:
            doubt.clear()
            return False
        try:
            async with asyncio.timeout(_PATIENCE):
                await link.ready()
        except TimeoutError:
            return False
        return True

    def _arrived(self, took: float) -> None:
        self._health.ready(took)
        if len(self._pool) == 1:
            self._gate.open(self._pool)
        self._any_ready.set()
        self._tell()

    def _left(self) -> None:
        if not len(self._pool) and self._any_ready.is_set():
            self._gate.shut()
            self._health.down("no server can be reached")
        self._tell()

    def _tell(self) -> None:
        ready, count = len(self._pool), self.count
        self._told.replicas((), ready)
        if not ready:
            self._told.status(WorkloadStatus.STARTING, "no server can be reached" if self._any_ready.is_set() else "")
        else:
            self._told.status(WorkloadStatus.RUNNING, "" if ready == count else f"{ready} of {count} servers are ready")
