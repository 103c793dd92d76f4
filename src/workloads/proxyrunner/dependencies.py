"""The workloads that a workload depends on: kept awake, through their own proxy runners, while it is awake."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus
from workloads.proxyrunner.control.client import HeldOpen, RefusedHoldError, hold_open

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads.proxyrunner.keeping import SleepyKeeper
    from workloads.proxyrunner.reports import News

__all__ = ("Dependencies", "Dependent")

_log = logging.getLogger(__name__)


class Dependencies:
    """Other workloads of this machine, all held or none.

    Each proxy runner first wakes what its own workload depends on, so they wake in order, and those that do not depend
    on each other wake at once. One that ends while it is held is not waited for: it wakes for whoever sends it a
    request, and is held again the next time.

    Args:
        name: The workload that depends on them.
        sockets: Where the operators of their proxy runners are answered, by name.
        timeout: Seconds they may take to be ready.
    """

    def __init__(self, name: str, sockets: Mapping[str, Path], *, timeout: float) -> None:
        """Prepare; nothing is held yet."""
        self._name = name
        self._sockets = dict(sockets)
        self._timeout = timeout
        self._held: list[HeldOpen] = []

    @property
    def names(self) -> str:
        """Their names, for people."""
        return ", ".join(self._sockets)

    async def hold(self) -> None:
        """Wake them, and keep them awake until they are released. Does nothing while they are held.

        Raises:
            WorkloadFailedError: Some cannot be woken; says why of every such one, and none is held.
        """
        if self._held:
            return
        tasks = [asyncio.create_task(self._hold(name, path)) for name, path in self._sockets.items()]
        wanted = False
        try:
            await asyncio.wait(tasks)
            wanted = True
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise
        finally:
            self._held = [task.result() for task in tasks if not task.cancelled() and task.exception() is None]
            if not wanted or len(self._held) < len(tasks):
                self.release()
        problems = [str(error) for task in tasks if (error := task.exception()) is not None]
        if problems:
            raise WorkloadFailedError(self._name, "; ".join(problems))

    def release(self) -> None:
        """Let them sleep, as far as this workload is concerned. Idempotent."""
        held, self._held = self._held, []
        for each in held:
            each.close()

    async def _hold(self, name: str, path: Path) -> HeldOpen:
        try:
            async with asyncio.timeout(self._timeout):
                return await hold_open(path, owner=self._name, reason="depends on it", lost=partial(self._lost, name))
        except TimeoutError:
            raise RefusedHoldError(f"it depends on {name}, which was not ready after {self._timeout:g} s") from None
        except OSError:
            raise RefusedHoldError(f"it depends on {name}, which does not run; start it") from None
        except RefusedHoldError as error:
            raise RefusedHoldError(f"it depends on {name}: {error}") from None

    def _lost(self, name: str) -> None:
        _log.warning("%s has ended, which %s depends on", name, self._name, extra={"workload": self._name})


class Dependent:
    """Keeps up servers that need other workloads, which it holds while they are up. Implements ``SleepyKeeper``.

    Args:
        keeper: Keeps the servers up.
        dependencies: What they need.
        told: Told what happens.
    """

    def __init__(self, keeper: SleepyKeeper, dependencies: Dependencies, told: News) -> None:
        """Prepare; nothing is held yet."""
        self._keeper = keeper
        self._dependencies = dependencies
        self._told = told

    async def run(self) -> None:
        """Wake what they need, then keep them up.

        Raises:
            WorkloadFailedError: What they need cannot be woken, or they did not stay up.
        """
        self._told.status(WorkloadStatus.STARTING, f"waits for {self._dependencies.names}")
        await self._dependencies.hold()
        try:
            await self._keeper.run()
        finally:
            self._dependencies.release()

    def retire(self) -> bool:
        """As that of the keeper."""
        return self._keeper.retire()

    async def stop(self, grace: float | None = None) -> None:
        """As that of the keeper."""
        await self._keeper.stop(grace)

    async def kill(self) -> None:
        """As that of the keeper."""
        await self._keeper.kill()

    async def suspend(self) -> bool:
        """As that of the keeper; what they need may sleep then, too."""
        suspended = await self._keeper.suspend()
        if suspended:
            self._dependencies.release()
        return suspended

    async def resume(self) -> bool:
        """As that of the keeper, once what they need is awake.

        Raises:
            WorkloadFailedError: It cannot be woken; the servers stay frozen.
        """
        await self._dependencies.hold()
        resumed = await self._keeper.resume()
        if not resumed:
            self._dependencies.release()
        return resumed
