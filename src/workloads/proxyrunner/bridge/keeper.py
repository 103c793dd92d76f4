"""Keeps all processes of a stdio server up: those that always are, and those that clients need for a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.model import WorkloadStatus
    from workloads.proxyrunner.bridge.apart import Apart
    from workloads.proxyrunner.bridge.children import Children
    from workloads.proxyrunner.reports import News
    from workloads.runtimes.protocol import Replica

__all__ = ("BridgeKeeper", "Census")

_LONGEST_PAUSE = 30.0


class Census:
    """Tells of all processes of a workload together. Implements ``News`` for what keeps the main ones up.

    Args:
        told: Who is told.
    """

    def __init__(self, told: News) -> None:
        """Count none yet."""
        self._told = told
        self._main: Sequence[Replica] = ()
        self._children: Sequence[Replica] = ()
        self._ready = 0

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """The workload is in this state."""
        self._told.status(status, context)

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """These main processes run now, so many of them ready."""
        self._main, self._ready = replicas, ready
        self._tell()

    def children(self, replicas: Sequence[Replica]) -> None:
        """These further processes run now."""
        self._children = replicas
        self._tell()

    def _tell(self) -> None:
        self._told.replicas([*self._main, *self._children], self._ready)


class _Keeper(Protocol):
    async def run(self) -> None: ...

    def retire(self) -> bool: ...

    async def stop(self, grace: float | None = None) -> None: ...

    async def kill(self) -> None: ...

    async def suspend(self) -> bool: ...

    async def resume(self) -> bool: ...


class BridgeKeeper:
    """Keeps the main processes up, and ends the others when nobody needs them. Implements ``Keeper``.

    Args:
        main: Keeps the main processes up.
        children: The others.
        apart: Who uses those, one for each main process.
        ttl: Seconds without a request after which a session ends.
    """

    def __init__(self, main: _Keeper, children: Children, apart: Sequence[Apart], *, ttl: float) -> None:
        """Prepare; nothing is started yet."""
        self._main = main
        self._children = children
        self._apart = apart
        self._pause = min(ttl / 4, _LONGEST_PAUSE)

    async def run(self) -> None:
        """Keep the main processes up until cancelled, or until there is none to keep up any more."""
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self._main.run()
        finally:
            sweeping.cancel()
            await asyncio.wait({sweeping})

    def retire(self) -> bool:
        """Start nothing any more. Returns whether :meth:`run` has something left to watch."""
        self._children.retire()
        return self._main.retire()

    async def stop(self, grace: float | None = None) -> None:
        """End every process.

        Args:
            grace: Seconds they get to end by themselves after they were asked to; None is 10.
        """
        await asyncio.gather(self._main.stop(grace), self._children.stop(grace))

    async def kill(self) -> None:
        """End every process at once."""
        await asyncio.gather(self._main.kill(), self._children.kill())

    async def suspend(self) -> bool:
        """Freeze every process. Returns whether all main ones are."""
        suspended, _ = await asyncio.gather(self._main.suspend(), self._children.suspend())
        return suspended

    async def resume(self) -> bool:
        """Let every process go on. Returns whether all main ones do."""
        resumed, _ = await asyncio.gather(self._main.resume(), self._children.resume())
        return resumed

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            for each in self._apart:
                each.sweep()
