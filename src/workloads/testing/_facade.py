"""An asyncio manager behind the sync verbs, so that one suite runs on both surfaces."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from workloads._core.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from typing import Self

    from workloads.aio import AsyncManager, AsyncStream
    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.manager import Stream
    from workloads.model import Capability, Workload, WorkloadEvent

__all__ = ("Blocking",)

T = TypeVar("T")


class Blocking(Closing):
    """A :class:`workloads.Manager` each of whose verbs awaits that of an asyncio manager, on a loop of its own."""

    def __init__(self, manager: AsyncManager) -> None:
        """Call ``manager``, and close it in the end."""
        self._manager = manager
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workloads-testing-loop")
        self._thread.start()

    def await_(self, awaitable: Awaitable[T]) -> T:
        """Await something on the loop, from this thread."""

        async def body() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(body(), self._loop).result()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See :attr:`workloads.Manager.capabilities`."""
        return self._manager.capabilities

    def close(self) -> None:
        """Close the manager, and end the loop."""
        if self._loop.is_closed():
            return
        self.await_(self._manager.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def get_workload(self, name: str) -> Workload:
        """See :meth:`workloads.WorkloadReader.get_workload`."""
        return self.await_(self._manager.get_workload(name))

    def get_run_config(self, name: str) -> RunConfig:
        """See :meth:`workloads.WorkloadReader.get_run_config`."""
        return self.await_(self._manager.get_run_config(name))

    def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        """See :meth:`workloads.WorkloadReader.list_workloads`."""
        return self.await_(self._manager.list_workloads(all=all, labels=labels))

    def list_workloads_in_group(self, group: str) -> list[Workload]:
        """See :meth:`workloads.WorkloadReader.list_workloads_in_group`."""
        return self.await_(self._manager.list_workloads_in_group(group))

    def does_workload_exist(self, name: str) -> bool:
        """See :meth:`workloads.WorkloadReader.does_workload_exist`."""
        return self.await_(self._manager.does_workload_exist(name))

    def run_workload(self, config: RunConfig) -> None:
        """See :meth:`workloads.WorkloadLifecycle.run_workload`."""
        self.await_(self._manager.run_workload(config))

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        """See :meth:`workloads.WorkloadLifecycle.run_workload_detached`."""
        return self.await_(self._manager.run_workload_detached(config, wait=wait))

    def start_workloads(self, names: Sequence[str]) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.start_workloads`."""
        return self.await_(self._manager.start_workloads(names))

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.stop_workloads`."""
        return self.await_(self._manager.stop_workloads(names, grace=grace))

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.restart_workloads`."""
        return self.await_(self._manager.restart_workloads(names, grace=grace))

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.delete_workloads`."""
        return self.await_(self._manager.delete_workloads(names, grace=grace))

    def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.update_workload`."""
        return self.await_(self._manager.update_workload(name, config, grace=grace))

    def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        """See :meth:`workloads.WorkloadGrouping.move_to_group`."""
        self.await_(self._manager.move_to_group(names, source, target))

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_logs`."""
        return self._opened(self._manager.get_logs(name, follow=follow, lines=lines, replica=replica))

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_proxy_logs`."""
        return self._opened(self._manager.get_proxy_logs(name, follow=follow, lines=lines))

    def watch_workloads(self, *, group: str | None = None) -> Stream[WorkloadEvent]:
        """See :meth:`workloads.WorkloadWatcher.watch_workloads`."""
        return self._opened(self._manager.watch_workloads(group=group))

    def _opened(self, stream: AsyncStream[T]) -> _BlockingStream[T]:
        self.await_(stream.__aenter__())
        return _BlockingStream(self, stream)


class _BlockingStream(Closing, Generic[T]):
    """An asyncio stream behind the sync protocol."""

    def __init__(self, owner: Blocking, stream: AsyncStream[T]) -> None:
        self._owner = owner
        self._stream: AsyncStream[Any] = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            item: T = self._owner.await_(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
        return item

    def close(self) -> None:
        self._owner.await_(self._stream.aclose())
