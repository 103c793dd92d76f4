"""The verbs of a manager for asyncio: siblings of those in :mod:`workloads.manager`, with the same parameters.

Every verb that answers once is a coroutine. Those that give a stream are not: the stream is opened when it is entered,
iterated or awaited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping, Sequence
    from types import TracebackType

    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.model import Capability, Workload, WorkloadEvent

__all__ = (
    "AsyncManager",
    "AsyncStream",
    "AsyncWorkloadGrouping",
    "AsyncWorkloadLifecycle",
    "AsyncWorkloadLogs",
    "AsyncWorkloadReader",
    "AsyncWorkloadWatcher",
)

T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class AsyncStream(Protocol[T_co]):
    """An async iterator over things as they come, which must be closed; also an async context manager.

    It is opened on first use: by ``async with``, by ``async for``, or by ``await stream``, which gives the stream
    itself. What the verb raises is raised then.
    """

    def __await__(self) -> Generator[Any, None, Self]: ...
    def __aiter__(self) -> AsyncIterator[T_co]: ...
    async def __anext__(self) -> T_co: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None: ...
    async def aclose(self) -> None:
        """End the stream and free what it holds; whoever waits for the next thing is told of the end. Idempotent."""
        ...


class AsyncWorkloadReader(Protocol):
    """Knows how to observe workloads. A cancelled read may go on in its thread, unheard."""

    async def get_workload(self, name: str) -> Workload:
        """See :meth:`workloads.WorkloadReader.get_workload`: the same parameters and errors."""
        ...

    async def get_run_config(self, name: str) -> RunConfig:
        """See :meth:`workloads.WorkloadReader.get_run_config`: the same parameters and errors."""
        ...

    async def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        """See :meth:`workloads.WorkloadReader.list_workloads`: the same parameters."""
        ...

    async def list_workloads_in_group(self, group: str) -> list[Workload]:
        """See :meth:`workloads.WorkloadReader.list_workloads_in_group`: the same parameters and errors."""
        ...

    async def does_workload_exist(self, name: str) -> bool:
        """See :meth:`workloads.WorkloadReader.does_workload_exist`: the same parameters."""
        ...


class AsyncWorkloadLifecycle(Protocol):
    """Knows how to run workloads and to end them.

    The verbs on many workloads, and ``update_workload``, give the same :class:`~workloads.Completion` as the sync ones:
    the first ``await`` checks the names and starts the work, the second one waits for it::

        completion = await manager.stop_workloads(["time"])
        await completion

    Cancelling either of them stops no work that has begun.
    """

    async def run_workload(self, config: RunConfig) -> None:
        """Run a workload in the foreground; see :meth:`workloads.WorkloadLifecycle.run_workload`.

        Cancelling stops the workload, waits until it has drained, and keeps its run config, as an interrupt of the sync
        verb does.

        Args:
            config: What to run.
        """
        ...

    async def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        """Run a workload that outlives the caller; see :meth:`workloads.WorkloadLifecycle.run_workload_detached`.

        Cancelling leaves no workload behind: it waits until a proxy runner that is being started owns the workload, but
        not until that is ready, deletes what it has created, and only then raises ``CancelledError``. A workload in
        status ``error`` that it has replaced is stopped, not deleted.

        Args:
            config: What to run.
            wait: None returns as soon as its proxy runner owns it; a number waits up to so many seconds until it is
                ready.
        """
        ...

    async def start_workloads(self, names: Sequence[str]) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.start_workloads`: the same parameters and errors."""
        ...

    async def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.stop_workloads`: the same parameters and errors."""
        ...

    async def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.restart_workloads`: the same parameters and errors."""
        ...

    async def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.delete_workloads`: the same parameters and errors."""
        ...

    async def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.update_workload`: the same parameters and errors."""
        ...


class AsyncWorkloadLogs(Protocol):
    """Knows how to read what servers and proxies wrote."""

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> AsyncStream[str]:
        """See :meth:`workloads.WorkloadLogs.get_logs`: the same parameters; its errors come when it is opened."""
        ...

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> AsyncStream[str]:
        """See :meth:`workloads.WorkloadLogs.get_proxy_logs`: the same parameters; its errors come when it is opened."""
        ...


class AsyncWorkloadGrouping(Protocol):
    """Knows how to move workloads between groups."""

    async def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        """See :meth:`workloads.WorkloadGrouping.move_to_group`: the same parameters and errors.

        Cancelling waits until the call has ended. What was moved stays moved; repeating it completes it.
        """
        ...


class AsyncWorkloadWatcher(Protocol):
    """Knows how to tell of changes as they happen."""

    def watch_workloads(self, *, group: str | None = None) -> AsyncStream[WorkloadEvent]:
        """See :meth:`workloads.WorkloadWatcher.watch_workloads`: the same parameters; its errors come when opened."""
        ...


class AsyncManager(
    AsyncWorkloadReader,
    AsyncWorkloadLifecycle,
    AsyncWorkloadLogs,
    AsyncWorkloadGrouping,
    AsyncWorkloadWatcher,
    Protocol,
):
    """All verbs. An async context manager; closing it leaves every workload running."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the verbs that every manager has."""
        ...

    async def aclose(self) -> None:
        """Free what the manager itself holds. Workloads go on. Idempotent.

        Calls under way are waited for, and streams end. New calls raise ``RuntimeError``. When this is cancelled, the
        closing goes on.
        """
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None: ...
