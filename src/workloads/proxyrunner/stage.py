"""A proxy runner at work: the listener and what is behind it, from the opening to the end of the drain."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from workloads.model import WorkloadStatus
from workloads.proxyrunner.access_log import AccessLog
from workloads.proxyrunner.address import client_url
from workloads.proxyrunner.app import Front
from workloads.proxyrunner.assembly import Assembly, assemble
from workloads.proxyrunner.control.desk import Desk
from workloads.proxyrunner.control.figures import figures
from workloads.proxyrunner.control.metrics import Metrics
from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.guard import Guard
from workloads.proxyrunner.health import Health
from workloads.proxyrunner.keeping import Source
from workloads.proxyrunner.listener import Listener
from workloads.proxyrunner.memory import Memory
from workloads.proxyrunner.meter import Meter
from workloads.proxyrunner.places import Places
from workloads.proxyrunner.recent import RecentSessions
from workloads.proxyrunner.routes import Routes
from workloads.proxyrunner.threads import in_thread
from workloads.proxyrunner.upstream import RemoteUpstream, Upstream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from workloads.config import RunConfig
    from workloads.errors import WorkloadsError
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.control.address import ControlAddress
    from workloads.proxyrunner.control.metrics import Figure
    from workloads.proxyrunner.dependencies import Dependencies
    from workloads.proxyrunner.head_start import HeadStart
    from workloads.proxyrunner.observer import Told
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.runtimes.protocol import Replica, Runtime

__all__ = ("Stage",)

_NO_REPLICA = "The workload has no replica"
_ENDING = "The proxy is shutting down"


class Stage:
    """Everything one proxy runner holds while it serves.

    Args:
        config: What to run.
        options: What that means to the runner.
        told: Told what happens.
        head_start: The first server, which is being started already; None starts it when all else is there.
        runtime: As for ``ProxyRunner``, like all that follow.
        replicas: Servers that run already.
        secrets: Resolved secrets.
        headers: Headers for a remote server.
        log: Where the log of each replica goes.
        folder: The working folder of each replica.
        request_timeout: Seconds a stdio server may take for a request.
        stop_grace: Tells how long servers get to end by themselves; blocks.
        stall_timeout: Seconds for which a client may read nothing of its answer.
        control: Where the operator is answered.
        dependencies: Where the operators of workloads are answered that this one depends on, by name.
    """

    def __init__(
        self,
        config: RunConfig,
        options: RunnerOptions,
        *,
        told: Told,
        head_start: HeadStart | None,
        runtime: Runtime | None,
        replicas: Sequence[ReplicaAddress] | None,
        secrets: Mapping[str, str],
        headers: Mapping[str, str],
        log: Callable[[int], Path] | None,
        folder: Callable[[int], Path] | None,
        request_timeout: float | None,
        stop_grace: Callable[[], float | None] | None = None,
        stall_timeout: float,
        control: ControlAddress | None,
        dependencies: Mapping[str, Path],
    ) -> None:
        """Prepare; nothing is taken yet."""
        self._config = config
        self._options = options
        self._runtime = runtime
        self._remote = None if options.remote is None else options.remote.given(headers)
        self._replicas = (self._remote.address,) if replicas is None and self._remote is not None else replicas
        self._secrets = secrets
        self._places = Places(log, folder)
        self._request_timeout = request_timeout
        self._stop_grace = stop_grace
        self._stall_timeout = stall_timeout
        self._exchanges = Exchanges()
        self._health = Health(options.transport, lambda: datetime.now(UTC), self._is_short)
        self._told = told
        self._head_start = head_start
        self._dependencies = dependencies
        self._failed = False
        self._closed = False
        self._upstream: Upstream | None = None
        self._memory = Memory()
        self._assembly: Assembly | None = None
        self._app: Application | None = None
        self._listener: Listener | None = None
        self._fronts: dict[int, Front] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._meter = Meter()
        self._restarts: Counter[int] = Counter()
        self._sessions = RecentSessions(options.idle_timeout) if options.idle_timeout else None
        metrics = Metrics(options.name, self._meter, self._figures)
        self._control = None if control is None else Desk(options.name, control, metrics, told.written)
        self.port = 0
        """The port it listens on; 0 while it does not."""

    @property
    def url(self) -> str:
        """What a client connects to."""
        options = self._options
        mode, remote_url = self._config.effective_proxy_mode, self._config.remote_url
        return client_url(options.name, options.host, self.port, mode, remote_url=remote_url)

    @property
    def control_url(self) -> str:
        """Where the control routes are; empty where there are none."""
        return "" if self._control is None else self._control.url

    async def open(self, bound: socket.socket | None) -> None:
        """Listen. Requests wait until the server is ready.

        Args:
            bound: A bound socket, which is the caller's to close; None for no port: then only :meth:`front` serves.

        Raises:
            WorkloadFailedError: The operator's address cannot be listened on.
            RunConfigError: The server cannot be routed to.
        """
        await self._assemble()
        if bound is None:
            await self._open_control()
            return
        port = _port(bound)
        front = self.front(port)
        await self._open_control()
        assert front is not None
        self._listener = Listener(bound, front, self._stall_timeout, front.at_once)
        await self._listener.start()
        self.port = port
        self._told.listening(self._options.host, port)

    def front(self, port: int) -> Front | None:
        """What answers to clients of a port; None before :meth:`open` and after :meth:`close`.

        Args:
            port: The port on which they came, which pages of the proxy's own have in their origin.
        """
        if self._app is None or self._closed:
            return None
        front = self._fronts.get(port)
        if front is None:
            options = self._options
            guard = Guard(
                host=options.host,
                port=port,
                loopback=options.loopback,
                hosts=options.hosts,
                origins=options.origins,
            )
            # A middleware may want to see every request.
            assembled = None if self._options.chain.links else self._assembly
            front = self._fronts[port] = Front(
                guard,
                self._health,
                self._app,
                self._exchanges,
                self._meter,
                AccessLog(options.name),
                self._sessions,
                None if assembled is None else assembled.forwarder,
            )
        return front

    async def work(self, shutdown: asyncio.Event) -> None:
        """Serve until ``shutdown`` is set, or the server has ended by itself.

        Raises:
            WorkloadsError: The server did not start, or did not stay up.
        """
        assert self._assembly is not None
        stop = asyncio.ensure_future(shutdown.wait())
        try:
            if self._assembly.keeper is None:
                self._assembly.gate.refuse(_NO_REPLICA)
                self._health.down(_NO_REPLICA)
                self._told.status(WorkloadStatus.STOPPED)
                await stop
                return
            self._keeping = asyncio.create_task(self._assembly.keeper.run(), name="workloads-keeper")
            await asyncio.wait({stop, self._keeping}, return_when=asyncio.FIRST_COMPLETED)
            if self._keeping.done():
                self._keeping.result()
        finally:
            stop.cancel()

    async def linger(self, delay: float) -> None:
        """Be not ready, but serve everybody all the same, until whoever sends clients here has noticed.

        Args:
            delay: Seconds that takes; less when the server ends meanwhile.
        """
        if delay > 0 and self._keeping is not None and not self._keeping.done():
            self._health.leave(_ENDING)
            await asyncio.wait({self._keeping}, timeout=delay)

    def failed(self, error: WorkloadsError) -> None:
        """The workload cannot be served, for this reason."""
        self._failed = True
        self._told.failed(error)

    async def close(self, limit: float | None = None) -> None:
        """Drain, end the server and give everything back. May be called again when it was cancelled.

        Args:
            limit: Seconds it may take; then everything is ended at once. Default: None, as long as it takes.
        """
        if not self._failed:
            # Always, and first: who is told of the end alone would take it for a workload without replicas.
            self._told.status(WorkloadStatus.STOPPING)
        try:
            async with asyncio.timeout(limit):
                await self._drain()
        except TimeoutError:
            await self._force()
        if not self._failed:
            self._told.status(WorkloadStatus.STOPPED)

    async def _drain(self) -> None:
        if self._assembly is not None:
            await self._drain_requests(self._assembly)
        if self._upstream is not None:
            await self._upstream.close()
        if self._listener is not None:
            await self._listener.close()
        await self._tidy()

    def route(self, replicas: Sequence[ReplicaAddress]) -> None:
        """Route to these servers from now on."""
        keeper = self._assembly.keeper if self._assembly is not None else None
        if not isinstance(keeper, Routes):
            raise RuntimeError("this proxy runner does not route to servers of others")  # noqa: TRY004  # of state
        keeper.change(replicas)

    async def _drain_requests(self, assembly: Assembly) -> None:
        assembly.gate.refuse(_ENDING, ending=True)
        self._health.leave(_ENDING)
        if self._listener is not None:
            self._listener.leave()
        keeper, keeping = assembly.keeper, self._keeping
        if keeper is not None and keeping is not None and not keeper.retire():
            await _cancelled(keeping)
        await self._exchanges.finish()
        grace = None if self._stop_grace is None else await in_thread(self._stop_grace)
        if keeper is not None:
            await keeper.stop(grace)
        if keeping is not None:
            await _cancelled(keeping)
        if keeper is not None:
            await keeper.stop(grace)  # one that was still being started when it was told to end

    async def _force(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        if self._listener is not None:
            self._listener.abort()
        if self._assembly is not None and self._assembly.keeper is not None:
            await self._assembly.keeper.kill()
            if self._keeping is not None:
                await _cancelled(self._keeping)
            await self._assembly.keeper.kill()  # one that has come up meanwhile
        if self._upstream is not None:
            await self._upstream.close()
        if self._listener is not None:
            await self._listener.close()
        await self._tidy()

    async def _tidy(self) -> None:
        self.port = 0
        self._closed = True
        if self._control is not None:
            await self._control.close()
        await self._memory.close()
        await self._places.close()

    @property
    def _desired(self) -> int:
        keeper = self._assembly.keeper if self._assembly is not None else None
        return keeper.count if isinstance(keeper, Routes) else self._options.replicas

    def _is_short(self) -> bool:
        return 0 < self._told.ready < self._desired

    def _figures(self) -> Iterable[Figure]:
        return figures(
            exchanges=self._exchanges,
            meter=self._meter,
            ready=self._told.ready,
            desired=self._desired,
            restarts=self._restarts.total(),
            affinity=self._memory.affinity,
        )

    async def _open_control(self) -> None:
        if self._control is not None and self._assembly is not None:
            assembly = self._assembly
            await self._control.open(self._options, assembly.gate, self._exchanges, assembly.controller, self._sessions)

    async def _assemble(self) -> None:
        self._upstream = Upstream() if self._remote is None else RemoteUpstream(self._remote)
        count = self._options.replicas if self._replicas is None else len(self._replicas)
        self._memory = Memory.of(self._config, self._options, count, self._upstream)
        self._assembly = assemble(
            self._options,
            source=await self._source() if self._replicas is None else None,
            replicas=self._replicas or (),
            upstream=self._upstream,
            memory=self._memory,
            exchanges=self._exchanges,
            health=self._health,
            told=self._told,
            request_timeout=self._request_timeout,
            dependencies=self._needed(),
        )
        self._app = self._options.chain.around(self._assembly.app)

    def _needed(self) -> Dependencies | None:
        if not self._dependencies:
            return None
        from workloads.proxyrunner.dependencies import Dependencies

        return Dependencies(self._options.name, self._dependencies, timeout=self._options.ready_timeout)

    async def _source(self) -> Source:
        runtime = self._runtime
        if runtime is None:
            from workloads.runtimes.process.runtime import ProcessRuntime

            runtime = ProcessRuntime()
        await self._places.open()
        secrets = tuple(self._secrets.values())
        return Source(partial(self._start, runtime), self._places.log, secrets, self._restarted)

    def _restarted(self, index: int) -> None:
        self._restarts[index] += 1

    def _start(self, runtime: Runtime, index: int) -> Replica:
        if not index and self._head_start is not None and (begun := self._head_start.take()) is not None:
            return begun
        replica = runtime.start_replica(
            self._config,
            index,
            secrets=self._secrets,
            log=self._places.log(index),
            folder=self._places.folder(index),
        )
        self._places.started(replica)
        return replica


def _port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended, whatever came of it."""
    task.cancel()
    await asyncio.wait({task})
