"""The verbs of a manager, as small protocols and their composition. Nothing here does anything.

A caller should depend on the smallest protocol that has the verbs it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.model import Capability, Workload, WorkloadEvent

__all__ = (
    "Manager",
    "Stream",
    "WorkloadGrouping",
    "WorkloadLifecycle",
    "WorkloadLogs",
    "WorkloadReader",
    "WorkloadWatcher",
)

T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Stream(Protocol[T_co]):
    """An iterator over things as they come, which must be closed; also a context manager.

    ``close`` is idempotent, may be called from any thread, and ends a blocked ``next`` within 100 ms.
    """

    def __iter__(self) -> Iterator[T_co]: ...
    def __next__(self) -> T_co: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None: ...
    def close(self) -> None:
        """End the stream and free what it holds."""
        ...


class WorkloadReader(Protocol):
    """Knows how to observe workloads. Reads never change anything."""

    def get_workload(self, name: str) -> Workload:
        """The workload as last observed.

        Args:
            name: Its name.

        Raises:
            WorkloadNotFoundError: There is none of that name.
            InvalidNameError: The name cannot be one of a workload.
        """
        ...

    def get_run_config(self, name: str) -> RunConfig:
        """The run config from which the workload can be started again.

        Args:
            name: The workload's name.

        Raises:
            WorkloadNotFoundError: There is none of that name.
            CorruptStateError: Its stored run config is damaged.
        """
        ...

    def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        """Workloads, sorted by name.

        Args:
            all: Show those too which are neither ``running`` nor ``auth_retrying``.
            labels: Show only those whose ``Workload.labels`` hold every one of these pairs.
        """
        ...

    def list_workloads_in_group(self, group: str) -> list[Workload]:
        """Every workload of a group in any state, sorted by name.

        Args:
            group: The group's name.

        Raises:
            GroupNotFoundError: There is no such group; an empty one gives an empty list.
        """
        ...

    def does_workload_exist(self, name: str) -> bool:
        """Whether there is a workload of that name, in any status, ``error`` too.

        Args:
            name: The name to look for.
        """
        ...


class WorkloadLifecycle(Protocol):
    """Knows how to run workloads and to end them.

    Operations on one workload queue. One that has waited too long for its turn fails with ``WorkloadBusyError``: a
    manager has a time for that, and a ``wait`` that the caller gives counts instead. A ``grace`` is for the server
    alone, so that even a stop without any does not fail because another operation is about to end.
    """

    def run_workload(self, config: RunConfig) -> None:
        """Run a workload in the foreground: returns when it has ended.

        Args:
            config: What to run.

        Raises:
            RunConfigError: It asks for what the runtime cannot give; lists every such key.
            WorkloadExistsError: A workload of that name exists and its status is not ``error``.
            GroupNotFoundError: It names a group that does not exist.
            WorkloadFailedError: It could not be started, or did not stay up.
        """
        ...

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        """Run a workload that outlives the caller.

        Args:
            config: What to run.
            wait: None returns as soon as its proxy runner owns it; a number waits up to so many seconds until it is
                ready, and up to so many for another operation on the name.

        Raises:
            RunConfigError: It asks for what the runtime cannot give; lists every such key.
            WorkloadExistsError: A workload of that name exists and its status is not ``error``.
            GroupNotFoundError: It names a group that does not exist.
            WorkloadFailedError: It could not be started.
            WorkloadNotReadyError: It was not ready in time; it goes on starting.
            ValueError: ``wait`` is negative or not a number; nothing was started.
        """
        ...

    def start_workloads(self, names: Sequence[str]) -> Completion:
        """Start workloads that are not running; a running one is left alone, and one that is starting waited for.

        Args:
            names: The workloads; duplicates count once.

        Raises:
            TypeError: ``names`` is a string.
            InvalidNameError: One of them cannot be a name; nothing was started. (One that does not exist is in the
                results as :class:`~workloads.errors.WorkloadNotFoundError`.)
        """
        ...

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """Stop workloads, proxy first, replicas last. Stopping a stopped one succeeds.

        Args:
            names: The workloads; duplicates count once.
            grace: Seconds for requests in flight and for the server to end by itself; then it is killed.

        Raises:
            TypeError: ``names`` is a string.
            ValueError: ``grace`` is negative or not a number; nothing was stopped.
            InvalidNameError: One of them cannot be a name; nothing was stopped. (One that does not exist is in the
                results as :class:`~workloads.errors.WorkloadNotFoundError`.)
        """
        ...

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """Stop workloads and start them again; a stopped one is started.

        Args:
            names: The workloads; duplicates count once.
            grace: Seconds to stop in, as for ``stop_workloads``.

        Raises:
            TypeError: ``names`` is a string.
            ValueError: ``grace`` is negative or not a number; nothing was restarted.
            InvalidNameError: One of them cannot be a name; nothing was restarted. (One that does not exist is in the
                results as :class:`~workloads.errors.WorkloadNotFoundError`.)
        """
        ...

    def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        """Replace the run config of a workload, and run the new one if the workload runs.

        It keeps its name, and its port unless the new run config names one. The old run config stays the stored one
        until the new one is proven by a ready server; when it fails, the old one runs again.

        Args:
            name: The workload.
            config: Its new run config, of the same name.
            grace: Seconds to stop in, as for ``stop_workloads``.

        Returns:
            A handle whose ``wait`` raises the one error itself, not a ``BatchError``.

        Raises:
            ValueError: ``grace`` is negative or not a number.
            InvalidNameError: The name cannot be one of a workload.
        """
        ...

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """Stop workloads and remove all that is kept of them. Deleting an unknown one succeeds.

        Args:
            names: The workloads; duplicates count once.
            grace: Seconds to stop in, as for ``stop_workloads``.

        Raises:
            TypeError: ``names`` is a string.
            ValueError: ``grace`` is negative or not a number; nothing was deleted.
            InvalidNameError: One of them cannot be a name; nothing was deleted.
        """
        ...


class WorkloadLogs(Protocol):
    """Knows how to read what servers and proxies wrote."""

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> Stream[str]:
        """What the server wrote, line by line, without line ends.

        Args:
            name: The workload.
            follow: Go on with new lines until the workload ends or the stream is closed.
            lines: Begin with so many last lines; None is all, 0 only new ones.
            replica: Only this replica, from 0; None is all.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            ValueError: ``lines`` or ``replica`` is negative.
        """
        ...

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Stream[str]:
        """What the proxy runner wrote, line by line, without line ends.

        Args:
            name: The workload.
            follow: Go on with new lines until the workload ends or the stream is closed.
            lines: Begin with so many last lines; None is all, 0 only new ones.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            ValueError: ``lines`` is negative.
        """
        ...


class WorkloadGrouping(Protocol):
    """Knows how to move workloads between groups."""

    def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        """Move workloads from one group to another. Repeating it completes what was interrupted.

        Args:
            names: The workloads; duplicates count once.
            source: The group they are in. One that is in ``target`` already counts as moved.
            target: The group they shall be in.

        Raises:
            TypeError: ``names`` is a string.
            InvalidNameError: One of them cannot be a name; nothing was moved.
            GroupNotFoundError: One of the groups does not exist; nothing was moved.
            BatchError: Some do not exist or are in a third group, and nothing was moved; or some could not be moved.
                It tells the outcome of each.
        """
        ...


class WorkloadWatcher(Protocol):
    """Knows how to tell of changes as they happen."""

    def watch_workloads(self, *, group: str | None = None) -> Stream[WorkloadEvent]:
        """Changes, as they happen: ``ADDED`` for all present, then ``SYNCED``, then each change.

        Who reads slowly gets the last state of each workload, not every one. After changes were missed, everything is
        looked at again and ``SYNCED`` told once more.

        Args:
            group: Only workloads of this group: joining is told as ``ADDED``, leaving as ``DELETED``. None is all.

        Raises:
            GroupNotFoundError: There is no such group.
        """
        ...


class Manager(WorkloadReader, WorkloadLifecycle, WorkloadLogs, WorkloadGrouping, WorkloadWatcher, Protocol):
    """All verbs. A context manager; closing it leaves every workload running."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the verbs that every manager has."""
        ...

    def close(self) -> None:
        """Free what the manager itself holds. Workloads go on. Idempotent."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None: ...
