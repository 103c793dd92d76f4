"""Routes to one server that somebody else runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.http_link import HttpLink
    from workloads.proxyrunner.reports import Door, News, Vitals

__all__ = ("Routing",)


class Routing:
    """Waits until a server is ready, then lets requests pass for good. It never stops the server.

    Args:
        name: The workload.
        link: How the server is asked.
        gate: Opened when the server is ready.
        health: Told that it is.
        told: Told what happens.
        ready_timeout: Seconds the server may take to become ready.
    """

    def __init__(
        self,
        name: str,
        link: HttpLink,
        *,
        gate: Door[ReplicaAddress],
        health: Vitals,
        told: News,
        ready_timeout: float,
    ) -> None:
        """Prepare to ask."""
        self._name = name
        self._link = link
        self._gate = gate
        self._health = health
        self._told = told
        self._ready_timeout = ready_timeout

    async def run(self) -> None:
        """Route until cancelled.

        Raises:
            WorkloadFailedError: The server did not become ready.
        """
        self._told.status(WorkloadStatus.STARTING)
        try:
            async with asyncio.timeout(self._ready_timeout):
                address, took = await self._link.ready()
        except TimeoutError:
            said = f"; last answer: {self._link.last_answer}" if self._link.last_answer else ""
            raise WorkloadFailedError(self._name, f"not ready after {self._ready_timeout:g} s{said}") from None
        self._health.ready(took)
        self._gate.open(address)
        self._told.status(WorkloadStatus.RUNNING)
        await self._link.closed()

    def retire(self) -> bool:
        """Nothing is started. Returns False: there is nothing to watch."""
        return False

    async def stop(self, grace: float | None = None) -> None:
        """Nothing: the server belongs to somebody else."""

    async def kill(self) -> None:
        """Nothing: the server belongs to somebody else."""
