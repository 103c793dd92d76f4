"""What is on disk about the workloads of this machine, and what can be seen of them now. Reads never write."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from workloads._core.paths import DEFAULT_APP
from workloads.errors import CorruptStateError, StateError, WorkloadBusyError, WorkloadNotFoundError
from workloads.managers.spawn import rotated
from workloads.managers.view import Stored, view

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from workloads._core.paths import Paths
    from workloads._core.process import ProcessIdentity
    from workloads.config import RunConfig
    from workloads.manager import Stream
    from workloads.managers.containers import Seen
    from workloads.model import ReplicaStats, Workload
    from workloads.state import RuntimeRecord, StatusRecord

__all__ = ("Inventory",)

T = TypeVar("T")


class Inventory:
    """The workloads of one state folder. A workload exists when its run config does."""

    def __init__(self, paths: Paths, app: str = DEFAULT_APP) -> None:
        """Look at this state folder.

        Args:
            paths: The folder.
            app: Whose it is.
        """
        from workloads.groups import GroupStore
        from workloads.managers.containers import Containers
        from workloads.state import RunConfigStore, RuntimeRecordStore, StatusStore

        self.paths = paths
        self.configs = RunConfigStore(paths)
        self.statuses = StatusStore(paths)
        self.records = RuntimeRecordStore(paths)
        self.groups = GroupStore(paths)
        self.containers = Containers(paths, app)
        self._cached = self.configs.cache(), self.statuses.cache(), self.records.cache()

    def close(self) -> None:
        """Close the connections to engines. Idempotent."""
        self.containers.close()

    def names(self) -> list[str]:
        """The names of all workloads, sorted."""
        return self.configs.names()

    def config(self, name: str) -> RunConfig:
        """The stored run config.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            CorruptStateError: The file is damaged.
        """
        config = self.configs.load(name)
        if config is None:
            raise WorkloadNotFoundError(name)
        return config

    def proposed(self, name: str) -> RunConfig:
        """The run config that an update wants to store.

        Raises:
            WorkloadNotFoundError: There is none.
            CorruptStateError: The file is damaged.
        """
        config = self.configs.proposed(name)
        if config is None:
            raise WorkloadNotFoundError(name)
        return config

    def stored(self, name: str) -> Stored | None:
        """Everything on disk about a workload, damaged or not; None when it does not exist."""
        config = _or_error(self.configs.load, name)
        if config is None:
            return None
        return _combined(name, config, _or_error(self.statuses.read, name), _or_error(self.records.read, name))

    def everything(self) -> list[Workload]:
        """Every workload as it is now, sorted by name. Files that did not change since the last time are not read."""
        from workloads._core import process

        alive = process.census()
        statuses, records = self._cached[1].read(), self._cached[2].read()
        seen = self.containers.look(record for record in records.values() if not isinstance(record, StateError))
        # Run configs last: what was deleted between is then not shown, and what was created is shown as not started.
        configs = self._cached[0].read()
        return [
            view(_combined(name, config, statuses.get(name), records.get(name)), alive, seen.get(name))
            for name, config in sorted(configs.items())
        ]

    def find(self, name: str) -> Workload | None:
        """The workload as it is now; None when it does not exist."""
        stored = self.stored(name)
        return None if stored is None else self.shown(stored, self.seen(stored))

    def shown(self, stored: Stored, seen: Seen | None) -> Workload:
        """A workload as it is now.

        Args:
            stored: What is on disk about it.
            seen: What its runtime tells of its servers; None when they end with their runner.
        """
        from workloads._core import process

        return view(stored, process.is_alive, seen)

    def watched(
        self, name: str, seen: Callable[[Stored], Seen | None], follow: Callable[[ProcessIdentity | None], None]
    ) -> Workload | None:
        """A workload as it is now, for who is told when its process ends; None when it does not exist.

        Args:
            name: The workload.
            seen: Gives what its runtime tells of its servers.
            follow: Takes the process that serves it, as far as it is known, before anything depends on its life.
        """
        stored = self.stored(name)
        follow(None if stored is None or stored.record is None else stored.record.runner)
        return None if stored is None else self.shown(stored, seen(stored))

    def foreign_changes(self) -> Mapping[str, Stream[str]]:
        """The workloads whose servers change that somebody else runs, of each engine; whoever takes them closes them.

        An empty name says that any may have, and so does :data:`~workloads.runtimes.protocol.AGAIN`.
        """
        return {}

    def seen(self, stored: Stored) -> Seen | None:
        """What the runtime of a workload tells of its servers; None when they end with their runner."""
        record = stored.record
        return None if record is None else self.containers.look([record], stored.name).get(stored.name)

    def record(self, name: str) -> RuntimeRecord | None:
        """The runtime record of a workload; None when there is none, or it is damaged."""
        try:
            return self.records.read(name)
        except CorruptStateError:
            return None

    def leftovers(self, runtime: str) -> list[str]:
        """The names that have a status, a runtime record or a container, and no run config, sorted.

        Args:
            runtime: Whose containers are looked at.
        """
        strays = self.containers.strays(runtime)
        return sorted({*self.statuses.names(), *self.records.names(), *strays} - set(self.names()))

    def has_leftovers(self, name: str, runtime: str) -> bool:
        """Whether a name has any of that."""
        if name in self.statuses.names() or name in self.records.names():
            return True
        return name in self.containers.strays(runtime)

    def has_runner(self, name: str) -> bool:
        """Whether a proxy runner of the workload lives."""
        from workloads._core import process

        record = self.record(name)
        return record is not None and record.runner is not None and process.is_alive(record.runner)

    def get(self, name: str) -> Workload:
        """The workload as it is now.

        Raises:
            WorkloadNotFoundError: There is no such workload.
        """
        workload = self.find(name)
        if workload is None:
            raise WorkloadNotFoundError(name)
        return workload

    @contextlib.contextmanager
    def operation(self, name: str, timeout: float) -> Generator[None]:
        """Be the only one who changes this workload; what killed writers left in the state folder is removed first.

        Args:
            name: The workload.
            timeout: Seconds to wait for another operation on it.

        Raises:
            WorkloadBusyError: Another operation on it took longer.
        """
        lock = self.records.operation_lock(name)
        if not lock.acquire(timeout):
            raise WorkloadBusyError(name, waited=timeout)
        try:
            self.sweep()
            yield
            self.sweep()  # a runner that had to be killed may have been writing
        finally:
            lock.release()

    def sweep(self) -> None:
        """Remove the temporary files of writers that were killed."""
        from workloads._core.temporary import sweep

        paths = self.paths
        for folder in {paths.state, paths.data, paths.runconfigs, paths.groups, paths.runtimes, paths.statuses}:
            sweep(folder)

    def replica_logs(self, name: str) -> int:
        """How many replicas of the workload have a log."""
        index = 0
        while self.paths.server_log(name, index).exists():
            index += 1
        return index

    def container_lines(self, name: str, *, follow: bool, lines: int | None) -> Stream[str] | None:
        """What the server of a workload wrote, where only its engine keeps that; None where it is in files.

        Args:
            name: The workload.
            follow: Whether to wait for more.
            lines: How many lines that are there already; None is all.
        """
        del name, follow, lines
        return None

    def container_stats(self, name: str) -> list[ReplicaStats] | None:
        """What the server of a workload uses that somebody else runs; None where the runtime of its record knows.

        Args:
            name: The workload.
        """
        del name
        return None

    def forget(self, name: str) -> None:
        """Remove everything that is kept of a workload that no longer runs; its run config last."""
        import shutil

        for folder in (self.paths.server_log(name, 0).parent, self.paths.server_folder(name, 0).parent):
            shutil.rmtree(folder, ignore_errors=True)
        log = self.paths.proxy_log(name)
        for file in (log, rotated(log), self.paths.control_socket(name)):
            file.unlink(missing_ok=True)
        self.records.delete(name)
        self.statuses.delete(name)
        self.configs.withdraw(name)
        self.configs.delete(name)


def _or_error(read: Callable[[str], T | None], name: str) -> T | StateError | None:
    try:
        return read(name)
    except CorruptStateError as error:
        return error


def _combined(
    name: str,
    config: RunConfig | StateError,
    status: StatusRecord | StateError | None,
    record: RuntimeRecord | StateError | None,
) -> Stored:
    damage: list[str] = []
    found = _right(config, damage), _right(status, damage), _right(record, damage)
    return Stored(name, *found, "; ".join(damage))


def _right(part: T | StateError | None, damage: list[str]) -> T | None:
    """The part, unless it is damaged: then that is noted."""
    if isinstance(part, StateError):
        damage.append(str(part))
        return None
    return part
