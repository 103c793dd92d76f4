"""A manager that manages nothing, for tests of what sits on top of one."""

from __future__ import annotations

import queue
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import attrs

from workloads.completion import Completion
from workloads.errors import (
    GroupExistsError,
    GroupNotEmptyError,
    GroupNotFoundError,
    WorkloadExistsError,
    WorkloadNotFoundError,
)
from workloads.groups import Group
from workloads.model import (
    DEFAULT_GROUP,
    Capability,
    Isolation,
    ProxyMode,
    ReplicaCount,
    TransportType,
    Workload,
    WorkloadStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from workloads.config import RunConfig

CREATED = datetime(2026, 1, 5, 9, 12, 44, tzinfo=UTC)


def a_workload(name: str = "time", **changes: Any) -> Workload:
    """A running workload, with whatever a test wants different."""
    running = Workload(
        name=name,
        runtime="process",
        image="uvx://mcp-server-time",
        command=(),
        status=WorkloadStatus.RUNNING,
        status_context="",
        url=f"http://127.0.0.1:41733/mcp?{name}",
        port=41733,
        transport=TransportType.STDIO,
        proxy_mode=ProxyMode.STREAMABLE_HTTP,
        group=DEFAULT_GROUP,
        labels={},
        created_at=CREATED,
        started_at=CREATED + timedelta(seconds=1),
        remote=False,
        replicas=ReplicaCount(1, 1),
        asleep=False,
        isolation=Isolation.NONE,
    )
    return attrs.evolve(running, **changes)


class FakeStream:
    """Lines that are there, and then those that are put, until it is closed or ended."""

    def __init__(self, lines: Iterable[str], *, follow: bool) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for line in lines:
            self._lines.put(line)
        if not follow:
            self._lines.put(None)
        self.closed = threading.Event()

    def put(self, line: str) -> None:
        self._lines.put(line)

    def close(self) -> None:
        self.closed.set()
        self._lines.put(None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if (line := self._lines.get()) is None:
            raise StopIteration
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        self.close()


class FakeGroups:
    """The groups of a fake manager."""

    def __init__(self, manager: FakeManager) -> None:
        self._manager = manager

    def create(self, name: str) -> Group:
        if name in self._manager.groups:
            raise GroupExistsError(name)
        self._manager.groups.add(name)
        return Group(name)

    def list(self) -> list[Group]:
        return [Group(name) for name in sorted(self._manager.groups)]

    def delete(self, name: str, *, move_members_to: str | None = None) -> None:
        members = self._manager.list_workloads_in_group(name)
        if members and move_members_to is None:
            raise GroupNotEmptyError(name, [workload.name for workload in members])
        for workload in members:
            self._manager.workloads[workload.name] = attrs.evolve(workload, group=move_members_to)
        self._manager.groups.remove(name)


class FakeManager:
    """Workloads in a dictionary. What a test wants to go wrong it puts into ``failures``, by name."""

    def __init__(self, *workloads: Workload) -> None:
        self.workloads = {workload.name: workload for workload in workloads}
        self.configs: dict[str, RunConfig] = {}
        self.groups = {DEFAULT_GROUP, *(workload.group for workload in workloads)}
        self.failures: dict[str, BaseException] = {}
        self.lines: list[str] = []
        self.proxy_lines: list[str] = []
        self.streams: list[FakeStream] = []
        self.calls: list[tuple[str, Any]] = []
        self.foreground: Callable[[RunConfig], None] = lambda config: None
        self.closed = False

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.RUN_FOREGROUND, Capability.PROXY_LOGS})

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        self.close()

    def get_workload(self, name: str) -> Workload:
        self._fail(name)
        if name not in self.workloads:
            raise WorkloadNotFoundError(name)
        return self.workloads[name]

    def get_run_config(self, name: str) -> RunConfig:
        self.get_workload(name)
        return self.configs[name]

    def list_workloads(self, *, all: bool = False, labels: Mapping[str, str] | None = None) -> list[Workload]:  # noqa: A002  # the documented name
        wanted = (labels or {}).items()
        return [
            workload
            for _, workload in sorted(self.workloads.items())
            if (all or workload.status.is_active) and wanted <= dict(workload.labels).items()
        ]

    def list_workloads_in_group(self, group: str) -> list[Workload]:
        if group not in self.groups:
            raise GroupNotFoundError(group)
        return [workload for workload in self.list_workloads(all=True) if workload.group == group]

    def does_workload_exist(self, name: str) -> bool:
        return name in self.workloads

    def run_workload(self, config: RunConfig) -> None:
        self.calls.append(("run_workload", config))
        self._create(config)
        self.foreground(config)

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        self.calls.append(("run_workload_detached", wait))
        return self._create(config)

    def start_workloads(self, names: Sequence[str]) -> Completion:
        return self._batch("start", names, lambda name: self._become(name, WorkloadStatus.RUNNING))

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return self._batch(f"stop {grace:g}", names, lambda name: self._become(name, WorkloadStatus.STOPPED))

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return self._batch(f"restart {grace:g}", names, lambda name: self._become(name, WorkloadStatus.RUNNING))

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        return self._batch(f"delete {grace:g}", names, lambda name: self.workloads.pop(name, None))

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> FakeStream:
        self.get_workload(name)
        self.calls.append(("get_logs", (name, follow, lines, replica)))
        return self._stream(self.lines, follow)

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> FakeStream:
        self.get_workload(name)
        self.calls.append(("get_proxy_logs", (name, follow, lines)))
        return self._stream(self.proxy_lines, follow)

    def _stream(self, lines: list[str], follow: bool) -> FakeStream:
        stream = FakeStream(lines, follow=follow)
        self.streams.append(stream)
        return stream

    def _create(self, config: RunConfig) -> Workload:
        self._fail(config.name)
        if config.name in self.workloads:
            raise WorkloadExistsError(config.name, self.workloads[config.name].status)
        if config.effective_group not in self.groups:
            raise GroupNotFoundError(config.effective_group)
        self.configs[config.name] = config
        self.workloads[config.name] = a_workload(config.name, image=config.image, group=config.effective_group)
        return self.workloads[config.name]

    def _become(self, name: str, status: WorkloadStatus) -> None:
        self.workloads[name] = attrs.evolve(self.get_workload(name), status=status)

    def _batch(self, verb: str, names: Sequence[str], work: Callable[[str], object]) -> Completion:
        self.calls.append((verb, tuple(names)))

        def bound(name: str) -> Callable[[], object]:
            def do() -> None:
                self._fail(name)
                work(name)

            return do

        return Completion({name: bound(name) for name in names})

    def _fail(self, name: str) -> None:
        if (error := self.failures.get(name)) is not None:
            raise error
