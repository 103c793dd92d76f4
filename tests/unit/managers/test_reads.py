"""Looking at the workloads of a state folder: what is seen of them, and that nothing is written."""

from __future__ import annotations

import os
import threading

import pytest

import workloads
from workloads import RunConfig, RunConfigError, Settings, WorkloadStatus
from workloads._core import process
from workloads._core.paths import Paths
from workloads.managers import admission
from workloads.runtimes.process.runtime import ProcessRuntime
from workloads.state import RunConfigStore, RuntimeRecord, RuntimeRecordStore, StatusStore


@pytest.fixture
def paths(state_dir):
    return Paths.locate(state_dir=state_dir)


@pytest.fixture
def manager(state_dir):
    with workloads.new_manager("process", settings=Settings(state_dir=state_dir)) as manager:
        yield manager


def put(paths, name, status=WorkloadStatus.RUNNING, *, process_id=0, runtime="process", **record):
    RunConfigStore(paths).save(RunConfig(name=name, command=["x"], port=4000, **record.pop("config", {})))
    StatusStore(paths).set(name, status, process_id=process_id)
    RuntimeRecordStore(paths).write(RuntimeRecord(name=name, runtime=runtime, **record))


def contents(paths):
    files = [file for file in paths.state.rglob("*") if file.is_file()]
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_a_workload_whose_engine_is_away_is_unknown_and_nothing_is_written(paths, manager, runtime):
    """TH-13.13: reads write `unhealthy` for good, nothing heals it, and another runtime's are poisoned on list."""
    put(paths, "a", runtime=runtime, runner=process.current())
    put(paths, "b", WorkloadStatus.ERROR, runtime=runtime)
    before = contents(paths)
    for _ in range(3):
        first, second = manager.list_workloads(all=True)
        assert (first.status, first.runtime) == (WorkloadStatus.UNKNOWN, runtime)
        assert first.status_context.startswith(f"{runtime} does not answer: ")
        assert manager.get_workload("a") == first
        assert second.status is WorkloadStatus.ERROR
        assert manager.does_workload_exist("a")
    assert contents(paths) == before


def test_reads_write_nothing_and_what_lives_again_is_healthy_again(paths, manager):
    """TH-13.13: reads write `unhealthy` for good, nothing heals it, and another runtime's are poisoned on list."""
    dead = process.ProcessIdentity(2**22 + 1, 1, "boot", "namespace", "host")
    put(paths, "a", runner=dead)
    before = contents(paths)
    for _ in range(3):
        assert [workload.status for workload in manager.list_workloads(all=True)] == [WorkloadStatus.UNHEALTHY]
        assert manager.get_workload("a").status is WorkloadStatus.UNHEALTHY
        assert manager.does_workload_exist("a")
        assert [workload.name for workload in manager.list_workloads_in_group("default")] == ["a"]
    assert contents(paths) == before

    records = RuntimeRecordStore(paths)
    records.write(RuntimeRecord(name="a", runtime="process", runner=process.current()))
    assert manager.get_workload("a").status is WorkloadStatus.RUNNING
    assert [workload.status for workload in manager.list_workloads()] == [WorkloadStatus.RUNNING]


@pytest.mark.parametrize("process_id", [0, 1, 2**22 + 1])
def test_a_runner_is_judged_by_its_identity_and_never_by_the_pid_of_the_status(paths, manager, process_id):
    """TH-13.14: pid 0, or a live PID of another user (EPERM), is judged dead."""
    put(paths, "alive", process_id=process_id, runner=process.current())
    put(paths, "starting", WorkloadStatus.STARTING, process_id=process_id, launcher=process.current())
    assert {workload.name: workload.status for workload in manager.list_workloads(all=True)} == {
        "alive": WorkloadStatus.RUNNING, "starting": WorkloadStatus.STARTING,
    }  # fmt: skip


def test_a_remote_workload_is_judged_as_any_other(paths, manager):
    """TH-13.24: a remote workload with a dead proxy stays `running`."""
    put(paths, "far", config={"remote_url": "https://example.org/mcp"})
    assert manager.get_workload("far").remote
    assert manager.get_workload("far").status is WorkloadStatus.UNHEALTHY


def test_lists_are_sorted_whatever_the_order_on_the_disk(paths, manager):
    """TH-13.22: the order of ListWorkloads is undefined."""
    names = [f"w{number * 37 % 100:02}" for number in range(100)]
    for name in names:
        put(paths, name, runner=process.current())
    assert [workload.name for workload in manager.list_workloads()] == sorted(names)


def test_the_last_lines_of_a_log_need_no_other_program(paths, manager, monkeypatch):
    """TH-13.21: the lines of a log are read by a `tail` subprocess."""
    put(paths, "a", WorkloadStatus.STOPPED)
    log = paths.proxy_log("a")
    log.parent.mkdir(mode=0o700)
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(os, "posix_spawn", None)
    monkeypatch.setattr("subprocess.Popen", None)
    with manager.get_proxy_logs("a", lines=2) as lines:
        assert list(lines) == ["line 998", "line 999"]


def test_a_base_name_that_would_put_the_log_elsewhere_is_refused(paths):
    """TH-13.21: the log path uses the given name while the writer uses the base name."""
    config = RunConfig(name="a", base_name="b", command=["x"])
    assert [problem.path for problem in admission.problems(config, ProcessRuntime())] == ["base_name"]
    with pytest.raises(RunConfigError, match="base_name"):
        admission.admit(config, ProcessRuntime())


def test_a_workload_that_shares_a_folder_with_toolhive_does_not_sleep():
    config = RunConfig(name="a", command=["x"], idle_timeout="5m")
    assert admission.problems(config, ProcessRuntime()) == []
    (problem,) = admission.problems(config, ProcessRuntime(), app="toolhive")
    assert problem.path == "idle_timeout"


def test_what_a_local_process_uses_is_told_as_long_as_it_lives(paths, manager):
    dead = process.ProcessIdentity(2**22 + 1, 1, "boot", "namespace", "host")
    put(paths, "a", replicas=(process.current(), dead))
    (stats,) = manager.get_stats("a")
    assert stats.memory > 2**20
    assert stats.cpu_seconds > 0
    assert stats.pids >= threading.active_count()
    assert (stats.index, stats.memory_limit, stats.network_sent) == (0, None, None)


def test_what_is_not_here_uses_nothing_here(paths, manager):
    put(paths, "a", config={"remote_url": "https://example.org/mcp"})
    with pytest.raises(workloads.UnsupportedOperationError, match="its server runs elsewhere"):
        manager.get_stats("a")
    with pytest.raises(workloads.WorkloadNotFoundError):
        manager.get_stats("b")
