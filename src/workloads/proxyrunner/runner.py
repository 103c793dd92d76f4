"""The proxy runner: deploys one workload, or only routes to it, proxies to it, and drains when it shall end."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Self

from workloads.errors import Problem, RunConfigError, WorkloadsError
from workloads.proxyrunner.observer import Told
from workloads.proxyrunner.threads import in_thread, taken_in_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from workloads.config import RunConfig
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.control.address import ControlAddress
    from workloads.proxyrunner.head_start import HeadStart
    from workloads.proxyrunner.observer import RunnerObserver
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.stage import Stage
    from workloads.runtimes.protocol import Runtime

__all__ = ("ProxyRunner",)

_log = logging.getLogger(__name__)


class ProxyRunner:
    """Serves one workload on one port, or inside an ASGI server, until it is told to end.

    It keeps nothing that belongs to the whole process: no signal handlers, no logging set-up. One process can host
    several. It can serve once.

    Args:
        config: What to run.
        runtime: What executes the server. Default: local processes.
        replicas: Servers that run already; the runner then only routes to them and stops nothing. Default: None, the
            runner deploys the server itself and owns it.
        secrets: Resolved secrets: environment variable and value. They are kept in memory only.
        headers: Those for a remote server whose values are secret: ``header_forward.add_headers_from_secret`` of the
            run config, each with its value. They are kept in memory only.
        log: Where the log of each replica goes, by its index. Default: in a temporary folder.
        folder: The private working folder of each replica, by its index. Default: in a temporary folder.
        observer: Is told what happens.
        request_timeout: Seconds a stdio server may take for a request. Default: None, as long as it takes.
        stop_grace: Tells, when it drains, how many seconds the server gets to end by itself; may block. Default: 10 s.
        pre_stop_delay: Seconds for which ``/health`` says that it is not ready, while all else goes on, before a drain
            begins: time for load balancers to send new clients elsewhere. Default: 0.
        stall_timeout: Seconds for which a client that has something to read may read nothing of it; then its connection
            is closed, and the server released. Default: 120.
        listen: Whether to take a port. Default: True; with False only :attr:`asgi` serves.
        control: Where the operator is answered, such as for ``/metrics``; never on the port of the clients. Default:
            None, nowhere.
        dependencies: The Unix sockets at which the operators of the workloads are answered that this one depends on,
            by name: they are woken before the server starts, and kept awake while it is up. Default: None; a run config
            with ``depends_on`` is refused then.

    Example:
        >>> config = RunConfig(name="time", image="uvx://mcp-server-time", transport="stdio")  # doctest: +SKIP
        >>> async with ProxyRunner(config) as runner:  # doctest: +SKIP
        ...     print(runner.url)
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        runtime: Runtime | None = None,
        replicas: Sequence[ReplicaAddress] | None = None,
        secrets: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        log: Callable[[int], Path] | None = None,
        folder: Callable[[int], Path] | None = None,
        observer: RunnerObserver | None = None,
        request_timeout: float | None = None,
        stop_grace: Callable[[], float | None] | None = None,
        pre_stop_delay: float = 0.0,
        stall_timeout: float = 120.0,
        listen: bool = True,
        control: ControlAddress | None = None,
        dependencies: Mapping[str, Path] | None = None,
    ) -> None:
        """Prepare; nothing is started and no port is taken yet.

        Raises:
            ValueError: ``stall_timeout`` is not positive.
        """
        if stall_timeout <= 0:
            raise ValueError(f"stall_timeout must be positive, got {stall_timeout:g}")
        self._config = config
        self._runtime = runtime
        self._replicas = replicas
        self._secrets = dict(secrets or {})
        self._headers = dict(headers or {})
        self._log = log
        self._folder = folder
        self._told = Told(observer)
        self._request_timeout = request_timeout
        self._stop_grace = stop_grace
        self._pre_stop_delay = pre_stop_delay
        self._stall_timeout = stall_timeout
        self._listen = listen
        self._control = control
        self._dependencies = dict(dependencies or {})
        self._used = False
        self._stage: Stage | None = None
        self._shutdown: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: It does not listen.
        """
        if self._stage is None or not self._stage.port:
            raise RuntimeError("the proxy runner does not listen")
        return self._stage.port

    @property
    def url(self) -> str:
        """What a client connects to.

        Raises:
            RuntimeError: It does not listen.
        """
        if self._stage is None or not self._stage.port:
            raise RuntimeError("the proxy runner does not listen")
        return self._stage.url

    @property
    def asgi(self) -> Application:
        """The workload as an ASGI application, to be run by any ASGI server or mounted in any ASGI application.

        The server's lifespan starts and ends the runner. Where none reaches it, as in an application that it is
        mounted in, ``async with`` does. The run config's ``host`` says who can reach the server, as it does of a port:
        unless it is set, clients of this machine only.
        """
        from workloads.proxyrunner.hosted import Hosted

        def front(port: int) -> Application | None:
            return None if self._stage is None else self._stage.front(port)

        return Hosted(self, entered=lambda: self._task is not None, front=front)

    @property
    def control_url(self) -> str:
        """Where the control routes are: ``unix:PATH`` or ``http://HOST:PORT``.

        Raises:
            RuntimeError: There are none, or it does not listen.
        """
        if self._stage is None or not self._stage.control_url:
            raise RuntimeError("the proxy runner does not listen for its operator")
        return self._stage.control_url

    def route(self, replicas: Sequence[ReplicaAddress]) -> None:
        """Route to these servers from now on. Sessions of one that is gone are begun again at another.

        Args:
            replicas: All of them.

        Raises:
            RuntimeError: The runner does not serve, or deploys its server itself.
        """
        if self._stage is None:
            raise RuntimeError("the proxy runner does not serve")
        self._stage.route(replicas)

    async def serve(self, shutdown: asyncio.Event | None = None) -> None:
        """Serve until ``shutdown`` is set, then drain and return.

        A drain refuses new work, lets requests in flight finish, ends long-lived streams, and then ends the server; it
        takes as long as that takes. When this call is cancelled it does the same, for at most the run config's
        ``drain_timeout`` (default 30 s), and is then cancelled.

        Args:
            shutdown: Set it to end; once is enough, and it may be set already. Default: only cancelling ends it.

        Raises:
            RunConfigError: The run config asks for what cannot be done; lists every such key.
            PortInUseError: Its port is taken.
            WorkloadFailedError: It could not be started, or did not stay up.
            WorkloadsError: The runtime cannot run it.
        """
        if self._used:
            raise RuntimeError("a proxy runner serves once")
        self._used = True
        # What is imported takes a while, which the other users of the loop shall not wait for.
        await in_thread(import_module, "workloads.proxyrunner.options")
        from workloads.proxyrunner.options import RunnerOptions

        options = RunnerOptions.of(self._config, os.environ, routes=self._replicas is not None)
        if unknown := [name for name in self._config.depends_on if name not in self._dependencies]:
            message = f"this proxy runner was not told where these are: {', '.join(unknown)}; leave them out"
            raise RunConfigError([Problem("depends_on", message)])
        shutdown = shutdown or asyncio.Event()
        if shutdown.is_set():
            return
        bound = await self._bound(options) if self._listen else None
        head_start = None
        try:
            head_start = self._head_start(options)
            await in_thread(import_module, "workloads.proxyrunner.stage")
            await self._perform(options, bound, head_start, shutdown)
        finally:
            cancelled = head_start is not None and await _insist(in_thread(head_start.discard))
            if bound is not None:
                bound.close()
            if cancelled:
                raise asyncio.CancelledError

    async def _bound(self, options: RunnerOptions) -> socket.socket:
        from workloads.proxyrunner.binding import bind

        take = partial(bind, options.name, options.host, options.port)
        try:
            return await taken_in_thread(take, lambda bound: bound.close())
        except WorkloadsError as error:
            self._told.failed(error)
            raise

    def _head_start(self, options: RunnerOptions) -> HeadStart | None:
        """Begin to start the first server, if there will be one and nothing has to come before it."""
        if self._runtime is None or self._log is None or self._folder is None:
            return None
        if not options.replicas or self._replicas is not None or options.remote is not None or self._dependencies:
            return None
        from workloads.proxyrunner.head_start import HeadStart

        start = partial(self._runtime.start_replica, self._config, 0, secrets=self._secrets)
        return HeadStart(options.name, partial(start, log=self._log(0), folder=self._folder(0)))

    async def _perform(
        self,
        options: RunnerOptions,
        bound: socket.socket | None,
        head_start: HeadStart | None,
        shutdown: asyncio.Event,
    ) -> None:
        """Serve from the opening to the end of the drain."""
        from workloads.proxyrunner.stage import Stage

        stage = self._stage = Stage(
            self._config,
            options,
            runtime=self._runtime,
            replicas=self._replicas,
            secrets=self._secrets,
            headers=self._headers,
            log=self._log,
            folder=self._folder,
            told=self._told,
            head_start=head_start,
            request_timeout=self._request_timeout,
            stop_grace=self._stop_grace,
            stall_timeout=self._stall_timeout,
            control=self._control,
            dependencies=self._dependencies,
        )
        try:
            await stage.open(bound)
            await stage.work(shutdown)
            await stage.linger(self._pre_stop_delay)
            await stage.close()
        except asyncio.CancelledError:
            await _insist(stage.close(options.drain_timeout))
            raise
        except WorkloadsError as error:
            stage.failed(error)
            await _insist(stage.close())
            raise
        except BaseException:
            await _insist(stage.close(0.0))
            raise

    async def __aenter__(self) -> Self:
        """Start to serve.

        Returns:
            The runner, once its server is ready.

        Raises:
            WorkloadsError: As :meth:`serve` does.
        """
        self._shutdown = asyncio.Event()
        self._task = asyncio.create_task(self.serve(self._shutdown), name=f"workloads-{self._config.name}")
        try:
            await self._until_settled(self._task)
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        """Drain and end.

        Raises:
            WorkloadFailedError: The workload did not stay up.
        """
        assert self._task is not None
        assert self._shutdown is not None
        self._shutdown.set()
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        except WorkloadsError:
            # What the body of the statement raised is likely to be because of this.
            if exc is None:
                raise
            _log.exception("the workload failed", extra={"workload": self._config.name})

    async def _until_settled(self, task: asyncio.Task[None]) -> None:
        settled = asyncio.ensure_future(self._told.settled.wait())
        await asyncio.wait({settled, task}, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        if task.done():
            task.result()


async def _insist(work: Awaitable[None]) -> bool:
    """Do some work to its end, however often this task is cancelled meanwhile. Returns whether it was."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if not task.cancelled():
        task.result()
    return cancelled
