"""A real process: paused, continued, stopped, started again; never another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import attrs
import psutil
import pytest
from tests.support.waiting import wait_until

from workloads.errors import ToggleError
from workloads.scaletozero import DebouncedController
from workloads.scaletozero.togglers import ProcessToggler

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


@pytest.fixture
def spawn():
    """Starts processes that say when they are up, and ends them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(code: str = SLEEPER, **options) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, **options)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        started.append(process)
        return process

    yield spawn
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def status(pid: int) -> str:
    return psutil.Process(pid).status()


def test_a_process_is_paused_and_continued(spawn):
    process = spawn()
    toggler = ProcessToggler(process)
    assert toggler.state() == "awake"
    for _ in range(2):
        toggler.enable()
    wait_until(lambda: status(process.pid) == psutil.STATUS_STOPPED)
    assert toggler.state() == "asleep"
    for _ in range(2):
        toggler.disable()
    wait_until(lambda: toggler.state() == "awake")


def test_a_group_is_paused_as_a_whole(spawn):
    process = spawn(PARENT, start_new_session=True)
    (child,) = psutil.Process(process.pid).children()
    toggler = ProcessToggler(process, group=True)
    toggler.enable()
    wait_until(lambda: {status(process.pid), child.status()} == {psutil.STATUS_STOPPED})
    toggler.disable()
    wait_until(lambda: child.status() != psutil.STATUS_STOPPED)
    os.killpg(process.pid, signal.SIGKILL)


def test_a_process_is_stopped_and_started_again(spawn):
    toggler = ProcessToggler(start=spawn, stop_after=0)
    assert toggler.process is None
    assert toggler.state() == "asleep"
    toggler.enable()
    toggler.disable()
    first = toggler.process
    assert first is not None
    assert toggler.state() == "awake"
    toggler.enable()
    assert first.poll() == -signal.SIGTERM
    assert toggler.state() == "asleep"
    toggler.disable()
    assert toggler.process is not None
    assert toggler.process.pid != first.pid


def test_a_process_that_was_paused_for_long_is_stopped(spawn):
    process = spawn()
    toggler = ProcessToggler(process, start=spawn, stop_after=0.05)
    toggler.enable()
    wait_until(lambda: process.poll() == -signal.SIGTERM)
    toggler.disable()
    assert toggler.state() == "awake"
    toggler.enable()
    toggler.disable()  # before it is stopped
    assert toggler.state() == "awake"
    toggler.close()


def test_one_that_ignores_the_signal_is_killed(spawn):
    process = spawn(STUBBORN)
    toggler = ProcessToggler(process, start=spawn, stop_after=0, grace=0.05)
    toggler.enable()
    assert process.poll() == -signal.SIGKILL


def test_a_process_that_has_ended_cannot_be_forbidden_to_sleep(spawn):
    process = spawn()
    toggler = ProcessToggler(process)
    process.kill()
    process.wait()
    toggler.enable()
    with pytest.raises(ToggleError, match="no way to start it again"):
        toggler.disable()
    with pytest.raises(ToggleError, match="no way to start it again"):
        ProcessToggler(process)
    started = ProcessToggler(process, start=spawn)
    started.disable()
    assert started.state() == "awake"


def test_another_process_of_the_same_pid_is_never_signalled(spawn):
    """The pid was used again: everything but the number is another process's."""
    process = spawn()
    toggler = ProcessToggler(process)
    assert toggler._identity is not None
    toggler._identity = attrs.evolve(toggler._identity, start_ticks=toggler._identity.start_ticks - 1)
    toggler.enable()
    assert toggler.state() == "asleep"
    with pytest.raises(ToggleError):
        toggler.disable()
    assert status(process.pid) != psutil.STATUS_STOPPED


def test_what_could_not_come_back_is_refused(spawn):
    with pytest.raises(ValueError, match="give start="):
        ProcessToggler()
    with pytest.raises(ValueError, match="give start="):
        ProcessToggler(spawn(), stop_after=1)


def test_a_program_that_ends_at_once_is_an_error():
    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        return process

    with pytest.raises(ToggleError, match="ended as soon as it was started"):
        ProcessToggler(start=start).disable()


def test_a_controller_pauses_and_continues_a_real_process(spawn):
    process = spawn()
    with DebouncedController(ProcessToggler(process), cooldown=0, awake=True) as controller:
        wait_until(lambda: status(process.pid) == psutil.STATUS_STOPPED)
        with controller.hold("test"):
            assert status(process.pid) != psutil.STATUS_STOPPED
        wait_until(lambda: status(process.pid) == psutil.STATUS_STOPPED)
        controller.disable()
        controller.close(policy="leave")
    assert status(process.pid) != psutil.STATUS_STOPPED
