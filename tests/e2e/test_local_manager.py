"""A real manager, real proxy runners, real servers, and a client that nobody here wrote."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import kill_runner, quick, record_of, runner_of
from tests.support.waiting import ORPHANS_END, wait_until

import workloads
from workloads import RunConfig, WorkloadStatus
from workloads.config import MiddlewareConfig
from workloads.errors import (
    BatchError,
    CommandNotFoundError,
    CorruptStateError,
    GroupNotFoundError,
    InvalidNameError,
    PortInUseError,
    RunConfigError,
    SecretNotFoundError,
    WorkloadExistsError,
    WorkloadFailedError,
    WorkloadNotFoundError,
    WorkloadNotReadyError,
)
from workloads.state import RuntimeRecordStore, StatusStore

CANARY = "canary-5e1f0c77"


def test_a_workload_runs_answers_is_listed_stops_starts_again_and_is_gone(manager):
    workload = manager.run_workload_detached(quick(container_labels={"team": "a"}), wait=20)

    assert workload.status is WorkloadStatus.RUNNING
    assert (workload.replicas.ready, workload.replicas.desired) == (1, 1)
    assert workload.started_at is not None
    assert workload.started_at >= workload.created_at
    assert call_tool(workload.url, "echo", text="hello") == "hello"
    assert manager.list_workloads() == [manager.get_workload("quick")]
    assert manager.list_workloads(labels={"team": "b"}) == []
    assert [w.name for w in manager.list_workloads(labels={"team": "a"})] == ["quick"]
    assert [w.name for w in manager.list_workloads_in_group("default")] == ["quick"]
    with manager.get_logs("quick") as lines:
        assert "called echo" in list(lines)
    with manager.get_proxy_logs("quick", lines=5) as lines:
        assert len(list(lines)) <= 5

    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    assert manager.get_workload("quick").status is WorkloadStatus.STOPPED
    assert manager.list_workloads() == []
    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}

    manager.start_workloads(["quick"]).wait(20)
    again = manager.get_workload("quick")
    assert (again.status, again.url, again.created_at) == (WorkloadStatus.RUNNING, workload.url, workload.created_at)
    assert call_tool(again.url, "echo", text="again") == "again"

    manager.delete_workloads(["quick"]).wait(20)
    assert manager.list_workloads(all=True) == []
    assert not manager.does_workload_exist("quick")
    assert manager.delete_workloads(["quick"]).wait(20) == {"quick": None}


def test_restarting_a_running_workload_really_restarts_it(manager):
    manager.run_workload_detached(quick(), wait=20)
    before = runner_of("quick")
    manager.restart_workloads(["quick"]).wait(20)
    assert manager.get_workload("quick").status is WorkloadStatus.RUNNING
    assert runner_of("quick") != before


def test_another_manager_sees_the_same(manager):
    manager.run_workload_detached(quick(), wait=20)
    with workloads.new_manager("process") as other:
        assert other.list_workloads() == manager.list_workloads()
        assert other.get_run_config("quick") == manager.get_run_config("quick")


def test_without_waiting_the_runner_owns_it_and_its_port_is_known(manager):
    workload = manager.run_workload_detached(quick("quick", "--mute"))
    assert workload.status is WorkloadStatus.STARTING
    assert workload.port
    assert runner_of("quick")


def test_a_server_that_is_never_ready_is_told_with_its_last_lines_and_goes_on(manager):
    """TH-13.23: readiness can hold `starting` and then go `running` without proof."""
    with pytest.raises(WorkloadNotReadyError) as caught:
        manager.run_workload_detached(quick("quick", "--mute", "--say", "still loading"), wait=1)
    assert caught.value.status == "starting"
    assert "still loading" in caught.value.logs
    assert manager.get_workload("quick").status is WorkloadStatus.STARTING


def test_one_that_is_started_is_never_told_as_one_whose_runner_is_gone(manager, monkeypatch):
    manager.run_workload_detached(quick(), wait=20)
    told: list[WorkloadStatus] = []

    def then_look(write):
        def looking(*args, **fields):
            written = write(*args, **fields)
            told.append(manager.get_workload("quick").status)
            return written

        return looking

    monkeypatch.setattr(StatusStore, "set", then_look(StatusStore.set))
    monkeypatch.setattr(RuntimeRecordStore, "write", then_look(RuntimeRecordStore.write))
    manager.restart_workloads(["quick"]).wait(20)
    manager.stop_workloads(["quick"]).wait(20)
    manager.start_workloads(["quick"]).wait(20)
    assert {WorkloadStatus.STARTING, WorkloadStatus.STOPPED} <= set(told)
    assert WorkloadStatus.UNHEALTHY not in told


def test_what_a_workload_depends_on_is_waited_for_though_somebody_else_is_starting_it(manager):
    manager.run_workload_detached(quick("base", "--mute"))
    refused: list[WorkloadFailedError] = []

    def run_top():
        try:
            manager.run_workload_detached(quick("top", depends_on=["base"]))
        except WorkloadFailedError as error:
            refused.append(error)

    running = threading.Thread(target=run_top)
    running.start()
    running.join(0.5)
    while running.is_alive():  # again: it may have been stopped just before it was to be started
        manager.stop_workloads(["base"], grace=1.0).wait(20)
        running.join(0.1)
    assert [error.name for error in refused] == ["base"]
    assert not manager.does_workload_exist("top")


def test_it_may_take_as_long_as_it_takes(manager):
    assert manager.run_workload_detached(quick(), wait=math.inf).status is WorkloadStatus.RUNNING
    manager.stop_workloads(["quick"], grace=math.inf).wait(20)
    stopped = manager.get_workload("quick")
    assert (stopped.status, stopped.status_context) == (WorkloadStatus.STOPPED, "")


def test_a_server_that_dies_at_once_is_an_error_and_its_name_can_be_used_again(manager):
    """TH-13.22: DoesWorkloadExist returns false for `error` state (two meanings in one bool)."""
    with pytest.raises(WorkloadFailedError, match="exited with code 3") as caught:
        manager.run_workload_detached(quick("quick", "--die", "3"), wait=20)
    assert "dying with 3" in caught.value.logs
    failed = manager.get_workload("quick")
    assert failed.status is WorkloadStatus.ERROR
    assert "exited with code 3" in failed.status_context
    assert manager.does_workload_exist("quick")
    assert manager.run_workload_detached(quick(), wait=20).status is WorkloadStatus.RUNNING


def test_a_name_in_use_is_refused_and_the_workload_left_alone(manager):
    before = manager.run_workload_detached(quick(), wait=20)
    with pytest.raises(WorkloadExistsError):
        manager.run_workload_detached(quick("quick", "--die", "1"))
    assert manager.get_workload("quick") == before


def test_a_server_that_ignores_everything_is_killed_when_its_grace_is_over(manager):
    manager.run_workload_detached(quick("quick", "--ignore-term"), wait=20)
    replica = record_of("quick").replicas[0].pid
    began = time.monotonic()
    assert manager.stop_workloads(["quick"], grace=1).wait(20) == {"quick": None}
    assert 1 <= time.monotonic() - began < 10
    workload = manager.get_workload("quick")
    assert workload.status is WorkloadStatus.STOPPED
    assert "after 1 s" in workload.status_context
    wait_until(lambda: not Path(f"/proc/{replica}").exists(), timeout=ORPHANS_END)


def test_a_runner_that_was_killed_is_seen_its_server_ends_and_a_start_repairs_it(manager):
    """TH-13.13: reads write `unhealthy` permanently, and nothing heals it."""
    manager.run_workload_detached(quick(), wait=20)
    replica = record_of("quick").replicas[0].pid
    kill_runner("quick")
    wait_until(lambda: not Path(f"/proc/{replica}").exists(), timeout=ORPHANS_END)
    seen = manager.get_workload("quick")
    assert seen.status is WorkloadStatus.UNHEALTHY
    assert "proxy runner is gone" in seen.status_context
    assert record_of("quick").runner is not None, "reads never write"
    manager.start_workloads(["quick"]).wait(20)
    assert call_tool(manager.get_workload("quick").url, "echo", text="back") == "back"


def test_a_runner_that_is_told_to_end_by_hand_drains_and_is_stopped(manager):
    manager.run_workload_detached(quick(), wait=20)
    os.kill(runner_of("quick"), signal.SIGTERM)
    wait_until(lambda: manager.get_workload("quick").status is WorkloadStatus.STOPPED)


def test_a_stop_does_not_wait_for_the_next_attempt_to_start_a_server(manager):
    """TH-13.20: the sleep in the retry loop ignores cancellation."""
    manager.run_workload_detached(quick(), wait=20)
    os.kill(record_of("quick").replicas[0].pid, signal.SIGKILL)
    wait_until(lambda: "restarting" in manager.get_workload("quick").status_context)
    began = time.monotonic()
    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    assert time.monotonic() - began < 4, "less than the 5 s between two attempts"
    assert manager.get_workload("quick").status is WorkloadStatus.STOPPED


def test_a_crashed_server_is_started_again(manager):
    """TH-13.26: each retry uses the config of the one before and prepends `origin` again: the chain grows."""
    chain = [{"type": "origin", "parameters": {"allowed_origins": ["http://localhost"]}}, {"type": "recovery"}]
    given = quick(middleware_configs=[MiddlewareConfig.from_dict(each) for each in chain])
    workload = manager.run_workload_detached(given, wait=20)
    stored = manager.get_run_config("quick")
    before = record_of("quick").replicas[0]
    with pytest.raises(Exception, match=r"(?i)error|gone|closed|cancelled|server"):  # what a client makes of it
        call_tool(workload.url, "die")
    wait_until(
        lambda: (
            record_of("quick").replicas[:1] not in ((), (before,))
            and manager.get_workload("quick").status is WorkloadStatus.RUNNING
        ),
        timeout=20,
    )
    assert call_tool(workload.url, "echo", text="alive") == "alive"
    manager.restart_workloads(["quick"]).wait(20)
    assert manager.get_run_config("quick") == stored
    assert stored.middleware_configs == given.middleware_configs


def test_a_workload_is_never_taken_for_one_whose_name_begins_with_its_own(manager):
    """TH-13.16: matching command lines lets `-` follow, so `github` matches `github-x`."""
    for name in ("github", "github-x"):
        manager.run_workload_detached(quick(name), wait=20)
    other = runner_of("github-x")
    manager.restart_workloads(["github"]).wait(20)
    manager.stop_workloads(["github"]).wait(20)
    manager.delete_workloads(["github"]).wait(20)
    assert runner_of("github-x") == other
    assert [workload.name for workload in manager.list_workloads()] == ["github-x"]


def test_a_secret_reaches_the_server_and_nothing_else(manager, monkeypatch, tmp_path):
    """TH-13.25: secrets are resolved into the struct that is later saved, and can reach disk as plain text."""
    monkeypatch.setenv("WORKLOADS_SECRET_token", CANARY)
    workload = manager.run_workload_detached(quick(secrets=["token,target=TOKEN"], debug=True), wait=20)
    assert CANARY in call_tool(workload.url, "env")
    with pytest.raises(WorkloadExistsError) as caught:
        manager.run_workload_detached(quick(secrets=["token,target=TOKEN"]))
    assert CANARY not in repr(caught.value)
    record = record_of("quick")
    runner = Path(f"/proc/{record.runner.pid}")
    for file in (runner / "environ", runner / "cmdline"):
        assert CANARY.encode() not in file.read_bytes()
    for pid in descendants(record.runner.pid):
        assert CANARY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    manager.stop_workloads(["quick"]).wait(20)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file


def test_a_missing_secret_is_told_before_anything_is_written(manager):
    with pytest.raises(SecretNotFoundError, match="no-such"):
        manager.run_workload_detached(quick(secrets=["no-such,target=X", "nor-this,target=Y"]))
    assert not manager.does_workload_exist("quick")


def test_files_are_private_whatever_the_umask(manager, tmp_path):
    former = os.umask(0)
    try:
        manager.run_workload_detached(quick(), wait=20)
    finally:
        os.umask(former)
    for root in ("state", "data"):
        for path in (tmp_path / "home" / root / "workloads").rglob("*"):
            assert not path.stat().st_mode & 0o077, path


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (RunConfig(name="a", image="ghcr.io/acme/time:1"), RunConfigError),
        (quick("a", isolate_network=True), RunConfigError),
        (quick("a", group="nowhere"), GroupNotFoundError),
        (RunConfig(name="a", command=["/no/such/program"]), CommandNotFoundError),
        (RunConfig(name="a", command=["no-such-program-at-all"]), CommandNotFoundError),
    ],
)
def test_what_cannot_run_is_refused_with_nothing_written(manager, config, error):
    with pytest.raises(error):
        manager.run_workload_detached(config)
    assert not manager.does_workload_exist("a")


def test_a_port_in_use_is_refused(manager):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUseError):
            manager.run_workload_detached(quick(port=taken.getsockname()[1]))
    assert not manager.does_workload_exist("quick")


def test_names_are_checked_all_at_once_before_anything_is_done(manager):
    manager.run_workload_detached(quick(), wait=20)
    with pytest.raises(InvalidNameError):
        manager.stop_workloads(["quick", "../etc"])
    with pytest.raises(TypeError):
        manager.stop_workloads("quick")
    assert manager.get_workload("quick").status is WorkloadStatus.RUNNING
    with pytest.raises(BatchError) as caught:
        manager.stop_workloads(["quick", "absent", "quick"]).wait(20)
    assert {n: type(e) for n, e in caught.value.results.items()} == {
        "quick": type(None),
        "absent": WorkloadNotFoundError,
    }
    for read in (manager.get_workload, manager.get_run_config, manager.get_logs, manager.get_proxy_logs):
        with pytest.raises(WorkloadNotFoundError):
            read("absent")
        with pytest.raises(InvalidNameError):
            read("a/b")
    with pytest.raises(GroupNotFoundError):
        manager.list_workloads_in_group("absent")


def test_followed_logs_show_new_lines_and_end_with_the_workload(manager):
    workload = manager.run_workload_detached(quick(), wait=20)
    seen: list[str] = []
    with manager.get_logs("quick", follow=True, lines=0) as lines:
        reader = threading.Thread(target=lambda: seen.extend(lines))
        reader.start()
        call_tool(workload.url, "echo", text="x")
        wait_until(lambda: "called echo" in seen)
        manager.stop_workloads(["quick"]).wait(20)
        reader.join(30)
        assert not reader.is_alive()


def test_a_flood_on_both_outputs_is_bounded_and_harmless(manager):
    workload = manager.run_workload_detached(quick("quick", "--flood", "30000"), wait=30)
    assert call_tool(workload.url, "echo", text="dry") == "dry"


def test_no_replicas_means_a_proxy_without_a_server(manager):
    workload = manager.run_workload_detached(quick(backend_replicas=0), wait=20)
    assert (workload.status, workload.replicas.desired) == (WorkloadStatus.STOPPED, 0)
    assert runner_of("quick")


def test_ten_runs_of_one_name_at_once_leave_one(manager):
    outcomes: list[object] = []

    def attempt() -> None:
        try:
            outcomes.append(manager.run_workload_detached(quick(), wait=30))
        except WorkloadExistsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, workloads.Workload) for outcome in outcomes) == 1
    assert call_tool(manager.get_workload("quick").url, "echo", text="one") == "one"


def test_in_the_foreground_it_ends_with_the_workload(manager):
    runner = threading.Thread(target=manager.run_workload, args=(quick(),))
    runner.start()
    wait_until(lambda: any(w.name == "quick" for w in manager.list_workloads()))
    manager.stop_workloads(["quick"]).wait(20)
    runner.join(30)
    assert not runner.is_alive()


def test_damaged_files_are_told_by_reads_and_do_not_stop_a_delete(manager, tmp_path):
    """TH-13.22: unreadable configs silently vanish from lists."""
    manager.run_workload_detached(quick(), wait=20)
    manager.stop_workloads(["quick"]).wait(20)
    state = tmp_path / "home" / "state" / "workloads"
    (state / "runtimes" / "quick.json").write_text("{")
    damaged = manager.get_workload("quick")
    assert damaged.status is WorkloadStatus.ERROR
    assert "quick.json" in damaged.status_context
    assert (state / "runtimes" / "quick.json").read_text() == "{", "reads never write"
    (state / "runconfigs" / "quick.json").write_text("[]")
    assert [w.name for w in manager.list_workloads(all=True)] == ["quick"]
    with pytest.raises(CorruptStateError):
        manager.get_run_config("quick")
    manager.delete_workloads(["quick"]).wait(20)
    assert manager.list_workloads(all=True) == []


def descendants(pid: int) -> list[int]:
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return children + [deeper for child in children for deeper in descendants(child)]
