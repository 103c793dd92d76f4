"""The manager of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads._core.closing import Closing
from workloads.errors import GroupNotFoundError, WorkloadFailedError, WorkloadNotFoundError
from workloads.managers.settings import Settings
from workloads.model import Capability

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.groups import GroupManager
    from workloads.manager import Stream
    from workloads.managers.inventory import Inventory
    from workloads.managers.lifecycle import Lifecycle
    from workloads.model import ReplicaStats, Workload, WorkloadEvent
    from workloads.proxyrunner.control.usage import Usage

__all__ = ("LocalManager",)


class LocalManager(Closing):
    """Runs and manages workloads on this machine, as :class:`workloads.Manager` says.

    Everything it knows is on disk, so any number of managers, in any number of processes, may look at the same
    application folder and change it; operations on one workload wait for each other. Each workload has a proxy runner,
    a process of its own that goes on when the manager is closed or its process ends. Safe to use from several threads.

    Example:
        >>> import tempfile, pathlib
        >>> with LocalManager(settings=Settings(state_dir=pathlib.Path(tempfile.mkdtemp()))) as manager:
        ...     manager.list_workloads()
        []
    """

    def __init__(self, runtime: str = "process", *, settings: Settings | None = None) -> None:
        """Manage the workloads of an application folder.

        Args:
            runtime: What executes **new** workloads; present ones keep theirs.
            settings: Where the state is, and more; None takes the defaults.
        """
        self._runtime = runtime
        self._settings = settings if settings is not None else Settings()
        self._parts: tuple[Inventory, Lifecycle] | None = None

    @classmethod
    def open(
        cls, app: str = "workloads", *, runtime: str | None = None, settings: Settings | None = None
    ) -> LocalManager:
        """A manager of the workloads of another application: of what ToolHive's ``thv`` runs, and can read from here.

        Args:
            app: The application: ``toolhive``, or ``workloads`` (the default) for those of this library.
            runtime: What executes **new** workloads; None detects it.
            settings: Where the state is, and more; None takes the defaults.

        Raises:
            RuntimeNotFoundError: The runtime asked for does not exist; lists the usable ones.
            RuntimeUnavailableError: It cannot be used here; says why, and lists the usable ones.

        Example:
            >>> import tempfile, pathlib
            >>> settings = Settings(state_dir=pathlib.Path(tempfile.mkdtemp()))
            >>> with LocalManager.open(settings=settings) as manager:
            ...     manager.list_workloads()
            []
        """
        from workloads.runtimes.detection import choose_runtime

        return cls(choose_runtime(runtime), settings=attrs.evolve(settings or Settings(), app=app))

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the verbs that every manager has."""
        from workloads.managers.view import CONTAINER_RUNTIMES

        every = frozenset({
            Capability.RUN_FOREGROUND, Capability.STDIO, Capability.REPLICAS, Capability.PROXY_LOGS, Capability.WATCH,
        })  # fmt: skip
        return every | {Capability.ISOLATION} if self._runtime in CONTAINER_RUNTIMES else every

    def close(self) -> None:
        """Free what the manager itself holds. Workloads go on. Idempotent."""
        parts, self._parts = self._parts, None
        if parts is not None:
            parts[0].close()

    # Observing

    def get_workload(self, name: str) -> Workload:
        """See :meth:`workloads.WorkloadReader.get_workload`."""
        return self._inventory.get(_checked(name))

    def get_run_config(self, name: str) -> RunConfig:
        """See :meth:`workloads.WorkloadReader.get_run_config`."""
        return self._inventory.config(_checked(name))

    def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        """See :meth:`workloads.WorkloadReader.list_workloads`."""
        wanted = dict(labels or {}).items()
        return [
            workload
            for workload in self._inventory.everything()
            if (all or workload.status.is_active) and wanted <= workload.labels.items()
        ]

    def list_workloads_in_group(self, group: str) -> list[Workload]:
        """See :meth:`workloads.WorkloadReader.list_workloads_in_group`."""
        if not self._inventory.groups.exists(group):
            raise GroupNotFoundError(group)
        return [workload for workload in self._inventory.everything() if workload.group == group]

    def does_workload_exist(self, name: str) -> bool:
        """See :meth:`workloads.WorkloadReader.does_workload_exist`."""
        return self._inventory.stored(_checked(name)) is not None

    def get_stats(self, name: str) -> list[ReplicaStats]:
        """What each replica of a workload that lives uses now: memory, CPU time, and what else is told.

        Each call looks once; lists do not, for that would make them slow.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            UnsupportedOperationError: Its server runs elsewhere.
            WorkloadFailedError: Its engine cannot tell.
            RuntimeUnavailableError: Its engine does not answer.
        """
        from workloads.managers.stats import replica_stats

        return replica_stats(self._inventory, _checked(name))

    # Running

    def run_workload(self, config: RunConfig) -> None:
        """See :meth:`workloads.WorkloadLifecycle.run_workload`.

        The proxy runner is a process of its own here too; it drains when the caller is interrupted or ends.
        """
        self._lifecycle.run_foreground(config)

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        """See :meth:`workloads.WorkloadLifecycle.run_workload_detached`."""
        self._lifecycle.run_detached(config, wait=None if wait is None else _seconds("wait", wait))
        try:
            return self._inventory.get(config.name)
        except WorkloadNotFoundError as error:
            raise WorkloadFailedError(config.name, "somebody deleted it as soon as it ran") from error

    def start_workloads(self, names: Sequence[str]) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.start_workloads`. Each is done when it is ready."""
        return _batch(names, self._lifecycle.start)

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.stop_workloads`."""
        seconds = _seconds("grace", grace)
        return _batch(names, lambda name: self._lifecycle.stop(name, grace=seconds))

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.restart_workloads`. Each is done when it is ready."""
        seconds = _seconds("grace", grace)
        return _batch(names, lambda name: self._lifecycle.restart(name, grace=seconds))

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.delete_workloads`."""
        seconds = _seconds("grace", grace)
        return _batch(names, lambda name: self._lifecycle.delete(name, grace=seconds))

    def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.update_workload`."""
        from workloads.completion import Completion

        seconds = _seconds("grace", grace)
        return Completion({_checked(name): lambda: self._lifecycle.update(name, config, grace=seconds)}, single=True)

    # Sleeping

    def hold(
        self, name: str, *, owner: str = "", reason: str = "", timeout: float | None = None
    ) -> AbstractContextManager[socket.socket]:
        """Keep a workload awake for the length of a ``with`` block, which is entered when the workload is ready.

        Args:
            name: The workload.
            owner: Who holds it, for people.
            reason: What for.
            timeout: Seconds it may take to be ready; None (the default) for as long as it takes.

        Returns:
            A context manager. It gives the connection that holds, which can be read from when that ends before its
            time, because the workload is stopped.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            WorkloadNotReadyError: It was not ready in time.
            WorkloadFailedError: It does not run, or could not be woken.
            ValueError: ``timeout`` is negative or not a number.
        """
        from workloads.managers import waking

        seconds = None if timeout is None else _seconds("timeout", timeout)
        return waking.hold(self._inventory, _checked(name), owner=owner, reason=reason, timeout=seconds)

    def sleep_workload(self, name: str) -> None:
        """Put a workload to sleep now, without waiting for its ``idle_timeout``. One that sleeps is left alone.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            WorkloadInUseError: Somebody uses it; tells who.
            UnsupportedOperationError: It never sleeps.
            WorkloadFailedError: It does not run, or could not be put to sleep.
        """
        from workloads.managers import waking

        waking.sleep(self._inventory, _checked(name))

    def wake_workload(self, name: str, *, timeout: float | None = None) -> Workload:
        """Wake a workload and wait until it is ready. It sleeps again when nobody uses it for its ``idle_timeout``.

        Args and errors are those of :meth:`hold`.
        """
        with self.hold(name, owner="wake", timeout=timeout):
            return self._inventory.get(name)

    def usage(self, name: str) -> Usage:
        """Why a workload is awake: who holds it, open streams, recent sessions, names that disable sleeping.

        Raises:
            WorkloadNotFoundError: There is no such workload.
            WorkloadFailedError: It does not run.
        """
        from workloads.managers import waking

        return waking.usage(self._inventory, _checked(name))

    # Repairing

    def recover(self) -> Completion:
        """Start again what a crash or the end of the machine has ended, and end what such a runner has left behind.

        What else was cut is brought to its end: updates are undone, deletes finished. Workloads that were stopped stay
        stopped, and those that run are left alone. Each is done when it is ready.
        """
        self._inventory.sweep()
        return _batch(self._inventory.names(), self._lifecycle.recover)

    def prune(self) -> list[str]:
        """Remove what is left of workloads that no longer exist.

        Returns:
            The names of those workloads, sorted.
        """
        self._inventory.sweep()
        return [name for name in self._inventory.leftovers(self._runtime) if self._lifecycle.sweep(name)]

    # Watching

    def watch_workloads(self, *, group: str | None = None) -> Stream[WorkloadEvent]:
        """See :meth:`workloads.WorkloadWatcher.watch_workloads`."""
        from workloads.managers.watch import WorkloadWatch

        return WorkloadWatch(self._inventory, group=group)

    # Groups

    def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        """See :meth:`workloads.WorkloadGrouping.move_to_group`."""
        from workloads.managers.membership import Membership

        membership = Membership(self._inventory, self._settings.busy_timeout)
        distinct = _distinct(names)
        membership.check(distinct, source, target)
        membership.move(distinct, source, target)

    @property
    def groups(self) -> GroupManager:
        """The groups of its workloads; what :func:`workloads.new_group_manager` gives."""
        from workloads.groups import FileGroupManager
        from workloads.managers.membership import Membership

        return FileGroupManager(self._inventory.paths, Membership(self._inventory, self._settings.busy_timeout))

    # Logs

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_logs`."""
        from workloads.managers.logs import server_lines

        return server_lines(self._inventory, _checked(name), follow=follow, lines=lines, replica=replica)

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_proxy_logs`."""
        from workloads.managers.logs import proxy_lines

        return proxy_lines(self._inventory, _checked(name), follow=follow, lines=lines)

    # Parts, made on first use: a manager costs nothing until it is asked for something.

    @property
    def _inventory(self) -> Inventory:
        return self._open()[0]

    @property
    def _lifecycle(self) -> Lifecycle:
        return self._open()[1]

    def _open(self) -> tuple[Inventory, Lifecycle]:
        if self._parts is None:
            from workloads._core.paths import TOOLHIVE, Paths

            paths = Paths.locate(self._settings.app, self._settings.state_dir)
            if self._settings.app == TOOLHIVE:
                from workloads.managers.toolhive.inventory import ToolHiveInventory
                from workloads.managers.toolhive.lifecycle import ToolHiveLifecycle

                toolhive = ToolHiveInventory(paths)
                self._parts = toolhive, ToolHiveLifecycle(toolhive, self._runtime, self._settings)
            else:
                from workloads.managers.inventory import Inventory
                from workloads.managers.lifecycle import Lifecycle

                inventory = Inventory(paths, self._settings.app)
                self._parts = inventory, Lifecycle(inventory, self._runtime, self._settings)
        return self._parts


def _seconds(name: str, value: float) -> float:
    from workloads._core.seconds import seconds_to_wait

    return seconds_to_wait(name, value)


def _checked(name: str) -> str:
    from workloads.config import check_workload_name

    check_workload_name(name)
    return name


def _batch(names: Sequence[str], work: Callable[[str], object]) -> Completion:
    """Do ``work`` for every name at once, after every name has been checked."""
    from workloads.completion import Completion

    def bound(name: str) -> Callable[[], object]:
        return lambda: work(name)

    return Completion({name: bound(name) for name in _distinct(names)})


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each checked and once."""
    if isinstance(names, str):
        raise TypeError(f"names must be a sequence of names, not the string {names!r}; write [{names!r}]")
    return list(dict.fromkeys(_checked(name) for name in names))
