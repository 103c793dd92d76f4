"""How the parts of a bridge to a stdio server fit together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from workloads.proxyrunner.bridge.apart import Apart
from workloads.proxyrunner.bridge.app import Bridge, Front
from workloads.proxyrunner.bridge.children import Child, Children
from workloads.proxyrunner.bridge.keeper import BridgeKeeper, Census
from workloads.proxyrunner.bridge.link import StdioLink
from workloads.proxyrunner.bridge.opening import Era
from workloads.proxyrunner.bridge.pool import FrontPool
from workloads.proxyrunner.doorway import Doorway, doorway
from workloads.proxyrunner.keeping import Keeper, Source, keep
from workloads.proxyrunner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.bridge.process_front import ProcessFront
    from workloads.proxyrunner.dependencies import Dependencies
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.link import Link
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.reports import News, Vitals
    from workloads.runtimes.protocol import Replica
    from workloads.scaletozero.aio import DebouncedController

__all__ = ("bridge",)


def bridge(
    options: RunnerOptions,
    source: Source,
    exchanges: Exchanges,
    health: Vitals,
    told: News,
    request_timeout: float | None,
    dependencies: Dependencies | None,
) -> tuple[Gate[Front], Bridge, Keeper | None, DebouncedController | None]:
    """Put the parts together.

    Args:
        options: What the runner does.
        source: Where processes come from.
        exchanges: Where long-lived streams are entered.
        health: Told whether requests can be served.
        told: Told what happens.
        request_timeout: Seconds a server may take for a request.
        dependencies: Other workloads that the server needs; None when it needs none.

    Returns:
        The gate in front of the processes, the application, what keeps them up (None when there shall be none), and
        what decides when they sleep (None when they never do).
    """
    way: Doorway[Front] = doorway(options, exchanges, health, told, dependencies)
    fronts = FrontPool()
    dial = partial(StdioLink, exchanges=exchanges, ttl=options.session_ttl, request_timeout=request_timeout)

    def make(vitals: Vitals, news: News) -> BridgeKeeper:
        census = Census(news)
        children = Children(partial(_supervise, options, source), census.children)
        apart: list[Apart] = []

        def connector() -> Callable[[Replica], Link[ProcessFront]]:
            apart.append(Apart(children, dial, per_session=options.per_session, linger=options.session_ttl))
            return _Connector(partial(dial, elsewhere=apart[-1]))

        admit = partial(way.gate.open, fronts)
        main = keep(options, source, way.gate, connector, fronts, admit, vitals, census, pooled=False)
        return BridgeKeeper(main, children, apart, ttl=options.session_ttl)

    app = Bridge(way.gate, max_body=options.max_body, hold=way.hold)
    return way.gate, app, way.keep(make), way.controller


def _supervise(options: RunnerOptions, source: Source, index: int, child: Child) -> Supervisor[ProcessFront]:
    """What watches over a process beside the main ones, whose numbers come before its own."""
    number = options.replicas + index
    return Supervisor(
        options.name,
        start=partial(source.start, number),
        connect=child.connect,
        gate=child,
        health=child,
        told=child,
        log=source.log(number),
        secrets=source.secrets,
        restart="no",
        ready_timeout=options.ready_timeout,
    )


class _Connector:
    """Connects to one process after the other, and remembers the era of the last.

    Args:
        dial: Makes the link to one.
    """

    def __init__(self, dial: Callable[..., StdioLink]) -> None:
        self._dial = dial
        self._last: StdioLink | None = None

    def __call__(self, replica: Replica) -> StdioLink:
        era = self._last.era if self._last is not None else None
        self._last = self._dial(replica, first=era or Era.MODERN)
        return self._last
