"""Updates that prove the new before they let go of the old; recovery, pruning, groups and watching on real runners."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import kill_runner, quick, record_of, runner_of
from tests.support.waiting import ORPHANS_END, wait_until

import workloads
from workloads import EventType, WorkloadStatus
from workloads.errors import (
    BatchError,
    GroupNotFoundError,
    PortInUseError,
    RunConfigError,
    WorkloadFailedError,
    WorkloadNotFoundError,
)
from workloads.managers.inventory import Inventory


def test_an_update_keeps_name_and_port_and_runs_the_new(manager):
    before = manager.run_workload_detached(quick(), wait=20)
    manager.update_workload("quick", quick(env_vars={"NEW": "yes"})).wait(30)
    after = manager.get_workload("quick")
    assert (after.status, after.url, after.created_at) == (WorkloadStatus.RUNNING, before.url, before.created_at)
    assert '"NEW": "yes"' in call_tool(after.url, "env")
    assert manager.get_run_config("quick").env_vars == {"NEW": "yes"}
    assert manager.get_run_config("quick").port == before.port


def test_an_update_that_cannot_become_ready_gives_the_old_back(manager):
    """TH-13.18: an update is stop, delete, then save the new: no rollback, not atomic."""
    before = manager.run_workload_detached(quick(env_vars={"OLD": "yes"}), wait=20)
    stored = manager.get_run_config("quick")
    with pytest.raises(WorkloadFailedError, match="exited with code 4") as caught:
        manager.update_workload("quick", quick("quick", "--die", "4")).wait(60)
    assert "runs again as it was before" in caught.value.__notes__[0]
    assert manager.get_run_config("quick") == stored
    assert '"OLD": "yes"' in call_tool(before.url, "env")


def test_an_update_that_is_refused_changes_nothing(manager):
    manager.run_workload_detached(quick(), wait=20)
    runner = runner_of("quick")
    for config, error in (
        (quick("other"), RunConfigError),
        (quick(isolate_network=True), RunConfigError),
        (quick(port=taken_port()), PortInUseError),
    ):
        with pytest.raises(error):
            manager.update_workload("quick", config).wait(30)
    with pytest.raises(WorkloadNotFoundError):
        manager.update_workload("absent", quick("absent")).wait(30)
    assert runner_of("quick") == runner


def test_a_stopped_workload_is_updated_and_stays_stopped(manager):
    manager.run_workload_detached(quick(), wait=20)
    manager.stop_workloads(["quick"]).wait(20)
    manager.update_workload("quick", quick(env_vars={"NEW": "yes"})).wait(20)
    assert manager.get_workload("quick").status is WorkloadStatus.STOPPED
    assert manager.get_run_config("quick").env_vars == {"NEW": "yes"}


def test_an_update_that_was_interrupted_is_undone_by_the_next_change(manager):
    workload = manager.run_workload_detached(quick(env_vars={"OLD": "yes"}), wait=20)
    inventory = Inventory(manager._inventory.paths)
    inventory.configs.propose(quick(env_vars={"NEW": "yes"}, port=workload.port))
    assert manager.get_run_config("quick").env_vars == {"OLD": "yes"}
    manager.recover().wait(30)
    assert not inventory.configs.has_proposal("quick")
    assert '"OLD": "yes"' in call_tool(workload.url, "env")


def test_recover_starts_what_a_crash_ended_and_leaves_the_rest_alone(manager):
    for name in ("crashed", "running", "stopped"):
        manager.run_workload_detached(quick(name), wait=20)
    manager.stop_workloads(["stopped"]).wait(20)
    running = runner_of("running")
    replica = record_of("crashed").replicas[0].pid
    kill_runner("crashed")
    wait_until(lambda: not Path(f"/proc/{replica}").exists(), timeout=ORPHANS_END)
    manager.recover().wait(30)
    assert manager.get_workload("crashed").status is WorkloadStatus.RUNNING
    assert manager.get_workload("stopped").status is WorkloadStatus.STOPPED
    assert runner_of("running") == running


def test_prune_removes_what_is_left_of_workloads_that_are_gone(manager):
    manager.run_workload_detached(quick("kept"), wait=20)
    manager.run_workload_detached(quick("gone"), wait=20)
    replica = record_of("gone").replicas[0].pid
    manager._inventory.configs.delete("gone")
    assert [w.name for w in manager.list_workloads(all=True)] == ["kept"]
    assert manager.prune() == ["gone"]
    assert manager.prune() == []
    wait_until(lambda: not Path(f"/proc/{replica}").exists(), timeout=ORPHANS_END)
    assert manager.get_workload("kept").status is WorkloadStatus.RUNNING
    paths = manager._inventory.paths
    assert not [file for root in (paths.state, paths.data) for file in root.rglob("gone*") if file.suffix != ".lock"]


def test_workloads_move_between_groups_and_repeating_it_completes_it(manager):
    """TH-13.22: MoveToGroup validates neither group."""
    groups = workloads.new_group_manager(manager)
    groups.create("blue")
    groups.create("red")
    for name in ("a", "b", "c"):
        manager.run_workload_detached(quick(name, group="blue" if name != "c" else "red", backend_replicas=0))
    with pytest.raises(GroupNotFoundError):
        manager.move_to_group(["a"], "blue", "green")
    with pytest.raises(BatchError) as caught:
        manager.move_to_group(["a", "c", "absent"], "blue", "default")
    assert {n: type(e) for n, e in caught.value.results.items()} == {
        "a": WorkloadFailedError, "c": WorkloadFailedError, "absent": WorkloadNotFoundError,
    }  # fmt: skip
    assert manager.get_workload("a").group == "blue"
    for _ in range(2):
        manager.move_to_group(["a", "b"], "blue", "red")
    assert [w.name for w in manager.list_workloads_in_group("red")] == ["a", "b", "c"]
    assert manager.list_workloads_in_group("blue") == []


def test_a_watch_tells_the_life_of_a_workload(manager):
    seen: list[tuple[EventType, str]] = []
    with manager.watch_workloads() as watch:
        reader = threading.Thread(
            target=lambda: seen.extend((e.type, e.workload.status if e.workload else "") for e in watch)
        )
        reader.start()
        # Whoever takes events slowly gets one for many changes, so each is waited for.
        wait_until(lambda: seen == [(EventType.SYNCED, "")])
        manager.run_workload_detached(quick(), wait=20)
        wait_until(lambda: seen[-1][1] == "running")
        manager.stop_workloads(["quick"]).wait(20)
        wait_until(lambda: seen[-1] == (EventType.MODIFIED, "stopped"))
        manager.delete_workloads(["quick"]).wait(20)
        wait_until(lambda: seen[-1][0] is EventType.DELETED)
        watch.close()
        reader.join(30)
    assert seen[1][0] is EventType.ADDED


def taken_port() -> int:
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    _kept.append(listener)
    return listener.getsockname()[1]


_kept: list[object] = []


@pytest.fixture(autouse=True)
def _close_listeners():
    yield
    while _kept:
        _kept.pop().close()
