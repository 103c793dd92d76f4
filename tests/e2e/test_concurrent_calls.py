"""Calls at the same time, interrupted and timed out: none leaves a thread, process, descriptor or lock behind.

What is left is looked for after every test, by the fixture that all tests have.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import kill_runner, quick, runner_of
from tests.support.waiting import wait_until

from workloads import WorkloadExistsError, WorkloadFailedError, WorkloadsError, WorkloadStatus
from workloads._core.locks import FileLock
from workloads.managers.inventory import Inventory
from workloads.managers.lifecycle import Lifecycle
from workloads.managers.spawn import RunnerHandle

if TYPE_CHECKING:
    from workloads.managers.handshake import Event

CALLERS = 6


def together(call) -> list[WorkloadsError | None]:
    """Let several threads make a call at the same moment; returns how each ended."""
    outcomes: list[WorkloadsError | None] = []
    at_once = threading.Barrier(CALLERS)

    def attempt(number: int) -> None:
        at_once.wait()
        try:
            call(number)
            outcomes.append(None)
        except WorkloadsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert len(outcomes) == CALLERS, "one of them does not end"
    return outcomes


def assert_no_lock_is_held(manager) -> None:
    for lock in manager._inventory.paths.state.rglob("*+op.lock"):
        with FileLock(lock).held(0):
            pass


@contextmanager
def interrupted(after: float):
    """Interrupt the main thread after so many seconds, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("verb", ["start", "stop", "delete", "recover"])
def test_a_verb_that_is_called_many_times_at_once_is_done_once(manager, verb):
    manager.run_workload_detached(quick(), wait=20)
    if verb in ("start", "recover"):
        manager.stop_workloads(["quick"]).wait(20)
    calls = {
        "start": lambda _: manager.start_workloads(["quick"]).wait(150),
        "stop": lambda _: manager.stop_workloads(["quick"]).wait(150),
        "delete": lambda _: manager.delete_workloads(["quick"]).wait(150),
        "recover": lambda _: manager.recover().wait(150),
    }
    assert together(calls[verb]) == [None] * CALLERS
    if verb == "delete":
        assert manager.list_workloads(all=True) == []
    else:
        status = WorkloadStatus.RUNNING if verb == "start" else WorkloadStatus.STOPPED
        assert manager.get_workload("quick").status is status
    assert_no_lock_is_held(manager)


def test_updates_at_once_are_done_one_after_the_other_and_the_last_one_runs(manager):
    workload = manager.run_workload_detached(quick(), wait=20)
    assert (
        together(lambda number: manager.update_workload("quick", quick(env_vars={"TOKEN": f"t{number}"})).wait(150))
        == [None] * CALLERS
    )
    assert manager.get_run_config("quick").env_vars["TOKEN"] in call_tool(workload.url, "env")
    assert_no_lock_is_held(manager)


def test_different_verbs_at_once_leave_a_workload_that_is_what_it_is_said_to_be(manager):
    manager.run_workload_detached(quick(), wait=20)
    verbs = [
        lambda: manager.restart_workloads(["quick"]).wait(150),
        lambda: manager.stop_workloads(["quick"]).wait(150),
        lambda: manager.update_workload("quick", quick(env_vars={"A": "b"})).wait(150),
        lambda: manager.move_to_group(["quick"], "default", "default"),
        lambda: manager.run_workload_detached(quick(), wait=150),
        lambda: manager.recover().wait(150),
    ]
    outcomes = together(lambda number: verbs[number]())
    assert {type(error) for error in outcomes if error is not None} <= {WorkloadExistsError, WorkloadsError} | {
        type(error) for error in outcomes if "stopped before it was ready" in str(error)
    }
    manager.start_workloads(["quick"]).wait(20)
    assert call_tool(manager.get_workload("quick").url, "echo", text="one") == "one"
    assert manager.get_run_config("quick").env_vars == {"A": "b"}
    assert_no_lock_is_held(manager)


def test_a_wait_that_times_out_leaves_the_work_to_go_on(manager):
    manager.run_workload_detached(quick(), wait=20)
    completion = manager.restart_workloads(["quick"])
    with pytest.raises(TimeoutError, match="the work goes on"):
        completion.wait(0.01)
    assert not completion.done()
    assert completion.wait(30) == {"quick": None}
    assert manager.get_workload("quick").status is WorkloadStatus.RUNNING
    assert_no_lock_is_held(manager)


def test_an_interrupted_wait_leaves_the_work_to_go_on(manager):
    manager.run_workload_detached(quick(), wait=20)
    before = runner_of("quick")
    completion = manager.restart_workloads(["quick"])
    with interrupted(0.05), pytest.raises(KeyboardInterrupt):
        completion.wait()
    assert completion.wait(30) == {"quick": None}
    assert runner_of("quick") != before
    assert_no_lock_is_held(manager)


def test_a_run_that_is_interrupted_as_it_lets_go_of_its_workload_leaves_no_descriptor(manager, monkeypatch):
    sweeps = []

    def sweep(self: Inventory) -> None:
        sweeps.append(self)
        if len(sweeps) == 2:  # the first is before the work, the second after it
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Inventory, "sweep", sweep)
        with pytest.raises(KeyboardInterrupt):
            manager.run_workload_detached(quick(), wait=20)
    assert_no_lock_is_held(manager)
    wait_until(lambda: manager.get_workload("quick").status is WorkloadStatus.RUNNING)


def test_an_interruption_in_the_moment_in_which_a_foreground_run_ends_is_raised(manager, monkeypatch):
    next_event, struck = RunnerHandle.next_event, []

    def interrupted_once(self: RunnerHandle, timeout: float | None) -> Event | None:
        event = next_event(self, timeout)
        if event is not None and event.kind == "ended" and not struck:
            struck.append(event)  # nobody hears of it any more
            raise KeyboardInterrupt
        return event

    def stop() -> None:
        wait_until(lambda: [each.status for each in manager.list_workloads()] == [WorkloadStatus.RUNNING])
        manager.stop_workloads(["quick"]).wait(30)

    stopping = threading.Thread(target=stop)
    stopping.start()
    with monkeypatch.context() as patch:
        patch.setattr(RunnerHandle, "next_event", interrupted_once)
        with pytest.raises(KeyboardInterrupt):
            manager.run_workload(quick())
    stopping.join(30)
    assert struck
    assert manager.get_workload("quick").status is WorkloadStatus.STOPPED
    assert_no_lock_is_held(manager)


def test_an_interrupted_foreground_run_whose_drain_fails_is_a_failure(manager, monkeypatch):
    expect, killed = Lifecycle._expect, []

    def struck(self: Lifecycle, name: str, handle: RunnerHandle, kind: str, timeout: float | None) -> None:
        if kind != "ended" or killed:
            expect(self, name, handle, kind, timeout)
            return
        wait_until(lambda: manager.get_workload("quick").status is WorkloadStatus.RUNNING)
        kill_runner("quick")
        killed.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Lifecycle, "_expect", struck)
    with pytest.raises(WorkloadFailedError, match="without a word"):
        manager.run_workload(quick())
    assert killed


@pytest.mark.parametrize("after", [0.002, 0.05, 0.2, 0.5, 0.9])
def test_an_interrupted_run_leaves_nothing_or_a_workload(manager, after):
    try:
        with interrupted(after):
            manager.run_workload_detached(quick(), wait=20)
    except KeyboardInterrupt:
        assert_no_lock_is_held(manager)
    manager.recover().wait(30)
    if manager.does_workload_exist("quick"):
        manager.start_workloads(["quick"]).wait(30)
        wait_until(lambda: manager.get_workload("quick").status is WorkloadStatus.RUNNING)
        assert call_tool(manager.get_workload("quick").url, "echo", text="there") == "there"


def test_an_interrupted_wait_for_another_operation_holds_nothing(manager):
    manager.run_workload_detached(quick(backend_replicas=0))
    lock = manager._inventory.records.operation_lock("quick")
    with lock.held(0), interrupted(0.1), pytest.raises(KeyboardInterrupt):
        manager.run_workload_detached(quick(), wait=20)
    assert_no_lock_is_held(manager)
