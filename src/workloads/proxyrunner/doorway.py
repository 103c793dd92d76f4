"""The way to the servers of a workload: a gate and what keeps something behind it, all the time or while it is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from workloads.proxyrunner import gate as gates

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.activator import Activator
    from workloads.proxyrunner.dependencies import Dependencies
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.keeping import Keeper, SleepyKeeper
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.reports import News, Vitals
    from workloads.scaletozero.aio import DebouncedController

__all__ = ("Doorway", "doorway")

T = TypeVar("T")


@attrs.frozen
class Doorway(Generic[T]):
    """What stands between clients and the servers that a runner owns.

    Attributes:
        gate: What clients have to pass.
        hold: Seconds for which they wait there.
    """

    gate: Gate[T]
    hold: float
    _replicas: int
    _health: Vitals
    _told: News
    _activator: Activator[T] | None
    _dependencies: Dependencies | None = None

    @property
    def controller(self) -> DebouncedController | None:
        """What decides when servers sleep; None when they never do."""
        return None if self._activator is None else self._activator.controller

    def keep(self, make: Callable[[Vitals, News], SleepyKeeper]) -> Keeper | None:
        """Keep servers up.

        Args:
            make: Makes what does; it opens and shuts :attr:`gate`, and reports to what it is given.

        Returns:
            What is to be run; None when there shall be no server.
        """
        if not self._replicas:
            return None
        if self._dependencies is not None:
            make = partial(_dependent, make, self._dependencies)
        return make(self._health, self._told) if self._activator is None else self._activator.keeping(make)


def _dependent(
    make: Callable[[Vitals, News], SleepyKeeper], dependencies: Dependencies, health: Vitals, told: News
) -> SleepyKeeper:
    from workloads.proxyrunner.dependencies import Dependent

    return Dependent(make(health, told), dependencies, told)


def doorway(
    options: RunnerOptions, exchanges: Exchanges, health: Vitals, told: News, dependencies: Dependencies | None
) -> Doorway[Any]:
    """The way to servers that the runner owns.

    Args:
        options: What the runner does.
        exchanges: Where exchanges are counted.
        health: Told whether requests can be served.
        told: Told what happens.
        dependencies: Other workloads that the servers need; None when they need none.
    """
    if not options.idle_timeout:
        return Doorway(gates.Gate(), gates.HOLD, options.replicas, health, told, None, dependencies)
    # Imported only where something sleeps: a runner shall be small.
    from workloads.proxyrunner.activator import Activator
    from workloads.proxyrunner.sleep_gate import WAKE_HOLD

    activator: Activator[Any] = Activator(
        idle_timeout=options.idle_timeout,
        suspends=options.suspends,
        ready_timeout=options.ready_timeout,
        exchanges=exchanges,
        health=health,
        told=told,
    )
    return Doorway(activator.gate, WAKE_HOLD, options.replicas, health, told, activator, dependencies)
