"""Keeps one server up: starts it, waits until it is ready, lets requests pass, and starts it again when it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from workloads._core.logtail import last_lines
from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.model import WorkloadStatus
from workloads.proxyrunner.backoff import Backoff
from workloads.proxyrunner.launch import Launch
from workloads.proxyrunner.link import OtherEraError, RefusedError, ServerGoneError, TooSlowError
from workloads.proxyrunner.server import Server, close_pipes
from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workloads.proxyrunner.link import Link
    from workloads.proxyrunner.reports import Door, News, Vitals
    from workloads.runtimes.protocol import Exit, Replica

__all__ = ("Supervisor",)

_log = logging.getLogger(__name__)

T = TypeVar("T")

STOP_GRACE = 10.0
"""Seconds a server gets to end by itself after it was asked to, unless something else is said."""

_INPUT_GRACE = 2.0
_EXIT_NEWS = 1.0


@attrs.frozen
class _Run:
    """How one run of the server ended."""

    reason: str
    ran: float = 0.0
    ready: bool = False
    exit: Exit | None = None
    error: WorkloadsError | None = None
    again: bool = False
    late: bool = False


class Supervisor(Generic[T]):
    """Keeps one server up.

    Args:
        name: The workload.
        start: Starts a copy of the server; blocks.
        connect: Makes the link to a copy that was started.
        gate: Opened while the server is ready.
        health: Told whether it is.
        told: Told what happens.
        log: Where the server's log is.
        secrets: Values that must not be shown.
        restart: When the server is started again after it ended: ``no``, ``on-failure``, or ``always``.
        ready_timeout: Seconds it may take to become ready.
    """

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[], Replica],
        connect: Callable[[Replica], Link[T]],
        gate: Door[T],
        health: Vitals,
        told: News,
        log: Path,
        secrets: tuple[str, ...] = (),
        restart: str = "always",
        ready_timeout: float,
    ) -> None:
        """Prepare; nothing is started yet."""
        self._name = name
        self._start = start
        self._connect = connect
        self._gate = gate
        self._health = health
        self._told = told
        self._log = log
        self._secrets = secrets
        self._restart = restart
        self._ready_timeout = ready_timeout
        self._launch: Launch | None = None
        self._server: Server | None = None
        self._link: Link[T] | None = None
        self._retried = False
        self._serving = False
        self._retired = False
        self._suspended = False
        self._stopping = asyncio.Lock()

    async def run(self) -> None:
        """Keep the server up until it is cancelled, or the server ended by itself and shall not be started again.

        Raises:
            WorkloadFailedError: It did not start, or did not stay up.
            WorkloadsError: It cannot be started at all.
        """
        backoff = Backoff()
        was_ready = False
        self._told.status(WorkloadStatus.STARTING)
        while True:
            run = await self._run_once()
            was_ready = was_ready or run.ready
            self._gate.shut()
            if self._retired:
                return
            if self._suspended:
                # Nobody misses it, and whoever wakes it finds out.
                await self.stop()
                return
            self._health.down(run.reason)
            await self.stop()
            if run.again:
                continue
            if not was_ready:
                raise run.error or await self._failure(run.reason, TooSlowError if run.late else WorkloadFailedError)
            if self._restart != "always" and run.exit is not None and run.exit.code == 0:
                return
            if self._restart == "no":
                raise await self._failure(run.reason)
            decision = backoff.ended(run.ran)
            if decision is None:
                raise await self._failure(f"{Backoff.EXHAUSTED}: {run.reason}")
            _log.warning("server ended", extra={"workload": self._name, "reason": run.reason, "delay": decision.delay})
            self._told.status(WorkloadStatus.STARTING, decision.context)
            await asyncio.sleep(decision.delay)

    def retire(self) -> bool:
        """Start no server any more.

        Returns:
            Whether a server is up, which :meth:`run` goes on to watch; else there is nothing left for it to do.
        """
        self._retired = True
        return self._serving

    async def stop(self, grace: float | None = None) -> None:
        """End the server, if there is one: first in the way of its protocol, then by signals. Idempotent.

        Args:
            grace: Seconds it gets to end by itself after it was asked to; None is 10.
        """
        async with self._stopping:
            server, link = self._server, self._link
            if server is None:
                return
            if self._suspended:
                await in_thread(server.replica.resume)  # it shall hear that it is to end
            if link is not None:
                link.close_input()
                if server.replica.stdin is not None:
                    await server.wait(_INPUT_GRACE)
            await server.stop(STOP_GRACE if grace is None else grace)
            self._let_go()

    async def suspend(self) -> bool:
        """Freeze the server. No request may be in flight, and none be let pass.

        Returns:
            Whether it is frozen; one that is not ready is left alone.
        """
        server = self._server
        if not self._serving or server is None:
            return False
        self._suspended = True
        await in_thread(server.replica.suspend)
        self._told.replicas([server.replica], 0)
        return True

    async def resume(self) -> bool:
        """Let the server go on.

        Returns:
            Whether it does; one that has ended meanwhile does not.
        """
        server = self._server
        if not self._serving or server is None:
            return False
        await in_thread(server.replica.resume)
        self._suspended = False
        self._told.replicas([server.replica], 1)
        return True

    async def kill(self) -> None:
        """End the server at once, if there is one.

        One that is still being started is waited for, for five seconds; later it is ended as soon as it is there.
        """
        if self._launch is not None:
            await self._launch.give_up()
        if self._server is not None:
            await self._server.kill()
            self._let_go()

    def _let_go(self) -> None:
        if self._link is not None:
            self._link.close()
        elif self._server is not None:
            close_pipes(self._server.replica)
        self._server = self._link = None
        self._told.replicas([], 0)

    async def _run_once(self) -> _Run:
        try:
            server = await self._start_server()
        except WorkloadsError as error:
            return _Run(str(error), error=error)
        link = self._link = self._connect(server.replica)
        self._told.replicas([server.replica], 0)
        ended = asyncio.ensure_future(self._until_ended(server, link))
        ready = asyncio.ensure_future(link.ready())
        try:
            await _first_of(ended, ready, within=self._ready_timeout)
            run = await self._judge_start(link, ready, ended)
            return run or await self._serve(server, ready.result(), ended)
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def _judge_start(
        self, link: Link[T], ready: asyncio.Future[tuple[T, float]], ended: asyncio.Future[_Run]
    ) -> _Run | None:
        """Why the server did not become ready; None when it did."""
        if ended.done():
            # The link was told, and knows best what that means.
            await asyncio.wait({ready}, timeout=_EXIT_NEWS)
        if not ready.done():
            if ended.done():
                return attrs.evolve(ended.result(), reason=f"{ended.result().reason} before it was ready")
            said = f"; last answer: {link.last_answer}" if link.last_answer else ""
            return _Run(f"not ready after {self._ready_timeout:g} s{said}", late=True)
        match ready.exception():
            case None:
                return None
            case RefusedError() as error:
                return _Run(f"not ready: {error}")
            case OtherEraError() if not self._retried:
                self._retried = True
                return _Run("it ended when it was asked for the new era", again=True)
            case ServerGoneError() | OtherEraError():
                run = await ended
                return attrs.evolve(run, reason=f"{run.reason} before it was ready")
            case error:
                raise error

    async def _serve(self, server: Server, ready: tuple[T, float], ended: asyncio.Future[_Run]) -> _Run:
        target, took = ready
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._health.ready(took)
        self._gate.open(target)
        self._told.replicas([server.replica], 1)
        self._told.status(WorkloadStatus.RUNNING)
        self._serving = True
        try:
            run = await ended
        finally:
            self._serving = False
        return attrs.evolve(run, ran=loop.time() - begun, ready=True)

    async def _until_ended(self, server: Server, link: Link[T]) -> _Run:
        closed = asyncio.ensure_future(link.closed())
        try:
            await _first_of(server.exited, closed)
        finally:
            closed.cancel()
        self._gate.shut()
        # It may take long to end it: its engine may be away. Whoever stops it tells that himself.
        if self._serving and self._server is server and not self._stopping.locked():
            self._told.replicas([server.replica], 0)
        # A server that closed its output is likely about to exit, which tells more.
        exited = server.exited.result() if await server.wait(_EXIT_NEWS) else None
        run = _Run("closed its output" if exited is None else str(exited), exit=exited)
        link.fail(run.reason)
        return run

    async def _start_server(self) -> Server:
        launch = self._launch = Launch(self._name, self._start)
        try:
            await launch.over()
        finally:
            # However that ended: whoever stops this finds a server to stop.
            self._launch = None
            if launch.replica is not None:
                self._server = Server(launch.replica)
        assert self._server is not None
        return self._server

    async def _failure(self, reason: str, kind: type[WorkloadFailedError] = WorkloadFailedError) -> WorkloadFailedError:
        logs = await in_thread(last_lines, self._log, self._secrets)
        return kind(self._name, reason, logs=logs)


async def _first_of(*futures: asyncio.Future[Any], within: float | None = None) -> None:
    """Wait until one of them is done, for so many seconds at most."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)
