"""Operations on one workload wait for each other, for as long as the caller says."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support.quick import quick

from workloads import LocalManager, Settings, WorkloadBusyError
from workloads.errors import BatchError

TIME = 0.2


@pytest.fixture
def manager(state_dir):
    with LocalManager(settings=Settings(state_dir=state_dir, busy_timeout=TIME)) as manager:
        manager.groups.create("blue")
        manager._inventory.configs.save(quick(port=4711))
        yield manager


VERBS = {
    "start": lambda manager: manager.start_workloads(["quick"]).wait(20),
    "stop": lambda manager: manager.stop_workloads(["quick"]).wait(20),
    "restart": lambda manager: manager.restart_workloads(["quick"]).wait(20),
    "delete": lambda manager: manager.delete_workloads(["quick"]).wait(20),
    "update": lambda manager: manager.update_workload("quick", quick()).wait(20),
    "recover": lambda manager: manager.recover().wait(20),
    "move": lambda manager: manager.move_to_group(["quick"], "default", "blue"),
    "run": lambda manager: manager.run_workload_detached(quick()),
    "run in the foreground": lambda manager: manager.run_workload(quick()),
}


def busy(call, manager) -> tuple[WorkloadBusyError, float]:
    """The error of a call, and how long it took."""
    began = time.monotonic()
    with pytest.raises((WorkloadBusyError, BatchError)) as caught:
        call(manager)
    took = time.monotonic() - began
    error = caught.value.results["quick"] if isinstance(caught.value, BatchError) else caught.value
    assert isinstance(error, WorkloadBusyError)
    return error, took


@pytest.mark.parametrize("verb", VERBS)
def test_an_operation_waits_for_another_as_long_as_the_settings_say(manager, verb):
    with manager._inventory.records.operation_lock("quick").held(0):
        error, took = busy(VERBS[verb], manager)
    assert (error.name, error.waited) == ("quick", TIME)
    assert TIME <= took < TIME + 20
    assert manager.get_run_config("quick") == quick(port=4711)


def test_a_run_waits_for_another_operation_as_long_as_for_the_workload(manager):
    with manager._inventory.records.operation_lock("quick").held(0):
        error, took = busy(lambda manager: manager.run_workload_detached(quick(), wait=TIME * 3), manager)
    assert error.waited == TIME * 3
    assert took >= TIME * 3


def test_an_operation_begins_as_soon_as_the_other_has_ended(manager, state_dir):
    with LocalManager(settings=Settings(state_dir=state_dir, busy_timeout=30)) as patient:
        lock = manager._inventory.records.operation_lock("quick")
        assert lock.acquire(0)
        began = time.monotonic()
        threading.Timer(TIME, lock.release).start()
        patient.stop_workloads(["quick"]).wait(20)
        assert TIME <= time.monotonic() - began < 20
