"""Keeps several replicas of a server up, each by a supervisor of its own, and tells of them as of one workload."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.reports import News, Vitals
    from workloads.proxyrunner.supervisor import Supervisor
    from workloads.runtimes.protocol import Replica

__all__ = ("Fleet", "Member", "Roster", "Standing", "overall")

_log = logging.getLogger(__name__)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Roster(Protocol[T_contra]):
    """The replicas that are ready, among which requests are divided."""

    def __len__(self) -> int: ...

    def add(self, target: T_contra) -> None:
        """A replica is ready, and requests to it are sent to this."""
        ...

    def remove(self, target: T_contra) -> None:
        """It is ready no more."""
        ...


@attrs.define
class Standing:
    """How one replica is doing.

    Attributes:
        ready: Whether it is ready.
        settled: Whether it has been ready once, or never will be.
        over: Whether it will never be ready any more.
        context: Why it is not ready, for people.
    """

    ready: bool = False
    settled: bool = False
    over: bool = False
    context: str = ""


def overall(standings: Sequence[Standing]) -> tuple[WorkloadStatus, str]:
    """The state of a workload with these replicas, and why. Pure.

    It is starting until each has been ready once or never will be; then it runs as long as one is ready.
    """
    ready = sum(standing.ready for standing in standings)
    reasons = (f"replica {index}: {it.context}" for index, it in enumerate(standings) if it.context and not it.ready)
    reason = next(reasons, "")
    if not ready or not all(standing.settled for standing in standings):
        return WorkloadStatus.STARTING, reason
    if ready == len(standings):
        return WorkloadStatus.RUNNING, ""
    return WorkloadStatus.RUNNING, f"{ready} of {len(standings)} replicas are ready" + (f"; {reason}" if reason else "")


class Member(Generic[T]):
    """One replica of a fleet: what its supervisor reports to. Implements ``Door``, ``Vitals`` and ``News``.

    Args:
        fleet: The fleet.
    """

    def __init__(self, fleet: Fleet[T]) -> None:
        """A replica of which nothing is known yet."""
        self._fleet = fleet
        self.standing = Standing()
        self.target: T | None = None
        """What requests to it are sent to, while it is ready."""
        self.running: Sequence[Replica] = ()
        """The copy of the server that runs, if one does."""
        self.counted = 0
        """How many of those are ready."""
        self.task: asyncio.Task[None] | None = None
        """Runs its supervisor."""

    def open(self, target: T) -> None:
        """It is ready."""
        self.target = target
        self.standing = Standing(ready=True, settled=True)
        self._fleet.arrived(target)

    def shut(self) -> None:
        """It is ready no more, if it was."""
        target, self.target = self.target, None
        self.standing.ready = False
        if target is not None:
            self._fleet.left(target)

    def ready(self, took: float) -> None:
        """It answered, in so many seconds."""
        self._fleet.healthy(took)

    def down(self, reason: str) -> None:
        """It cannot serve."""
        self._fleet.ailing(reason)

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """It is in this state."""
        if status is not WorkloadStatus.RUNNING:
            self.standing.context = context
        self._fleet.tell()

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """This copy of the server runs now."""
        self.running, self.counted = tuple(replicas), ready
        self._fleet.count()


class Fleet(Generic[T]):
    """Keeps several replicas up. A replica that fails for good does not end the others.

    Args:
        name: The workload.
        replicas: How many.
        supervise: Makes the supervisor of a replica, by its index, that reports to its member.
        roster: Told which replicas are ready.
        admit: Lets requests pass; called when a replica is ready and none was.
        hold: Lets requests wait; called when none is ready any more.
        health: Told whether requests can be served.
        told: Told what happens.
    """

    def __init__(
        self,
        name: str,
        replicas: int,
        *,
        supervise: Callable[[int, Member[T]], Supervisor[T]],
        roster: Roster[T],
        admit: Callable[[], object],
        hold: Callable[[], object],
        health: Vitals,
        told: News,
    ) -> None:
        """Prepare; nothing is started yet."""
        self._name = name
        self._roster = roster
        self._admit = admit
        self._hold = hold
        self._health = health
        self._told = told
        self._members = [Member(self) for _ in range(replicas)]
        self._supervisors = [supervise(index, member) for index, member in enumerate(self._members)]
        self._last: tuple[WorkloadStatus, str] | None = None
        self._failures: list[WorkloadsError] = []
        self._retired = False

    async def run(self) -> None:
        """Keep all replicas up until cancelled, or until none is left to keep up.

        Raises:
            WorkloadsError: None is left, and this is how the last that failed did.
        """
        async with asyncio.TaskGroup() as group:
            for index, (member, supervisor) in enumerate(zip(self._members, self._supervisors, strict=True)):
                member.task = group.create_task(self._keep(index, member, supervisor))
        if self._failures and not self._retired:
            raise self._failures[-1]

    def retire(self) -> bool:
        """Start no server any more.

        Returns:
            Whether a server is up, which :meth:`run` goes on to watch.
        """
        self._retired = True
        serving = False
        for member, supervisor in zip(self._members, self._supervisors, strict=True):
            if supervisor.retire():
                serving = True
            elif member.task is not None:
                member.task.cancel()
        return serving

    async def stop(self, grace: float | None = None) -> None:
        """End every server, after so many seconds by force. Idempotent."""
        await asyncio.gather(*(supervisor.stop(grace) for supervisor in self._supervisors))

    async def kill(self) -> None:
        """End every server at once."""
        await asyncio.gather(*(supervisor.kill() for supervisor in self._supervisors))

    async def suspend(self) -> bool:
        """Freeze every server. Returns whether all of them are."""
        return all(await asyncio.gather(*(supervisor.suspend() for supervisor in self._supervisors)))

    async def resume(self) -> bool:
        """Let every server go on. Returns whether all of them do."""
        return all(await asyncio.gather(*(supervisor.resume() for supervisor in self._supervisors)))

    def arrived(self, target: T) -> None:
        """A replica became ready."""
        self._roster.add(target)
        if len(self._roster) == 1:
            self._admit()

    def left(self, target: T) -> None:
        """A replica is ready no more."""
        self._roster.remove(target)
        if not len(self._roster):
            self._hold()

    def healthy(self, took: float) -> None:
        """A replica answered, in so many seconds."""
        self._health.ready(took)

    def ailing(self, reason: str) -> None:
        """A replica cannot serve; that matters when no other can."""
        if not len(self._roster):
            self._health.down(reason)

    def count(self) -> None:
        """Tell which servers run."""
        running = [replica for member in self._members for replica in member.running]
        self._told.replicas(running, sum(member.counted for member in self._members))

    def tell(self) -> None:
        """Tell the state of the workload, if it has changed."""
        current = overall([member.standing for member in self._members])
        if current != self._last and not self._retired:
            self._last = current
            self._told.status(*current)

    async def _keep(self, index: int, member: Member[T], supervisor: Supervisor[T]) -> None:
        context = "ended by itself"
        try:
            await supervisor.run()
        except WorkloadsError as error:
            self._failures.append(error)
            context = error.reason if isinstance(error, WorkloadFailedError) else str(error)
            _log.warning("replica failed", extra={"workload": self._name, "replica": index, "reason": context})
        member.standing = Standing(settled=True, over=True, context=context)
        if not all(member.standing.over for member in self._members):
            self.tell()
