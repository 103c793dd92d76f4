"""Processes of a stdio server beside the one that is always up: up while clients need them."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

from workloads.errors import WorkloadFailedError
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.link import RefusedError, ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.model import WorkloadStatus
    from workloads.proxyrunner.bridge.link import StdioLink
    from workloads.proxyrunner.bridge.process_front import ProcessFront
    from workloads.proxyrunner.supervisor import Supervisor
    from workloads.runtimes.protocol import Replica

__all__ = ("MAX_CHILDREN", "Child", "Children", "Connect")

_log = logging.getLogger(__name__)

MAX_CHILDREN = 64
"""Processes that may be up at the same time beside the one that always is."""

MAX_STARTING = 8
"""How many of them may be starting at the same time; further ones wait for their turn."""


class Connect(Protocol):
    """Makes the link to a process that was started."""

    def __call__(self, replica: Replica) -> StdioLink:
        """The link to this one."""
        ...


class Child:
    """One such process, and what its supervisor reports to. Implements ``Door``, ``Vitals`` and ``News``.

    Args:
        children: All of them.
        connect: Makes the link to it.
    """

    def __init__(self, children: Children, connect: Connect) -> None:
        """A process that was not started yet."""
        self._children = children
        self._connect = connect
        self.link: StdioLink | None = None
        self.front: ProcessFront | None = None
        """What serves clients with it, while it is up."""
        self.running: Sequence[Replica] = ()
        self.up = asyncio.Event()
        """Set when it is ready for the first time."""
        self.supervisor: Supervisor[ProcessFront] | None = None
        self.task: asyncio.Task[None] | None = None
        """Runs its supervisor."""
        self.idle_since: float | None = None
        """Since when it has had no session; None while it has one."""

    def connect(self, replica: Replica) -> StdioLink:
        """Make the link to it."""
        self.link = self._connect(replica)
        return self.link

    def open(self, target: ProcessFront) -> None:
        """It is ready."""
        self.front = target
        self.up.set()

    def shut(self) -> None:
        """It is ready no more."""
        self.front = None

    def ready(self, took: float) -> None:
        """It answered; the health of the workload is that of the process that is always up."""

    def down(self, reason: str) -> None:
        """It cannot serve."""

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """It is in this state, which is not that of the workload."""

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """This process runs now."""
        del ready
        self.running = tuple(replicas)
        self._children.count()


class Children:
    """All such processes of one workload.

    Args:
        supervise: Makes the supervisor of one, by its number from 0, that reports to it.
        counted: Told which of them run.
        limit: How many there may be.
    """

    def __init__(
        self,
        supervise: Callable[[int, Child], Supervisor[ProcessFront]],
        counted: Callable[[Sequence[Replica]], None],
        *,
        limit: int = MAX_CHILDREN,
    ) -> None:
        """Begin with none."""
        self._supervise = supervise
        self._counted = counted
        self._limit = limit
        self._children: dict[int, Child] = {}
        self._starting = asyncio.Semaphore(MAX_STARTING)
        self._ends: set[asyncio.Task[None]] = set()
        self._retired = False

    async def start(self, connect: Connect) -> Child:
        """Start one and wait until it is ready.

        Args:
            connect: Makes the link to it.

        Raises:
            UnavailableError: There are as many as there may be, or the workload is shutting down.
            RefusedError: It refused its opening request.
            ServerGoneError: It did not start.
        """
        index = next((number for number in range(self._limit) if number not in self._children), None)
        if index is None:
            raise UnavailableError(f"All {self._limit} processes that the workload may have are in use")
        child = self._children[index] = Child(self, connect)
        try:
            async with self._starting:
                await self._until_up(index, child)
        except BaseException:
            if child.task is None:
                del self._children[index]
            else:
                self.end(child)
            raise
        return child

    def end(self, child: Child) -> None:
        """Let go of one: it serves nobody any more, and its process ends soon."""
        child.front = None
        task = asyncio.create_task(_end(child))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    def count(self) -> None:
        """Tell which processes run."""
        self._counted([replica for child in self._children.values() for replica in child.running])

    def retire(self) -> None:
        """Start none any more."""
        self._retired = True

    async def stop(self, grace: float | None = None) -> None:
        """End them all. Idempotent.

        Args:
            grace: Seconds they get to end by themselves after they were asked to; None is 10.
        """
        self.retire()
        await asyncio.gather(*(_end(child, grace) for child in list(self._children.values())), *self._ends)

    async def kill(self) -> None:
        """End them all at once."""
        self.retire()
        await asyncio.gather(*(supervisor.kill() for supervisor in self._supervisors))
        await self.stop()

    async def suspend(self) -> None:
        """Freeze them all."""
        await asyncio.gather(*(supervisor.suspend() for supervisor in self._supervisors))

    async def resume(self) -> None:
        """Let them all go on."""
        await asyncio.gather(*(supervisor.resume() for supervisor in self._supervisors))

    @property
    def _supervisors(self) -> list[Supervisor[ProcessFront]]:
        return [child.supervisor for child in self._children.values() if child.supervisor is not None]

    async def _until_up(self, index: int, child: Child) -> None:
        if self._retired:  # perhaps while it waited for its turn
            raise UnavailableError("The proxy is shutting down")
        child.supervisor = self._supervise(index, child)
        child.task = asyncio.create_task(child.supervisor.run(), name=f"workloads-child-{index}")
        child.task.add_done_callback(partial(self._ended, index))
        up = asyncio.ensure_future(child.up.wait())
        try:
            await asyncio.wait({up, child.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
        if child.front is None:
            if child.link is not None and child.link.refused:
                raise RefusedError(child.link.last_answer)
            error = child.task.exception() if child.task.done() and not child.task.cancelled() else None
            # Its log lines are not for clients.
            reason = error.reason if isinstance(error, WorkloadFailedError) else "it could not be started"
            raise ServerGoneError(f"a further process did not become ready: {reason}")

    def _ended(self, index: int, task: asyncio.Task[None]) -> None:
        del self._children[index]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.debug("process ended", extra={"child": index, "reason": str(error)})
        self.count()


async def _end(child: Child, grace: float | None = None) -> None:
    supervisor, task = child.supervisor, child.task
    if supervisor is None or task is None:
        return
    if not supervisor.retire():
        # It is starting: only when that is over is it certain what there is to stop.
        task.cancel()
        await asyncio.wait({task})
    await supervisor.stop(grace)
    await asyncio.wait({task})
