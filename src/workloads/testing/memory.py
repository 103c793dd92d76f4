"""A manager whose workloads exist in memory only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.closing import Closing
from workloads._core.seconds import check_seconds, seconds_to_wait
from workloads.errors import (
    BatchError,
    UnsupportedOperationError,
    WorkloadsError,
)
from workloads.groups.moves import check_moves
from workloads.model import Capability
from workloads.testing._groups import MemoryGroups
from workloads.testing._lifecycle import MemoryLifecycle
from workloads.testing._streams import EventStream, LineStream
from workloads.testing._world import World
from workloads.testing.behaviour import Interceptors, ServerBehaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from workloads.completion import Completion
    from workloads.config import RunConfig
    from workloads.groups import GroupManager
    from workloads.manager import Stream
    from workloads.model import Workload, WorkloadEvent, WorkloadStatus
    from workloads.testing._world import Entry, Run
    from workloads.testing.behaviour import Call

__all__ = ("InMemoryManager",)

_ALL = (
    Capability.RUN_FOREGROUND, Capability.STDIO, Capability.REPLICAS, Capability.PROXY_LOGS, Capability.WATCH,
)  # fmt: skip


class InMemoryManager(Closing):
    """A whole :class:`workloads.Manager` without anything that runs, for unit tests of what uses one.

    Every verb behaves as that of a real manager: the same results, errors, order, states and events, at once and
    without I/O. Ports and times are counted, so that two runs of a test see the same. Safe to use from several threads.
    The methods at the end are for tests: they say how servers behave and make verbs fail or wait.

    Example:
        >>> from workloads import RunConfig, WorkloadStatus
        >>> manager = InMemoryManager()
        >>> manager.run_workload_detached(RunConfig(name="time", image="uvx://mcp-server-time")).url
        'http://127.0.0.1:41001/mcp'
        >>> manager.set_status("time", WorkloadStatus.UNHEALTHY, "no answer")
        >>> manager.list_workloads()
        []
    """

    def __init__(
        self,
        *,
        behaviour: Callable[[RunConfig], ServerBehaviour] | None = None,
        capabilities: Iterable[Capability] = _ALL,
        runtime: str = "memory",
        clock: Callable[[], datetime] | None = None,
        ready_timeout: float = 5.0,
        busy_timeout: float = 60.0,
        same_as: InMemoryManager | None = None,
    ) -> None:
        """Manage no workloads yet, or those of another manager.

        Args:
            behaviour: What becomes of the server of a run config that is started; None lets every one be ready.
            capabilities: What it can do; a verb outside raises ``UnsupportedOperationError``.
            runtime: What its workloads say that runs them.
            clock: Gives the times of what happens, UTC; None counts seconds from the beginning of 2026.
            ready_timeout: Seconds after which a start, restart or update fails whose server is not ready.
            busy_timeout: Seconds that an operation waits for another one on the same workload.
            same_as: A manager whose workloads and groups are this one's too, as with two managers of one machine.
        """
        self._world: World = same_as._world if same_as is not None else World(clock)  # noqa: SLF001  # of its own class
        self._capabilities = frozenset(capabilities)
        self._runtime = runtime
        self._lifecycle = MemoryLifecycle(
            self._world,
            behaviour if behaviour is not None else _always_ready,
            self._capabilities,
            ready_timeout,
        )
        self._busy_timeout = busy_timeout
        self._interceptors = Interceptors()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the verbs that every manager has."""
        return self._capabilities

    def close(self) -> None:
        """Nothing is held; workloads go on."""

    # Observing

    def get_workload(self, name: str) -> Workload:
        """See :meth:`workloads.WorkloadReader.get_workload`."""
        self._call("get_workload", _checked(name))
        return self._seen(self._world.entry(name))

    def get_run_config(self, name: str) -> RunConfig:
        """See :meth:`workloads.WorkloadReader.get_run_config`."""
        self._call("get_run_config", _checked(name))
        return self._world.entry(name).config

    def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        """See :meth:`workloads.WorkloadReader.list_workloads`."""
        self._call("list_workloads")
        wanted = dict(labels or {}).items()
        return [
            workload
            for workload in self._workloads()
            if (all or workload.status.is_active) and wanted <= workload.labels.items()
        ]

    def list_workloads_in_group(self, group: str) -> list[Workload]:
        """See :meth:`workloads.WorkloadReader.list_workloads_in_group`."""
        self._call("list_workloads_in_group")
        self._lifecycle.check_group(group)
        return [workload for workload in self._workloads() if workload.group == group]

    def does_workload_exist(self, name: str) -> bool:
        """See :meth:`workloads.WorkloadReader.does_workload_exist`."""
        self._call("does_workload_exist", _checked(name))
        with self._world.changed:
            return name in self._world.entries

    # Running

    def run_workload(self, config: RunConfig) -> None:
        """See :meth:`workloads.WorkloadLifecycle.run_workload`. It ends when the workload is stopped, or set so."""
        self._need(Capability.RUN_FOREGROUND, "run_workload")
        run = self._create("run_workload", config)
        self._lifecycle.await_end(config.name, run)

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        """See :meth:`workloads.WorkloadLifecycle.run_workload_detached`."""
        wait = None if wait is None else seconds_to_wait("wait", wait)
        run = self._create("run_workload_detached", config)
        if wait is not None:
            self._lifecycle.await_ready(config.name, run, wait)
        return self._seen(self._world.entry(config.name))

    def start_workloads(self, names: Sequence[str]) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.start_workloads`."""
        return self._batch("start_workloads", names, self._lifecycle.start)

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.stop_workloads`."""
        check_seconds("grace", grace)  # all ends at once
        return self._batch("stop_workloads", names, self._lifecycle.stop)

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.restart_workloads`."""
        check_seconds("grace", grace)  # all ends at once
        return self._batch("restart_workloads", names, self._lifecycle.restart)

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.delete_workloads`."""
        check_seconds("grace", grace)  # all ends at once
        return self._batch("delete_workloads", names, self._world.remove)

    def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        """See :meth:`workloads.WorkloadLifecycle.update_workload`."""
        check_seconds("grace", grace)  # all ends at once
        return self._batch("update_workload", [name], lambda each: self._lifecycle.update(each, config), single=True)

    # Logs

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_logs`."""
        self._call("get_logs", _checked(name))
        if replica is not None and replica < 0:
            raise ValueError(f"replica must not be negative, got {replica}")
        return self._lines(name, "server_lines", follow=follow, lines=lines, replica=replica)

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Stream[str]:
        """See :meth:`workloads.WorkloadLogs.get_proxy_logs`."""
        self._need(Capability.PROXY_LOGS, "get_proxy_logs")
        self._call("get_proxy_logs", _checked(name))
        return self._lines(name, "proxy_lines", follow=follow, lines=lines, replica=None)

    # Groups and watching

    @property
    def groups(self) -> GroupManager:
        """The groups of its workloads; what :func:`workloads.new_group_manager` gives."""
        return MemoryGroups(self._world)

    def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        """See :meth:`workloads.WorkloadGrouping.move_to_group`."""
        distinct = _distinct(names)
        self._interceptors.record("move_to_group", *distinct)
        failures = {name: self._interceptors.failure("move_to_group", name) for name in distinct}
        for group in (source, target):
            self._lifecycle.check_group(group)
        check_moves({name: self._lifecycle.group_of(name) for name in distinct}, source, target)
        results: dict[str, WorkloadsError | None] = {}
        for name in distinct:
            self._interceptors.pause("move_to_group", name)
            failure = failures[name]
            if failure is not None and not isinstance(failure, WorkloadsError):
                raise failure
            results[name] = failure
            if failure is None:
                with self._world.operation(name, self._busy_timeout):
                    self._lifecycle.move(name, source, target)
        if any(results.values()):
            raise BatchError.of(results)

    def watch_workloads(self, *, group: str | None = None) -> Stream[WorkloadEvent]:
        """See :meth:`workloads.WorkloadWatcher.watch_workloads`."""
        self._need(Capability.WATCH, "watch_workloads")
        self._call("watch_workloads")
        if group is not None:
            self._lifecycle.check_group(group)
        return EventStream(self._world, self._find, group=group)

    # For tests

    @property
    def calls(self) -> list[Call]:
        """Every call of a verb so far, in order."""
        return self._interceptors.calls

    def set_status(self, name: str, status: WorkloadStatus, context: str = "", *, asleep: bool = False) -> None:
        """Let a workload be in a state, as its runner would: whoever waits for it or watches it is told.

        ``stopped``, ``error`` and ``policy_stopped`` end its runner; any other state that needs one gives it one.

        Args:
            name: The workload.
            status: Its state from now on.
            context: Why; empty by default.
            asleep: Whether it sleeps until the next request; False by default.

        Raises:
            WorkloadNotFoundError: There is no such workload.
        """
        self._world.set_status(name, status, context, asleep=asleep)

    def add_log_line(self, name: str, line: str, *, replica: int = 0, proxy: bool = False) -> None:
        """Let a workload write a line, which those who follow its log get.

        Args:
            name: The workload.
            line: The line, without line end.
            replica: The replica that writes it; 0 by default.
            proxy: Whether its proxy runner writes it, not its server; False by default.

        Raises:
            WorkloadNotFoundError: There is no such workload.
        """
        self._world.add_line(name, line, replica=replica, proxy=proxy)

    def fail_next(self, verb: str, error: BaseException, *, name: str | None = None) -> None:
        """Let the next call of a verb fail, once. In a batch it is the failure of one workload, the others go on.

        Args:
            verb: The name of the method.
            error: What it raises.
            name: Only a call that concerns this workload; None (the default) takes the first one.

        Raises:
            ValueError: There is no such verb.
        """
        self._interceptors.fail_next(verb, error, name)

    def intercept(self, verb: str, hook: Callable[[str], object] | None) -> None:
        """Call a function before a verb does its work on a workload. It may wait for an event, or raise.

        It runs where the work does: in a batch on a thread of its own, while other operations on that workload queue.

        Args:
            verb: The name of the method.
            hook: Called with the workload's name, empty for a verb that takes none; None removes it.

        Raises:
            ValueError: There is no such verb.
        """
        self._interceptors.intercept(verb, hook)

    def delay(self, verb: str, seconds: float) -> None:
        """Let a verb take time; it replaces what was given to :meth:`intercept`.

        Args:
            verb: The name of the method.
            seconds: How long each workload takes; 0 removes it.

        Raises:
            ValueError: There is no such verb, or ``seconds`` is negative.
        """
        self._interceptors.delay(verb, seconds)

    # What the verbs are made of

    def _call(self, verb: str, name: str = "") -> None:
        self._interceptors.record(verb, *([name] if name else []))
        self._interceptors.enter(verb, name)

    def _need(self, capability: Capability, verb: str) -> None:
        if capability not in self._capabilities:
            raise UnsupportedOperationError(verb, f"this manager was made without {capability}")

    def _seen(self, entry: Entry) -> Workload:
        with self._world.changed:
            return entry.view(self._runtime)

    def _find(self, name: str) -> Workload | None:
        with self._world.changed:
            entry = self._world.entries.get(name)
            return None if entry is None else entry.view(self._runtime)

    def _workloads(self) -> list[Workload]:
        with self._world.changed:
            return [entry.view(self._runtime) for _, entry in sorted(self._world.entries.items())]

    def _batch(
        self, verb: str, names: Sequence[str], work: Callable[[str], object], *, single: bool = False
    ) -> Completion:
        from workloads.completion import Completion

        distinct = _distinct(names)
        self._interceptors.record(verb, *distinct)
        # Decided here and not where the work is done, so that it does not depend on which thread comes first.
        failures = {name: self._interceptors.failure(verb, name) for name in distinct}

        def bound(name: str) -> Callable[[], object]:
            def do() -> None:
                with self._world.operation(name, self._busy_timeout):
                    self._interceptors.pause(verb, name)
                    failure = failures[name]
                    if failure is not None:
                        raise failure
                    then = work(name)
                if callable(then):
                    then()

            return do

        return Completion({name: bound(name) for name in distinct}, single=single)

    def _create(self, verb: str, config: RunConfig) -> Run:
        self._interceptors.record(verb, config.name)
        self._lifecycle.admit(config)
        with self._world.operation(config.name, self._busy_timeout):
            self._interceptors.enter(verb, config.name)
            return self._lifecycle.create(config)

    def _lines(self, name: str, log: str, *, follow: bool, lines: int | None, replica: int | None) -> LineStream:
        if lines is not None and lines < 0:
            raise ValueError(f"lines must not be negative, got {lines}")
        entry = self._world.entry(name)
        return LineStream(
            self._world,
            entry.server_lines if log == "server_lines" else entry.proxy_lines,
            ended=lambda: entry.run is None,
            follow=follow,
            lines=lines,
            replica=replica,
        )


def _always_ready(_config: RunConfig) -> ServerBehaviour:
    return ServerBehaviour.READY


def _checked(name: str) -> str:
    from workloads.config import check_workload_name

    check_workload_name(name)
    return name


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each checked and once."""
    if isinstance(names, str):
        raise TypeError(f"names must be a sequence of names, not the string {names!r}; write [{names!r}]")
    return list(dict.fromkeys(_checked(name) for name in names))
