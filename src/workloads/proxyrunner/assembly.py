"""How the parts of a proxy runner fit together, by what a workload's server speaks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from workloads.errors import Problem, RunConfigError
from workloads.model import TransportType
from workloads.proxyrunner import gate as gates
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.forward import Forwarder
from workloads.proxyrunner.http_link import HttpLink
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.routes import Routes
from workloads.proxyrunner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workloads.proxyrunner.affinity import Affinity
    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.bridge.app import Front, ProcessFront
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.fleet import Member, Roster
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.health import Health
    from workloads.proxyrunner.link import Link
    from workloads.proxyrunner.observer import Told
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.reports import Door, News, Vitals
    from workloads.proxyrunner.upstream import Upstream
    from workloads.runtimes.protocol import Replica

__all__ = ("Assembly", "Keeper", "Source", "assemble")

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


@attrs.frozen
class Source:
    """Where servers come from.

    Attributes:
        start: Starts the one of that index; blocks.
        log: Where its log is, by its index.
        secrets: Values they are given that must not be shown.
    """

    start: Callable[[int], Replica] = attrs.field(repr=False)
    log: Callable[[int], Path]
    secrets: tuple[str, ...] = attrs.field(repr=False)


@attrs.frozen
class Assembly:
    """The parts of a runner that depend on the workload.

    Attributes:
        gate: Between clients and the server.
        app: Serves requests to the workload.
        keeper: Keeps the server, or all its replicas, up; None when there shall be none.
    """

    gate: Gate[Any]
    app: Application
    keeper: Keeper | None


def assemble(
    options: RunnerOptions,
    *,
    source: Source | None,
    replicas: Sequence[ReplicaAddress],
    upstream: Upstream,
    affinity: Affinity | None,
    exchanges: Exchanges,
    health: Health,
    told: Told,
    request_timeout: float | None,
) -> Assembly:
    """Put the parts together.

    Args:
        options: What the runner does.
        source: Where servers come from; None when the runner only routes.
        replicas: What it routes to then.
        upstream: Connections to HTTP servers.
        affinity: Where sessions are remembered; None when it does not matter which replica gets a request.
        exchanges: Where exchanges are counted.
        health: Told whether requests can be served.
        told: Told what happens.
        request_timeout: Seconds a stdio server may take for a request.

    Raises:
        RunConfigError: It cannot route to a server of that kind.
    """
    if options.transport is TransportType.STDIO:
        if source is None:
            raise RunConfigError([Problem("transport", "a stdio server cannot be routed to, only deployed")])
        # Imported only where it is needed: a runner in front of HTTP shall be small.
        from workloads.proxyrunner.bridge.app import Bridge
        from workloads.proxyrunner.bridge.link import StdioConnector
        from workloads.proxyrunner.bridge.pool import FrontPool

        gate: Gate[Front] = gates.Gate()

        def pipe() -> Callable[[Replica], Link[ProcessFront]]:
            return StdioConnector(exchanges, options.session_ttl, request_timeout)

        fronts = FrontPool()
        keeper = _keep(options, source, gate, pipe, fronts, partial(gate.open, fronts), health, told, pooled=False)
        return Assembly(gate, Bridge(gate, max_body=options.max_body, hold=gates.HOLD), keeper)
    ways: Gate[ReplicaAddress | Pool] = gates.Gate()
    forwarder = Forwarder(
        ways,
        upstream,
        exchanges,
        streamable=options.transport is TransportType.STREAMABLE_HTTP,
        stateless=options.stateless,
        trust_forwarded=options.trust_forwarded,
        max_body=options.max_body,
        hold=gates.HOLD,
    )
    if source is None:
        return Assembly(ways, forwarder, _route(options, replicas, ways, affinity, upstream, health, told))

    def connect_http(replica: Replica) -> HttpLink:
        assert replica.address is not None
        return HttpLink(ReplicaAddress(*replica.address), upstream, options.transport)

    pool = Pool(affinity)
    admit = partial(ways.open, pool)
    pooled = affinity is not None
    keeper = _keep(options, source, ways, lambda: connect_http, pool, admit, health, told, pooled=pooled)
    return Assembly(ways, forwarder, keeper)


def _route(
    options: RunnerOptions,
    replicas: Sequence[ReplicaAddress],
    gate: Gate[ReplicaAddress | Pool],
    affinity: Affinity | None,
    upstream: Upstream,
    health: Health,
    told: Told,
) -> Routes | None:
    if not replicas:
        return None
    return Routes(
        options.name,
        replicas,
        connect=lambda server: HttpLink(server, upstream, options.transport),
        pool=Pool(affinity),
        gate=gate,
        health=health,
        told=told,
        ready_timeout=options.ready_timeout,
    )


def _keep(
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
) -> Keeper | None:
    """What keeps as many replicas up as there shall be.

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
            start=partial(source.start, index),
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

    match options.replicas:
        case 0:
            return None
        case 1 if not pooled:
            return supervise(0, gate, health, told)
        case count:
            from workloads.proxyrunner.fleet import Fleet

            return Fleet(
                options.name,
                count,
                supervise=supervise_member,
                roster=roster,
                admit=admit,
                hold=gate.shut,
                health=health,
                told=told,
            )
