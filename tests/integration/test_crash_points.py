"""Who is killed at any point of a change loses nothing, leaves nothing behind, and the change can be made again.

Where a point takes long, because proxy runners start, some are taken, the same each time: ``CRASH_POINTS=all`` takes
every one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.crash_driver import STARTED, config, vault
from tests.support.leaks import strays
from tests.support.waiting import ORPHANS_END, wait_until

from workloads import LocalManager, Settings, WorkloadExistsError, WorkloadNotFoundError, WorkloadStatus
from workloads.testing import crashes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.testing.crashes import CrashPoint

pytestmark = [pytest.mark.needs("linux")]
DRIVER = str(Path(__file__).parents[1] / "support" / "crash_driver.py")
SAMPLE = os.environ.get("CRASH_POINTS", "2")
if SAMPLE == "all":
    pytestmark.append(pytest.mark.timeout(1800))
QUICK = {"update", "move", "set-secret"}
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


def crashed(state: Path, verb: str, *, all_points: bool = True) -> Iterator[tuple[CrashPoint, LocalManager]]:
    """Let a process be killed at points of a verb; yields each point, and a manager of what was left."""
    empty = verb == "create"
    command = [sys.executable, DRIVER, str(state), verb]
    restore(state, empty=empty)
    points = crashes.survey(command, within=state)
    forget(state)
    assert len(points) > 4, points
    every = SAMPLE == "all" or (all_points and verb in QUICK)
    chosen = points if every else random.Random(verb).sample(points, int(SAMPLE))
    for point in sorted(chosen):
        restore(state, empty=empty)
        try:
            crashes.crash(command, point, within=state)
        except RuntimeError:
            # The threads of a runner do not always pass their last points in time; it has ended well then.
            if verb != "runner" or point.number < len(points) - 5:
                raise
        # A runner whose manager was killed may still be on its way: half of the next calls come before it is there.
        if point.number % 2:
            assert_nothing_astray(state)
        assert_whole(state)
        with LocalManager(settings=Settings(state_dir=state)) as manager:
            yield point, manager
        assert_nothing_astray(state)
        wait_until(lambda: not left_over(state))  # a runner that lives may be writing
        forget(state)


def forget(state: Path) -> None:
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        manager.delete_workloads(["one"]).wait(20)
        manager.prune()
    wait_until(lambda: not strays(state), timeout=ORPHANS_END)


def owners(state: Path) -> set[int]:
    """The processes that the record says the workload consists of: runner, and servers with what attends to them."""
    record = state / "runtimes" / "one.json"
    if not record.exists():
        return set()
    document = json.loads(record.read_text())
    runner = document["runner"]
    return set() if runner is None else {runner["pid"]}


def assert_nothing_astray(state: Path) -> None:
    wait_until(lambda: strays(state) <= owners(state), timeout=ORPHANS_END)


def assert_whole(state: Path) -> None:
    """Every file that counts is a whole document."""
    for file in state.rglob("*.json"):
        if not file.name.startswith("."):
            assert isinstance(json.loads(file.read_text()), dict), file


def left_over(state: Path) -> list[Path]:
    """What writers that were killed have left behind."""
    return list(state.rglob(".*.tmp-*"))


def assert_running(state: Path, point: CrashPoint) -> None:
    """The workload, which has no servers, has its one proxy runner."""
    assert owners(state) == strays(state) != set(), point


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
        assert_running(state, point)


def test_a_start_that_is_cut_can_be_made_again_or_updated(state):
    for point, manager in crashed(state, "start"):
        if point.number % 3:
            manager.start_workloads(["one"]).wait(20)
        else:
            # Not with the old run config, should a runner that was launched before still come.
            manager.update_workload("one", config(env_vars=NEW)).wait(20)
            manager.recover().wait(20)
            assert manager.get_run_config("one").env_vars == NEW, point
            manager.start_workloads(["one"]).wait(20)
        assert_running(state, point)


def test_a_stop_that_is_cut_leaves_a_workload_that_runs_or_is_stopped(state):
    for point, manager in crashed(state, STARTED + "stop"):
        seen = manager.get_workload("one").status
        assert seen in (WorkloadStatus.STOPPED, WorkloadStatus.STOPPING), (point, seen)
        manager.stop_workloads(["one"]).wait(20)
        assert manager.get_workload("one").status is WorkloadStatus.STOPPED, point
        assert owners(state) == set(), point


def test_a_restart_that_is_cut_can_be_made_again(state):
    for point, manager in crashed(state, STARTED + "restart"):
        assert manager.get_run_config("one").env_vars == OLD, point
        manager.restart_workloads(["one"]).wait(20)
        assert_running(state, point)


def test_an_update_that_is_cut_leaves_the_old_or_the_new(state):
    for point, manager in crashed(state, "update"):
        assert manager.get_run_config("one").env_vars in (OLD, NEW), point
        assert manager.get_workload("one").status is WorkloadStatus.STOPPED, point
        manager.update_workload("one", config(env_vars=NEW)).wait(20)
        assert manager.get_run_config("one").env_vars == NEW, point


def test_an_update_of_a_running_workload_that_is_cut_can_be_made_again_and_leaves_it_running(state):
    for point, manager in crashed(state, STARTED + "update"):
        assert manager.get_run_config("one").env_vars in (OLD, NEW), point
        manager.update_workload("one", config(env_vars=NEW)).wait(20)
        assert manager.get_run_config("one").env_vars == NEW, point
        assert_running(state, point)


def test_an_update_of_a_running_workload_that_is_cut_is_recovered_from(state):
    for point, manager in crashed(state, STARTED + "update"):
        before = manager.get_run_config("one").env_vars
        manager.recover().wait(20)
        assert manager.get_run_config("one").env_vars == before, point
        assert_running(state, point)


def test_a_recovery_that_is_cut_is_completed_by_the_next(state):
    for point, manager in crashed(state, STARTED + "recover"):
        manager.recover().wait(20)
        assert manager.get_run_config("one").env_vars == OLD, point
        assert_running(state, point)


def test_a_move_that_is_cut_leaves_the_workload_in_one_of_both_groups(state):
    for point, manager in crashed(state, "move"):
        assert manager.get_workload("one").group in ("default", "blue"), point
        manager.move_to_group(["one"], "default", "blue")
        assert [workload.name for workload in manager.list_workloads_in_group("blue")] == ["one"], point
        manager.prune()


@pytest.mark.parametrize("verb", ["delete", STARTED + "delete"])
def test_a_delete_that_is_cut_leaves_a_workload_that_is_seen_or_nothing(state, verb):
    for point, manager in crashed(state, verb):
        for workload in manager.list_workloads(all=True):
            assert workload.status is not WorkloadStatus.ERROR, (point, workload)
            assert manager.get_run_config("one").env_vars == OLD, point
        assert manager.delete_workloads(["one"]).wait(20) == {"one": None}
        assert not manager.does_workload_exist("one"), point
        assert manager.prune() == [], point
        assert strays(state) == set(), point


def test_a_delete_that_is_cut_is_finished_by_a_recovery_or_leaves_a_stopped_workload(state):
    for point, manager in crashed(state, "delete", all_points=False):
        manager.recover().wait(20)
        try:
            seen = manager.get_workload("one").status
        except WorkloadNotFoundError:
            continue
        assert seen is WorkloadStatus.STOPPED, (point, seen)
        manager.start_workloads(["one"]).wait(20)
        assert_running(state, point)


def test_a_prune_that_is_cut_is_completed_by_the_next(state):
    for point, manager in crashed(state, STARTED + "prune"):
        assert manager.list_workloads(all=True) == [], point
        manager.prune()
        assert manager.prune() == [], point
        assert not [file for file in state.rglob("one*") if file.suffix != ".lock"], point


@pytest.mark.needs("secrets")
def test_a_secret_that_is_being_set_is_there_or_not_and_no_other_is_lost(state):
    for point, _ in crashed(state, "set-secret"):
        provider = vault(state)
        assert provider.get("kept") == "kept value", point
        assert provider.get("new") in (None, "new value"), point
        provider.set("new", "new value")
        assert provider.names() == ["kept", "new"], point


def test_a_runner_that_is_killed_takes_its_server_with_it_and_can_be_replaced(state):
    for point, manager in crashed(state, "runner"):
        wait_until(lambda: not strays(state), timeout=ORPHANS_END)
        seen = manager.get_workload("one")
        assert seen.status in (WorkloadStatus.UNHEALTHY, WorkloadStatus.STOPPED), (point, seen)
        manager.start_workloads(["one"]).wait(20)
        assert manager.get_workload("one").status is WorkloadStatus.RUNNING, point
        manager.stop_workloads(["one"]).wait(20)
        assert strays(state) == set(), point
