"""How the parts of a proxy runner fit together, by what a workload's server speaks."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from workloads.errors import Problem, RunConfigError
from workloads.model import TransportType
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.answer_cache import AnswerCache
from workloads.proxyrunner.caching import Caching
from workloads.proxyrunner.doorway import Doorway, doorway
from workloads.proxyrunner.forward import Forwarder
from workloads.proxyrunner.http_link import HttpLink
from workloads.proxyrunner.keeping import Keeper, Source, keep
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.routes import INTERVAL, REMOTE_INTERVAL, Routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.dependencies import Dependencies
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.health import Health
    from workloads.proxyrunner.memory import Memory
    from workloads.proxyrunner.observer import Told
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.upstream import Upstream
    from workloads.runtimes.protocol import Replica
    from workloads.scaletozero.aio import DebouncedController

__all__ = ("Assembly", "assemble")


@attrs.frozen
class Assembly:
    """The parts of a runner that depend on the workload.

    Attributes:
        gate: Between clients and the server.
        app: Serves requests to the workload.
        keeper: Keeps the server, or all its replicas, up; None when there shall be none.
        controller: Decides when the server sleeps; None when it never does.
        forwarder: What of it forwards requests as they are; None when nothing does.
    """

    gate: Gate[Any]
    app: Application
    keeper: Keeper | None
    controller: DebouncedController | None = None
    forwarder: Forwarder | None = None


def assemble(
    options: RunnerOptions,
    *,
    source: Source | None,
    replicas: Sequence[ReplicaAddress],
    upstream: Upstream,
    memory: Memory,
    exchanges: Exchanges,
    health: Health,
    told: Told,
    request_timeout: float | None,
    dependencies: Dependencies | None,
) -> Assembly:
    """Put the parts together.

    Args:
        options: What the runner does.
        source: Where servers come from; None when the runner only routes.
        replicas: What it routes to then.
        upstream: Connections to HTTP servers.
        memory: Which sessions, states and tasks are at which replica.
        exchanges: Where exchanges are counted.
        health: Told whether requests can be served.
        told: Told what happens.
        request_timeout: Seconds a stdio server may take for a request.
        dependencies: Other workloads that the server needs; None when it needs none.

    Raises:
        RunConfigError: It cannot route to a server of that kind.
    """
    if options.transport is TransportType.STDIO:
        if source is None:
            raise RunConfigError([Problem("transport", "a stdio server cannot be routed to, only deployed")])
        # Imported only where it is needed: a runner in front of HTTP shall be small.
        from workloads.proxyrunner.bridging import bridge

        return Assembly(*bridge(options, source, exchanges, health, told, request_timeout, dependencies))
    way: Doorway[ReplicaAddress | Pool] = doorway(options, exchanges, health, told, dependencies)
    gate = way.gate
    forwarder = Forwarder(
        gate,
        upstream,
        exchanges,
        streamable=options.transport is TransportType.STREAMABLE_HTTP,
        stateless=options.stateless,
        trust_forwarded=options.trust_forwarded,
        max_body=options.max_body,
        hold=way.hold,
    )
    app: Application = forwarder
    if options.transport is TransportType.STREAMABLE_HTTP:
        app = Caching(forwarder, AnswerCache(time.monotonic), gate, max_body=options.max_body)
    pool = Pool(memory.affinity, memory.trails)
    if source is None:
        keeper = _route(options, replicas, gate, pool, upstream, health, told)
        return Assembly(gate, app, keeper, forwarder=forwarder)

    def connect_http(replica: Replica) -> HttpLink:
        assert replica.address is not None
        return HttpLink(ReplicaAddress(*replica.address), upstream, options.transport)

    admit = partial(gate.open, pool)
    pooled = memory.affinity is not None
    make = partial(keep, options, source, gate, lambda: connect_http, pool, admit, pooled=pooled)
    if options.idle_timeout:
        from workloads.proxyrunner.waiting_page import WaitingPage

        app = WaitingPage(app, gate, name=options.name, hold=way.hold)
    return Assembly(gate, app, way.keep(make), way.controller, forwarder)


def _route(
    options: RunnerOptions,
    replicas: Sequence[ReplicaAddress],
    gate: Gate[ReplicaAddress | Pool],
    pool: Pool,
    upstream: Upstream,
    health: Health,
    told: Told,
) -> Routes | None:
    if not replicas:
        return None
    return Routes(
        options.name,
        replicas,
        connect=lambda server: HttpLink(server, upstream, options.transport, options.remote),
        pool=pool,
        gate=gate,
        health=health,
        told=told,
        ready_timeout=options.ready_timeout,
        interval=INTERVAL if options.remote is None else REMOTE_INTERVAL,
    )
