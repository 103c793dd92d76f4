"""A manager that is killed at any point of a change loses nothing, and the change can be made again."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from tests.support.crash_driver import config
from tests.support.leaks import strays
from tests.support.waiting import wait_until

from workloads import LocalManager, Settings, WorkloadExistsError, WorkloadStatus
from workloads.testing import crashes

DRIVER = str(Path(__file__).parents[1] / "support" / "crash_driver.py")
# Of every verb so many points, the same each time; CRASH_POINTS=100 takes all of them.
SAMPLE = int(os.environ.get("CRASH_POINTS", "4"))
OLD, NEW = {}, {"NEW": "yes"}


@pytest.fixture
def state(tmp_path):
    """A state folder with a stopped workload, an empty group, and a copy of it to begin each time from."""
    state = tmp_path / "state"
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        manager.groups.create("blue")
        manager.run_workload_detached(config())
        manager.stop_workloads(["one"]).wait(20)
    shutil.copytree(state, tmp_path / "template")
    yield state
    forget(state)


def restore(state: Path, *, empty: bool) -> None:
    shutil.rmtree(state, ignore_errors=True)
    if not empty:
        shutil.copytree(state.with_name("template"), state)


def crashed(state: Path, verb: str):
    """Let a process be killed at points of a verb; yields each point, and a manager of what was left."""
    empty = verb == "create"
    command = [sys.executable, DRIVER, str(state), verb]
    restore(state, empty=empty)
    points = crashes.survey(command, within=state)
    forget(state)
    assert len(points) > 4, points
    chosen = random.Random(verb).sample(points, min(SAMPLE, len(points)))
    for point in sorted(chosen):
        restore(state, empty=empty)
        crashes.crash(command, point, within=state)
        wait_until(lambda: strays(state) <= owners(state), timeout=2)
        assert_whole(state)
        with LocalManager(settings=Settings(state_dir=state)) as manager:
            yield point, manager
        forget(state)


def forget(state: Path) -> None:
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        manager.delete_workloads(["one"]).wait(20)
        manager.prune()
    wait_until(lambda: not strays(state), timeout=2)


def owners(state: Path) -> set[int]:
    """The process that the records say owns the workload."""
    record = state / "runtimes" / "one.json"
    if not record.exists():
        return set()
    runner = json.loads(record.read_text())["runner"]
    return set() if runner is None else {runner["pid"]}


def assert_whole(state: Path) -> None:
    """Every file that counts is a whole document."""
    for file in state.rglob("*.json"):
        if not file.name.startswith("."):
            assert isinstance(json.loads(file.read_text()), dict), file


def test_a_create_that_is_cut_leaves_nothing_or_a_workload_that_can_be_started(state):
    for point, manager in crashed(state, "create"):
        for workload in manager.list_workloads(all=True):
            assert workload.status is not WorkloadStatus.ERROR, (point, workload)
            assert manager.get_run_config("one").env_vars == NEW, point
        try:
            manager.run_workload_detached(config(env_vars=NEW), wait=20)
        except WorkloadExistsError:
            manager.start_workloads(["one"]).wait(20)
        assert manager.get_workload("one").status is WorkloadStatus.STOPPED, point  # as it has no replicas
        assert owners(state) == strays(state) != set(), point


def test_an_update_that_is_cut_leaves_the_old_or_the_new(state):
    for point, manager in crashed(state, "update"):
        assert manager.get_run_config("one").env_vars in (OLD, NEW), point
        assert manager.get_workload("one").status is WorkloadStatus.STOPPED, point
        manager.update_workload("one", config(env_vars=NEW)).wait(20)
        assert manager.get_run_config("one").env_vars == NEW, point


def test_an_update_of_a_running_workload_that_is_cut_can_be_made_again_and_leaves_it_running(state):
    for point, manager in crashed(state, "start-and-update"):
        assert manager.get_run_config("one").env_vars in (OLD, NEW), point
        manager.update_workload("one", config(env_vars=NEW)).wait(20)
        assert manager.get_run_config("one").env_vars == NEW, point
        assert owners(state) == strays(state) != set(), point


def test_an_update_of_a_running_workload_that_is_cut_is_recovered_from(state):
    for point, manager in crashed(state, "start-and-update"):
        before = manager.get_run_config("one").env_vars
        manager.recover().wait(20)
        assert manager.get_run_config("one").env_vars == before, point
        assert owners(state) == strays(state) != set(), point


def test_a_move_that_is_cut_leaves_the_workload_in_one_of_both_groups(state):
    for point, manager in crashed(state, "move"):
        assert manager.get_workload("one").group in ("default", "blue"), point
        manager.move_to_group(["one"], "default", "blue")
        assert [workload.name for workload in manager.list_workloads_in_group("blue")] == ["one"], point


@pytest.mark.parametrize("verb", ["delete", "start-and-delete"])
def test_a_delete_that_is_cut_leaves_a_workload_that_is_seen_or_nothing(state, verb):
    for point, manager in crashed(state, verb):
        for workload in manager.list_workloads(all=True):
            assert workload.status is not WorkloadStatus.ERROR, (point, workload)
            assert manager.get_run_config("one").env_vars == OLD, point
        assert manager.delete_workloads(["one"]).wait(20) == {"one": None}
        assert not manager.does_workload_exist("one"), point
        assert manager.prune() == [], point
        assert strays(state) == set(), point
