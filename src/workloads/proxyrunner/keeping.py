"""What keeps the servers of a workload up: one, or several replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from workloads.proxyrunner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workloads.proxyrunner.fleet import Member, Roster
    from workloads.proxyrunner.link import Link
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.reports import Door, News, Vitals
    from workloads.runtimes.protocol import Replica

__all__ = ("Keeper", "SleepyKeeper", "Source", "keep")

T = TypeVar("T")


class Keeper(Protocol):
    """Keeps something behind the gate."""

    async def run(self) -> None:
        """Keep it up until cancelled, or until there is nothing to keep up any more."""
        ...

    def retire(self) -> bool:
        """Start nothing any more. Returns whether :meth:`run` has something left to watch."""
        ...

    async def stop(self, grace: float | None = None) -> None:
        """End what it started; what has not ended by itself after ``grace`` seconds (None: 10) is killed."""
        ...

    async def kill(self) -> None:
        """End what it started, at once."""
        ...


class SleepyKeeper(Keeper, Protocol):
    """A keeper of servers that can be frozen."""

    async def suspend(self) -> bool:
        """Freeze what it started. Returns whether all of it is; whatever is can be stopped, killed and resumed."""
        ...

    async def resume(self) -> bool:
        """Let go on what was frozen. Returns whether all of it does; what has ended meanwhile does not."""
        ...


@attrs.frozen
class Source:
    """Where servers come from.

    Attributes:
        start: Starts the one of that index; blocks.
        log: Where its log is, by its index.
        secrets: Values they are given that must not be shown.
        restarted: Told the index of one that is started again though it should have stayed up; waking is no restart.
    """

    start: Callable[[int], Replica] = attrs.field(repr=False)
    log: Callable[[int], Path]
    secrets: tuple[str, ...] = attrs.field(repr=False)
    restarted: Callable[[int], object] = attrs.field(repr=False)

    def starter(self, index: int) -> Callable[[], Replica]:
        """What starts the one of that index, for somebody who keeps it up: all but the first are restarts."""
        begun = False

        def start() -> Replica:
            nonlocal begun
            if begun:
                self.restarted(index)
            begun = True
            return self.start(index)

        return start


def keep(
    options: RunnerOptions,
    source: Source,
    gate: Door[T],
    connector: Callable[[], Callable[[Replica], Link[T]]],
    roster: Roster[T],
    admit: Callable[[], object],
    health: Vitals,
    told: News,
    *,
    pooled: bool,
) -> SleepyKeeper:
    """What keeps as many replicas up as there shall be, which is one at least.

    Args:
        options: What the runner does.
        source: Where servers come from.
        gate: Opened to the one replica; of several, shut when none is ready.
        connector: Makes what connects to the copies of one replica.
        roster: Several replicas, from which one is chosen for each request.
        admit: Opens the gate to those.
        health: Told whether requests can be served.
        told: Told what happens.
        pooled: Whether requests shall be divided even if there is but one replica, for the sake of their sessions.
    """

    def supervise(index: int, door: Door[T], vitals: Vitals, news: News) -> Supervisor[T]:
        return Supervisor(
            options.name,
            start=source.starter(index),
            connect=connector(),
            gate=door,
            health=vitals,
            told=news,
            log=source.log(index),
            secrets=source.secrets,
            restart=options.restart,
            ready_timeout=options.ready_timeout,
        )

    def supervise_member(index: int, member: Member[T]) -> Supervisor[T]:
        return supervise(index, member, member, member)

    if options.replicas == 1 and not pooled:
        return supervise(0, gate, health, told)
    from workloads.proxyrunner.fleet import Fleet

    return Fleet(
        options.name,
        options.replicas,
        supervise=supervise_member,
        roster=roster,
        admit=admit,
        hold=gate.shut,
        health=health,
        told=told,
    )
