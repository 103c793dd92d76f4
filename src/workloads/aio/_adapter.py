"""The one adapter: any sync manager, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from workloads._core.seconds import seconds_to_wait
from workloads.aio._offload import Gate, carry_out, in_context, in_thread, pledged, undo
from workloads.aio._readiness import await_ready
from workloads.aio._streams import Pump, PumpedStream
from workloads.errors import WorkloadExistsError, WorkloadsError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from workloads.aio.protocols import AsyncStream
    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.manager import Manager, Stream
    from workloads.model import Capability, Workload, WorkloadEvent

__all__ = ("Adapter",)

_READ_AHEAD = 64
_LOG_LINES = 20
_UNDO_GRACE = 5.0
_RETRY = 0.1
_RETRY_MAX = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class Adapter:
    """A sync manager as an :class:`~workloads.aio.AsyncManager`; what :func:`workloads.aio.to_async` gives."""

    def __init__(self, manager: Manager, *, workers: int) -> None:
        """Call ``manager`` from at most ``workers`` threads, and from one more for each stream and foreground run."""
        self._manager = manager
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="workloads-aio")
        self._gate = Gate()
        self._pumps: set[Pump[Any]] = set()
        self._closed: Future[None] = pledged()

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._manager.capabilities

    async def aclose(self) -> None:
        if self._gate.close():
            in_thread("workloads-aio-close", self._close, daemon=True, future=self._closed)
        await asyncio.wrap_future(self._closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        await self.aclose()

    # Observing

    async def get_workload(self, name: str) -> Workload:
        return await self._observe(self._manager.get_workload, name)

    async def get_run_config(self, name: str) -> RunConfig:
        return await self._observe(self._manager.get_run_config, name)

    async def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        return await self._observe(self._manager.list_workloads, all=all, labels=labels)

    async def list_workloads_in_group(self, group: str) -> list[Workload]:
        return await self._observe(self._manager.list_workloads_in_group, group)

    async def does_workload_exist(self, name: str) -> bool:
        return await self._observe(self._manager.does_workload_exist, name)

    # Running

    async def run_workload(self, config: RunConfig) -> None:
        run = _ForegroundRun(self._manager, config)
        with self._gate:
            # Not a daemon would keep an interpreter alive whose loop has ended without cancelling anything.
            await carry_out(in_thread("workloads-aio-run", run.carry_out, daemon=True), settle=run.interrupt)

    async def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        wait = None if wait is None else seconds_to_wait("wait", wait)
        run = _DetachedRun(self._manager, config)
        with self._gate:
            workload = await carry_out(self._submit(run.carry_out), settle=run.undo)
            if wait is None:
                return workload
            try:
                return await await_ready(
                    workload,
                    wait,
                    look=partial(self._in_pool, run.look),
                    last_lines=partial(self._in_pool, run.last_lines),
                )
            except asyncio.CancelledError:
                await undo(run.remove)
                raise

    async def start_workloads(self, names: Sequence[str]) -> Completion:
        return await self._effect(self._manager.start_workloads, names)

    async def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return await self._effect(self._manager.stop_workloads, names, grace=grace)

    async def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return await self._effect(self._manager.restart_workloads, names, grace=grace)

    async def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return await self._effect(self._manager.delete_workloads, names, grace=grace)

    async def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        return await self._effect(self._manager.update_workload, name, config, grace=grace)

    # Groups

    async def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        await self._effect(self._manager.move_to_group, names, source, target)

    # Streams

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> AsyncStream[str]:
        opening = partial(self._manager.get_logs, name, follow=follow, lines=lines, replica=replica)
        return self._stream(opening, read_ahead=_READ_AHEAD)

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> AsyncStream[str]:
        opening = partial(self._manager.get_proxy_logs, name, follow=follow, lines=lines)
        return self._stream(opening, read_ahead=_READ_AHEAD)

    def watch_workloads(self, *, group: str | None = None) -> AsyncStream[WorkloadEvent]:
        # One, for events that wait here grow old, while those not yet taken are brought up to date by the manager.
        return self._stream(partial(self._manager.watch_workloads, group=group), read_ahead=1)

    # Calling

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        return self._pool.submit(in_context(call))

    async def _in_pool(self, call: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._submit(call))

    async def _observe(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._gate:
            return await self._in_pool(partial(verb, *args, **kwargs))

    async def _effect(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._gate:
            return await carry_out(self._submit(partial(verb, *args, **kwargs)))

    def _stream(self, opening: Callable[[], Stream[T]], *, read_ahead: int) -> AsyncStream[T]:
        with self._gate:
            return PumpedStream(Pump(opening, limit=read_ahead), self._start)

    def _start(self, pump: Pump[Any]) -> None:
        with self._gate:
            self._pumps.add(pump)
            pump.ended.add_done_callback(lambda _: self._pumps.discard(pump))
            in_thread("workloads-aio-stream", pump.run, daemon=True)

    def _close(self) -> None:
        with contextlib.ExitStack() as last_first:
            last_first.callback(self._manager.close)
            last_first.callback(self._pool.shutdown)
            self._gate.empty.result()
            for pump in tuple(self._pumps):
                last_first.callback(_end, pump)


class _DetachedRun:
    """Runs a detached workload up to where its runner owns it, looks at it, and undoes it.

    That it becomes ready is not waited for here: a thread cannot be told to give up.
    """

    def __init__(self, manager: Manager, config: RunConfig) -> None:
        self._manager = manager
        self._config = config
        self._was_there = True  # until the contrary is known

    def carry_out(self) -> Workload:
        with contextlib.suppress(WorkloadsError):  # what is wrong, the next line tells better
            self._was_there = self._manager.does_workload_exist(self._config.name)
        return self._manager.run_workload_detached(self._config)

    def look(self) -> Workload:
        return self._manager.get_workload(self._config.name)

    def last_lines(self) -> list[str]:
        try:
            with self._manager.get_logs(self._config.name, lines=_LOG_LINES) as lines:
                return list(lines)
        except WorkloadsError:  # deleted meanwhile, or it keeps none
            return []

    def undo(self, call: Future[Workload]) -> None:
        """Wait for the call to end, and remove the workload if it was this call that created it."""
        if self._has_created(call.exception()):
            self.remove()

    def remove(self) -> None:
        """Delete the workload; one in status ``error`` that it replaced is stopped."""
        names = [self._config.name]
        if self._was_there:
            self._manager.stop_workloads(names, grace=_UNDO_GRACE).wait()
        else:
            self._manager.delete_workloads(names, grace=_UNDO_GRACE).wait()

    def _has_created(self, error: BaseException | None) -> bool:
        if error is None:
            return True
        if self._was_there or isinstance(error, WorkloadExistsError):
            return False
        # A workload that could not be started stays on record as such.
        return _status(self._manager, self._config.name) is WorkloadStatus.ERROR


class _ForegroundRun:
    """Runs a workload in the foreground, and interrupts that."""

    def __init__(self, manager: Manager, config: RunConfig) -> None:
        self._manager = manager
        self._config = config
        self._refused = False

    def carry_out(self) -> None:
        self._refused = _status(self._manager, self._config.name) not in (None, WorkloadStatus.ERROR)
        self._manager.run_workload(self._config)

    def interrupt(self, call: Future[None]) -> None:
        """Stop the workload, as soon as it is there, until the call has ended."""
        pause = _RETRY
        # Waiting comes first: a call that fails because the workload is another's does so at once.
        while wait([call], timeout=pause).not_done:
            if not self._refused:
                with contextlib.suppress(WorkloadsError):  # not there yet
                    self._manager.stop_workloads([self._config.name]).wait()
            pause = min(2 * pause, _RETRY_MAX)


def _end(pump: Pump[Any]) -> None:
    pump.close()
    pump.ended.result()


def _status(manager: Manager, name: str) -> WorkloadStatus | None:
    try:
        return manager.get_workload(name).status
    except WorkloadsError:
        return None
