"""What the in-memory manager offers tests beyond the verbs, which the conformance suite covers."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from tests.support.waiting import wait_until

from workloads import (
    BatchError,
    Capability,
    EventType,
    PortInUseError,
    RunConfig,
    RunConfigError,
    UnsupportedOperationError,
    WorkloadBusyError,
    WorkloadFailedError,
    WorkloadNotFoundError,
    WorkloadNotReadyError,
    WorkloadStatus,
    new_group_manager,
)
from workloads.testing import InMemoryManager, ServerBehaviour


def config(name: str = "time", **fields) -> RunConfig:
    return RunConfig(name=name, image="uvx://mcp-server-time", **fields)


@pytest.fixture
def manager():
    with InMemoryManager() as manager:
        yield manager


def test_it_needs_neither_pytest_nor_hypothesis():
    script = "import sys; from workloads.testing import InMemoryManager; InMemoryManager()\n"
    script += "assert not {'pytest', 'hypothesis', 'asyncio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_two_runs_of_a_test_see_the_same():
    first, second = InMemoryManager(), InMemoryManager()
    assert first.run_workload_detached(config()) == second.run_workload_detached(config())


def test_times_come_from_the_clock_that_is_given():
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert InMemoryManager(clock=lambda: noon).run_workload_detached(config()).created_at == noon


def test_a_status_that_is_set_is_seen_by_who_waits_for_it():
    manager = InMemoryManager(behaviour=lambda config: ServerBehaviour.NEVER_READY)
    manager.intercept("run_workload_detached", lambda name: setter.start())

    def become_ready() -> None:
        wait_until(lambda: manager.does_workload_exist("time"))
        manager.set_status("time", WorkloadStatus.RUNNING)

    setter = threading.Thread(target=become_ready)
    assert manager.run_workload_detached(config(), wait=10).status is WorkloadStatus.RUNNING
    setter.join()


def test_an_error_that_is_set_ends_a_run_in_the_foreground(manager):
    caught: list[WorkloadFailedError] = []

    def run() -> None:
        try:
            manager.run_workload(config())
        except WorkloadFailedError as error:
            caught.append(error)

    with manager.watch_workloads() as watch:
        assert next(watch).type is EventType.SYNCED
        runner = threading.Thread(target=run)
        runner.start()
        assert next(watch).type is EventType.ADDED
    manager.add_log_line("time", "out of memory")
    manager.set_status("time", WorkloadStatus.ERROR, "exited with code 137")
    runner.join(30)
    assert [(error.reason, error.logs) for error in caught] == [("exited with code 137", ("out of memory",))]


def test_a_sleeping_workload_runs_without_replicas_that_are_ready(manager):
    manager.run_workload_detached(config())
    manager.set_status("time", WorkloadStatus.RUNNING, "asleep", asleep=True)
    (workload,) = manager.list_workloads()
    assert (workload.asleep, workload.replicas.ready, workload.replicas.desired) == (True, 0, 1)


def test_replicas_are_as_many_as_are_asked_for(manager):
    assert manager.run_workload_detached(config("three", backend_replicas=3)).replicas.ready == 3
    none = manager.run_workload_detached(config("none", backend_replicas=0), wait=1)
    assert (none.status, none.replicas.desired) == (WorkloadStatus.STOPPED, 0)
    with pytest.raises(RunConfigError):
        InMemoryManager(capabilities=()).run_workload_detached(config(backend_replicas=2))


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        (Capability.RUN_FOREGROUND, lambda manager: manager.run_workload(config())),
        (Capability.PROXY_LOGS, lambda manager: manager.get_proxy_logs("time")),
        (Capability.WATCH, lambda manager: manager.watch_workloads()),
    ],
    ids=lambda value: str(value) if isinstance(value, Capability) else "",
)
def test_a_capability_that_is_left_out_is_refused(capability, call):
    manager = InMemoryManager(capabilities=set(Capability) - {capability})
    with pytest.raises(UnsupportedOperationError):
        call(manager)


def test_a_failure_is_raised_once(manager):
    manager.run_workload_detached(config())
    manager.fail_next("get_workload", WorkloadNotFoundError("time"))
    with pytest.raises(WorkloadNotFoundError):
        manager.get_workload("time")
    assert manager.get_workload("time").name == "time"


def test_a_failure_in_a_batch_is_that_of_one_workload(manager):
    for name in ("a", "b", "c"):
        manager.run_workload_detached(config(name))
    manager.fail_next("stop_workloads", WorkloadFailedError("b", "no luck"), name="b")
    with pytest.raises(BatchError) as caught:
        manager.stop_workloads(["a", "b", "c"]).wait(30)
    assert [name for name, error in caught.value.results.items() if error] == ["b"]
    assert [workload.name for workload in manager.list_workloads()] == ["b"]


def test_a_failure_that_is_a_defect_reaches_who_waits(manager):
    manager.fail_next("delete_workloads", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        manager.delete_workloads(["time"]).wait(30)


def test_a_move_that_fails_midway_tells_which_and_repeating_it_completes_it(manager):
    groups = new_group_manager(manager)
    groups.create("blue")
    for name in ("a", "b"):
        manager.run_workload_detached(config(name))
    manager.fail_next("move_to_group", WorkloadFailedError("a", "no luck"), name="a")
    with pytest.raises(BatchError):
        manager.move_to_group(["a", "b"], "default", "blue")
    assert [workload.name for workload in manager.list_workloads_in_group("blue")] == ["b"]
    manager.move_to_group(["a", "b"], "default", "blue")
    assert [workload.name for workload in manager.list_workloads_in_group("blue")] == ["a", "b"]


def test_an_operation_queues_behind_one_that_takes_long_and_gives_up_in_time():
    manager = InMemoryManager(busy_timeout=0.05)
    manager.run_workload_detached(config())
    begun, go_on = threading.Event(), threading.Event()

    def hook(name: str) -> None:
        begun.set()
        go_on.wait(30)

    manager.intercept("stop_workloads", hook)
    stopping = manager.stop_workloads(["time"])
    assert begun.wait(30)
    with pytest.raises(BatchError) as caught:
        manager.delete_workloads(["time"]).wait(30)
    assert isinstance(caught.value.exceptions[0], WorkloadBusyError)
    go_on.set()
    assert stopping.wait(30) == {"time": None}
    assert manager.get_workload("time").status is WorkloadStatus.STOPPED


def test_a_start_that_never_becomes_ready_fails_in_the_end_and_an_update_is_undone():
    slow = {"on": False}
    manager = InMemoryManager(
        behaviour=lambda config: ServerBehaviour.NEVER_READY if slow["on"] else ServerBehaviour.READY,
        ready_timeout=0.02,
    )
    manager.run_workload_detached(config())
    slow["on"] = True
    with pytest.raises(WorkloadFailedError, match=r"not ready after 0\.02 s") as caught:
        manager.update_workload("time", config(env_vars={"NEW": "yes"})).wait(30)
    assert "could not be started again" in caught.value.__notes__[0]
    assert manager.get_run_config("time").env_vars == {}
    with pytest.raises(BatchError):
        manager.restart_workloads(["time"]).wait(30)
    assert manager.get_workload("time").status is WorkloadStatus.ERROR


def test_a_wait_that_is_over_tells_the_last_lines():
    manager = InMemoryManager(behaviour=lambda config: ServerBehaviour.NEVER_READY)
    with pytest.raises(WorkloadNotReadyError) as caught:
        manager.run_workload_detached(config(), wait=0)
    assert caught.value.status == WorkloadStatus.STARTING


def test_a_port_is_given_to_one_workload_only(manager):
    manager.run_workload_detached(config("a", port=41001))
    assert manager.run_workload_detached(config("b")).port != 41001
    with pytest.raises(PortInUseError):
        manager.run_workload_detached(config("c", port=41001))


def test_a_reader_of_one_replica_gets_its_lines_only(manager):
    manager.run_workload_detached(config(backend_replicas=2))
    for number, line in ((0, "a"), (1, "b"), (0, "c"), (1, "d")):
        manager.add_log_line("time", line, replica=number)
    manager.add_log_line("time", "GET /mcp", proxy=True)
    with manager.get_logs("time", replica=1) as lines:
        assert list(lines) == ["b", "d"]
    with manager.get_logs("time", replica=0, lines=1) as lines:
        assert list(lines) == ["c"]
    with manager.get_proxy_logs("time", lines=1) as lines:
        assert list(lines) == ["GET /mcp"]


@pytest.mark.parametrize("wrong", [lambda m: m.intercept("stop", print), lambda m: m.fail_next("no", OSError())])
def test_a_verb_that_does_not_exist_is_refused(manager, wrong):
    with pytest.raises(ValueError, match="is not a verb"):
        wrong(manager)


def test_a_delay_is_removed_by_none_and_never_negative(manager):
    manager.delay("list_workloads", 1000)
    manager.delay("list_workloads", 0)
    assert manager.list_workloads() == []
    with pytest.raises(ValueError, match="negative"):
        manager.delay("list_workloads", -1)


def test_a_manager_without_groups_has_no_group_manager():
    class Groupless:
        pass

    with pytest.raises(UnsupportedOperationError, match="Groupless keeps no groups"):
        new_group_manager(Groupless())  # type: ignore[arg-type]  # what is wrong with it is what is tested
