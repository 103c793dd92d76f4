"""Groups and what is left of workloads, on state folders in which nothing runs."""

from __future__ import annotations

import pytest

import workloads
from workloads import RunConfig, Settings, WorkloadStatus
from workloads._core.paths import Paths
from workloads.errors import (
    BatchError,
    CorruptStateError,
    GroupNotEmptyError,
    GroupNotFoundError,
    WorkloadFailedError,
    WorkloadNotFoundError,
)
from workloads.state import RunConfigStore, StatusStore


@pytest.fixture
def paths(state_dir):
    return Paths.locate(state_dir=state_dir)


@pytest.fixture
def manager(state_dir, paths):
    with workloads.new_manager("process", settings=Settings(state_dir=state_dir)) as manager:
        groups = workloads.new_group_manager(manager)
        for name in ("blue", "red"):
            groups.create(name)
        for name, group in (("a", "blue"), ("b", "blue"), ("c", "red"), ("d", "")):
            RunConfigStore(paths).save(RunConfig(name=name, command=["x"], group=group))
        yield manager


def names(found):
    return [workload.name for workload in found]


def test_workloads_move_and_repeating_it_changes_nothing(manager):
    for _ in range(2):
        manager.move_to_group(["a", "b"], "blue", "red")
        assert names(manager.list_workloads_in_group("red")) == ["a", "b", "c"]
        assert manager.list_workloads_in_group("blue") == []
    manager.move_to_group(["d", "d"], "default", "blue")
    assert names(manager.list_workloads_in_group("blue")) == ["d"]


def test_nothing_moves_while_one_cannot(manager):
    with pytest.raises(BatchError) as caught:
        manager.move_to_group(["a", "c", "absent"], "blue", "default")
    assert {name: type(outcome) for name, outcome in caught.value.results.items()} == {
        "a": WorkloadFailedError, "c": WorkloadFailedError, "absent": WorkloadNotFoundError,
    }  # fmt: skip
    assert names(manager.list_workloads_in_group("blue")) == ["a", "b"]
    with pytest.raises(GroupNotFoundError):
        manager.move_to_group(["a"], "blue", "green")


def test_a_damaged_run_config_is_in_no_group_and_cannot_move(manager, paths):
    (paths.runconfigs / "a.json").write_text("{")
    with pytest.raises(BatchError) as caught:
        manager.move_to_group(["a", "b"], "blue", "red")
    assert isinstance(caught.value.results["a"], CorruptStateError)
    groups = workloads.new_group_manager(manager)
    with pytest.raises(GroupNotEmptyError) as refused:
        groups.delete("blue")
    assert refused.value.members == ("b",)
    groups.delete("blue", move_members_to="red")
    assert manager.get_run_config("b").group == "red"


def test_what_is_left_of_workloads_that_are_gone_is_pruned(manager, paths):
    StatusStore(paths).set("gone", WorkloadStatus.STOPPED)
    assert manager.prune() == ["gone"]
    assert manager.prune() == []
    assert names(manager.list_workloads(all=True)) == ["a", "b", "c", "d"]


def test_recovering_leaves_alone_what_was_not_running(manager, paths):
    StatusStore(paths).set("a", WorkloadStatus.STOPPED)
    StatusStore(paths).set("b", WorkloadStatus.ERROR, "exited with code 1")
    assert set(manager.recover().wait(20)) == {"a", "b", "c", "d"}
    assert manager.list_workloads() == []


def test_a_stopped_workload_is_updated_without_being_started(manager, paths):
    StatusStore(paths).set("a", WorkloadStatus.STOPPED)
    manager.update_workload("a", RunConfig(name="a", image="uvx://other", group="blue")).wait(20)
    assert manager.get_run_config("a").image == "uvx://other"
    assert manager.get_workload("a").status is WorkloadStatus.STOPPED
