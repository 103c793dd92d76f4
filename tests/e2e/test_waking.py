"""Keeping workloads awake, waking them and putting them to sleep: by the command, and through each other."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_cli import run, start
from tests.support.mcp_client import call_tool
from tests.support.quick import QUICK, quick, runner_of
from tests.support.waiting import wait_until

from workloads import (
    BatchError,
    RunConfig,
    RunConfigError,
    UnsupportedOperationError,
    WorkloadFailedError,
    WorkloadInUseError,
    WorkloadNotReadyError,
    WorkloadStatus,
)

if TYPE_CHECKING:
    from pathlib import Path

IDLE = "300ms"
PYTHON = shlex.quote(sys.executable)


def is_asleep(manager, name: str) -> bool:
    return manager.get_workload(name).asleep


def traced(name: str, trail: Path, *, spoilt: Path | None = None, **fields) -> RunConfig:
    """A quick server that notes when it starts; it cannot start while a file exists."""
    spoil = f"test -e {shlex.quote(str(spoilt))} && exit 3; " if spoilt else ""
    script = f"{spoil}echo {name} >> {shlex.quote(str(trail))}; exec {PYTHON} -I -S {shlex.quote(QUICK)}"
    return RunConfig(name=name, command=["sh", "-c", script], idle_timeout=IDLE, **fields)


def test_a_command_keeps_it_awake_until_it_ends_and_gives_its_exit_code(manager, tmp_path):
    manager.run_workload_detached(quick(idle_timeout=IDLE), wait=20)
    wait_until(lambda: is_asleep(manager, "quick"))
    begun, over = tmp_path / "begun", tmp_path / "over"
    script = f"touch {begun}; while ! test -e {over}; do sleep 0.02; done; exit 7"
    with start("hold", "quick", "--reason", "nightly", "--", "sh", "-c", script) as holding:
        wait_until(begun.exists)
        assert not is_asleep(manager, "quick")
        (hold,) = manager.usage("quick").holds
        assert (hold.owner, hold.reason) == (f"sh, process {holding.pid}", "nightly")
        time.sleep(1)  # more than three times its idle timeout
        assert not is_asleep(manager, "quick")
        shown, _ = run("get", "quick")
        assert "(nightly) since" in shown
        assert json.loads(run("get", "quick", "--json")[0])["usage"]["holds"][0]["reason"] == "nightly"
        with pytest.raises(WorkloadInUseError, match=r"held by sh, process \d+ \(nightly\)"):
            manager.sleep_workload("quick")
        _, error = run("sleep", "quick", code=1)
        assert "workload 'quick' is in use: held by sh" in error
        over.touch()
        assert holding.wait(20) == 7
    wait_until(lambda: is_asleep(manager, "quick"))
    assert "running (asleep)" in run("list")[0]


@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_reaches_the_command_which_may_take_its_time(number, manager, tmp_path):
    manager.run_workload_detached(quick(idle_timeout=IDLE), wait=20)
    begun = tmp_path / "begun"
    name = number.name.removeprefix("SIG")
    script = f"trap 'exit 9' {name}; touch {begun}; while true; do sleep 0.02; done"
    with start("hold", "quick", "--", "sh", "-c", script, start_new_session=True) as holding:
        wait_until(begun.exists)
        holding.send_signal(number)
        assert holding.wait(20) == 9
    wait_until(lambda: is_asleep(manager, "quick"))


def test_a_signal_that_is_ignored_here_is_ignored_by_the_command_too(manager, hears_hangups):
    manager.run_workload_detached(quick(), wait=20)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with start("hold", "quick", "--", "sh", "-c", "kill -HUP $$ $PPID; exit 5") as holding:
        assert holding.wait(20) == 5


def test_the_hold_ends_with_whoever_holds_however_that_ends(manager, tmp_path):
    manager.run_workload_detached(quick(idle_timeout=IDLE), wait=20)
    own = tmp_path / "pid"
    with start("hold", "quick", "--", "sh", "-c", f"echo $$ > {own}; exec sleep 60") as holding:
        wait_until(lambda: own.exists() and own.read_text())
        holding.kill()
        holding.wait(20)
    os.kill(int(own.read_text()), signal.SIGKILL)
    wait_until(lambda: is_asleep(manager, "quick"))
    with start("hold", "quick", "--", "sh", "-c", "kill -KILL $$") as holding:
        assert holding.wait(20) == 128 + signal.SIGKILL


def test_nothing_is_run_when_it_cannot_be_kept_awake_unless_that_is_wished(manager, tmp_path):
    manager.run_workload_detached(quick(idle_timeout=IDLE), wait=20)
    manager.stop_workloads(["quick"]).wait(20)
    ran = tmp_path / "ran"
    _, error = run("hold", "quick", "--", "touch", str(ran), code=1)
    assert "its proxy runner does not answer, the workload is stopped" in error
    assert not ran.exists()
    _, error = run("hold", "quick", "--on-failure", "run", "--", "touch", str(ran))
    assert "warning: runs without a hold" in error
    assert ran.exists()
    run("hold", "absent", "--", "touch", str(ran), code=3)
    run("hold", "quick", code=2)
    _, error = run("hold", "quick", "--on-failure", "run", "--", "no-such-program", code=127)
    assert "no-such-program: No such file" in error


def test_it_sleeps_when_it_is_told_to_and_wakes_when_it_is_told_to(manager):
    url = manager.run_workload_detached(quick(idle_timeout="1h"), wait=20).url
    assert call_tool(url, "echo", text="hello") == "hello"
    wait_until(lambda: not manager.usage("quick").requests)
    usage = manager.usage("quick")
    if usage.sessions:  # a session of the old protocol: it would not outlive that its server is ended
        with pytest.raises(WorkloadInUseError, match="session"):
            manager.sleep_workload("quick")
        manager.restart_workloads(["quick"]).wait(20)
    assert run("sleep", "quick")[0] == "quick is asleep\n"
    assert is_asleep(manager, "quick")
    assert "now; the next request wakes it" in run("get", "quick")[0]
    assert run("sleep", "quick")[0] == "quick is asleep\n"
    assert run("wake", "quick")[0] == f"quick is awake at {url}\n"
    assert manager.get_workload("quick").replicas.ready == 1
    assert not manager.usage("quick").in_use


def test_a_manager_reads_at_once_that_it_woke_one_or_put_it_to_sleep(manager):
    manager.run_workload_detached(quick(idle_timeout="1h"), wait=20)
    for _ in range(3):
        wait_until(lambda: not manager.usage("quick").in_use)
        manager.sleep_workload("quick")
        asleep = manager.get_workload("quick")
        assert (asleep.asleep, asleep.replicas.ready) == (True, 0)
        woken = manager.wake_workload("quick", timeout=20)
        assert (woken.asleep, woken.status_context, woken.replicas.ready) == (False, "", 1)


def test_what_never_sleeps_can_be_held_and_says_so(manager):
    manager.run_workload_detached(quick(), wait=20)
    with pytest.raises(UnsupportedOperationError, match="it never sleeps; set idle_timeout"):
        manager.sleep_workload("quick")
    with manager.hold("quick", owner="me"):
        assert [hold.owner for hold in manager.usage("quick").holds] == ["me"]
    wait_until(lambda: not manager.usage("quick").holds)
    assert "never: it has no idle_timeout" in run("get", "quick")[0]


def test_the_time_to_wake_in_may_be_none_or_without_end(manager):
    manager.run_workload_detached(quick(idle_timeout=IDLE), wait=20)
    wait_until(lambda: is_asleep(manager, "quick"))
    with pytest.raises(WorkloadNotReadyError):
        manager.wake_workload("quick", timeout=0)
    assert manager.wake_workload("quick", timeout=math.inf).replicas.ready == 1
    with pytest.raises(ValueError, match="timeout must be a number of seconds"):
        manager.hold("quick", timeout=math.nan)


def test_workloads_wake_in_the_order_in_which_they_depend_on_each_other(manager, tmp_path):
    trail = tmp_path / "trail"
    manager.run_workload_detached(traced("base", trail), wait=20)
    manager.run_workload_detached(traced("middle", trail, depends_on=["base"]), wait=20)
    url = manager.run_workload_detached(traced("top", trail, depends_on=["middle"]), wait=20).url
    names = ["base", "middle", "top"]
    wait_until(lambda: all(is_asleep(manager, name) for name in names))
    trail.write_text("")
    assert call_tool(url, "echo", text="hello") == "hello"
    assert trail.read_text().split()[:3] == names  # what is called slowly may have slept between two of its requests
    with manager.hold("top", owner="test"):
        assert [hold.owner for hold in manager.usage("middle").holds] == ["top"]
        before = trail.read_text().split()
        time.sleep(1)  # more than three times their idle timeout
        assert not any(is_asleep(manager, name) for name in names)
    wait_until(lambda: all(is_asleep(manager, name) for name in names))
    assert trail.read_text().split() == before


def test_one_that_cannot_be_woken_is_the_error_of_all_that_depend_on_it(manager, tmp_path):
    trail, spoilt = tmp_path / "trail", tmp_path / "spoilt"
    manager.run_workload_detached(traced("base", trail, spoilt=spoilt), wait=20)
    url = manager.run_workload_detached(traced("top", trail, depends_on=["base"]), wait=20).url
    wait_until(lambda: is_asleep(manager, "top") and is_asleep(manager, "base"))
    trail.write_text("")
    spoilt.touch()
    why = "could not be woken: it depends on base: The server could not be woken: exited with code 3"
    with ThreadPoolExecutor() as pool:
        wakes = [pool.submit(manager.wake_workload, "top", timeout=20) for _ in range(3)]
        errors = [wake.exception() for wake in wakes]
    assert all(why in str(error) for error in errors)
    wait_until(lambda: "it depends on base" in manager.get_workload("top").status_context)
    assert trail.read_text() == ""
    spoilt.unlink()
    assert call_tool(url, "echo", text="hello") == "hello"
    manager.stop_workloads(["base"]).wait(20)
    wait_until(lambda: is_asleep(manager, "top"))
    with pytest.raises(WorkloadFailedError, match="it depends on base, which does not run; start it"):
        manager.wake_workload("top", timeout=20)
    # To start it starts what it depends on.
    manager.restart_workloads(["top"]).wait(20)
    assert manager.get_workload("base").status is WorkloadStatus.RUNNING


def test_a_killed_runner_lets_sleep_what_it_depends_on(manager, tmp_path):
    trail = tmp_path / "trail"
    manager.run_workload_detached(traced("base", trail), wait=20)
    manager.run_workload_detached(quick("top", depends_on=["base"]), wait=20)
    time.sleep(1)  # more than three times its idle timeout
    assert not is_asleep(manager, "base")
    os.kill(runner_of("top"), signal.SIGKILL)
    wait_until(lambda: is_asleep(manager, "base"))


def test_a_circle_and_what_does_not_exist_are_refused(manager):
    with pytest.raises(RunConfigError, match=r"depends_on\[0\]: there is no workload 'b', which 'a' depends on"):
        manager.run_workload_detached(quick("a", depends_on=["b"]))
    with pytest.raises(RunConfigError, match=r"in a circle: a -> a"):
        manager.run_workload_detached(quick("a", depends_on=["a"]))
    manager.run_workload_detached(quick("b"), wait=20)
    manager.run_workload_detached(quick("a", depends_on=["b"]), wait=20)
    with pytest.raises((RunConfigError, BatchError), match=r"in a circle: b -> a -> b"):
        manager.update_workload("b", quick("b", depends_on=["a"])).wait(20)
