"""The public interface as users write it. Type checkers read this; nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import workloads
from workloads import (
    Backend,
    BackendDiscoverer,
    BackendEvent,
    BackendHealth,
    BatchError,
    Capability,
    Completion,
    Detection,
    Group,
    GroupManager,
    LocalManager,
    Manager,
    Problem,
    ProxyMode,
    RunConfig,
    RunConfigError,
    Settings,
    TransportType,
    Workload,
    WorkloadLifecycle,
    WorkloadLogs,
    WorkloadReader,
    WorkloadsError,
    WorkloadStatus,
    detect_runtime,
    new_backend_discoverer,
    new_group_manager,
    new_manager,
)

if TYPE_CHECKING:
    from workloads.manager import Stream

assert_type(workloads.__version__, str)


def describes_a_workload() -> RunConfig:
    config = RunConfig(
        name="notes",
        command=("python", "server.py"),
        transport="streamable-http",
        target_port=8080,
        env_vars={"LOG_LEVEL": "info"},
        group="engineering",
    )
    assert_type(config.name, str)
    assert_type(config.command, tuple[str, ...])
    assert_type(config.backend_replicas, int | None)
    assert_type(config.effective_backend_replicas, int | None)
    assert_type(config.with_backend_replicas(2), RunConfig)
    assert_type(config.to_json(), str)
    return RunConfig.from_yaml(config.to_yaml())


def finds_out_what_is_wrong(text: str) -> list[str]:
    try:
        RunConfig.from_json(text)
    except RunConfigError as error:
        assert_type(error.problems, tuple[Problem, ...])
        return [problem.path for problem in error.problems]
    return []


def runs_and_observes(config: RunConfig) -> str:
    with new_manager("process", settings=Settings(state_dir=Path("state"))) as manager:
        assert_type(manager.capabilities, frozenset[Capability])
        workload = manager.run_workload_detached(config, wait=30)
        assert_type(workload, Workload)
        assert_type(workload.status, WorkloadStatus)
        assert_type(workload.transport, TransportType)
        assert_type(workload.proxy_mode, ProxyMode)
        assert_type(workload.labels, Mapping[str, str])
        assert_type(manager.list_workloads(all=True, labels={"team": "search"}), list[Workload])
        return workload.url


def reads_logs(manager: WorkloadLogs) -> list[str]:
    with manager.get_logs("notes", lines=20) as lines:
        stream: Stream[str] = lines
        return list(stream)


def ends(manager: WorkloadLifecycle) -> Mapping[str, WorkloadsError | None]:
    completion = manager.stop_workloads(["notes"], grace=5.0)
    assert_type(completion, Completion)
    try:
        return completion.wait(timeout=60)
    except BatchError as error:
        assert_type(error.results, Mapping[str, WorkloadsError | None])
        return error.results


async def awaits(manager: WorkloadLifecycle) -> None:
    assert_type(await manager.restart_workloads(["notes"]), dict[str, WorkloadsError | None])


def groups(manager: Manager) -> list[Group]:
    managed: GroupManager = new_group_manager(manager)
    managed.create("engineering")
    return managed.list()


def discovers(reader: WorkloadReader) -> dict[str, BackendHealth]:
    discoverer = new_backend_discoverer(reader)
    assert_type(discoverer, BackendDiscoverer)
    assert_type(discoverer.discover("engineering"), list[Backend])
    found: dict[str, BackendHealth] = {}
    with discoverer.watch("engineering") as events:
        for event in events:
            assert_type(event, BackendEvent)
            if event.backend is None:
                break
            assert_type(event.backend.transport, ProxyMode)
            assert_type(event.backend.metadata, Mapping[str, str])
            found[event.backend.url] = event.backend.health
    return found


def explains() -> dict[str, str]:
    detection = detect_runtime()
    assert_type(detection, Detection)
    return {candidate.name: candidate.reason for candidate in detection.candidates}


def a_local_manager_is_a_manager(manager: LocalManager) -> Manager:
    return manager


def every_manager_reads(manager: Manager) -> WorkloadReader:
    return manager
