"""Identities of real processes, and the signals they get or do not get."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import attrs
import pytest

from workloads._core import process

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfds, which only Linux has")

# Says that it is up, then ends with status 7 on SIGTERM.
_PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(60)
"""

# Leads a group with one child, of which it tells the pid.
_LEADER = """
import subprocess, sys, time
print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""


# Leads a group with one child, leaves that group, and tells the pid of the child.
_LEFT = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
os.setpgid(0, os.getpgid(os.getppid()))
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def start():
    started = []

    def run(program=_PROGRAM, **options):
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdout=subprocess.PIPE, **options)
        started.append(child)
        return child, child.stdout.readline().decode().strip()

    yield run
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture(params=["pidfd", "no pidfd"])
def pidfds(request, monkeypatch):
    """With pidfds and without, as on macOS, on old kernels and in some sandboxes."""
    if request.param == "no pidfd":

        def refuse(pid):
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)


def become_zombie(child):
    """Let a child end, without taking notice of it."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def test_a_child_is_identified_and_signalled(start, pidfds):
    child, _ = start()
    identity = process.identify(child.pid)
    assert process.is_alive(identity)
    assert process.send_signal(identity, signal.SIGTERM)
    assert child.wait(30) == 7
    assert not process.is_alive(identity)
    assert not process.send_signal(identity, signal.SIGTERM)


def test_an_identity_that_was_written_down_means_the_same_process(start):
    child, _ = start()
    identity = process.ProcessIdentity.from_dict(process.identify(child.pid).to_dict())
    assert process.is_alive(identity)


def test_a_pid_that_was_used_again_is_never_signalled(start, pidfds):
    """TH-13.15: the recorded PID is killed without checking that it is still our process (PID reuse)."""
    child, _ = start(start_new_session=True)
    identity = process.identify(child.pid)
    earlier = attrs.evolve(identity, start_ticks=identity.start_ticks - 1)
    assert not process.is_alive(earlier)
    assert not process.send_signal(earlier, signal.SIGKILL)
    assert not process.signal_group(earlier, signal.SIGKILL)
    assert process.wait_gone(earlier, 30)
    assert process.is_alive(identity)


@pytest.mark.parametrize("fact", ["boot_id", "pid_namespace", "host"])
def test_a_process_of_elsewhere_is_never_signalled(start, pidfds, fact):
    child, _ = start(start_new_session=True)
    identity = process.identify(child.pid)
    elsewhere = attrs.evolve(identity, **{fact: "elsewhere"})
    assert not process.is_alive(elsewhere)
    assert not process.send_signal(elsewhere, signal.SIGKILL)
    assert not process.signal_group(elsewhere, signal.SIGKILL)
    assert process.is_alive(identity)


@needs_pidfd
def test_a_pid_that_is_used_again_between_check_and_signal_is_not_signalled(start, monkeypatch):
    """TH-13.15: the recorded PID is killed without checking that it is still our process (PID reuse)."""
    child, _ = start()
    identity = process.identify(child.pid)
    opened = os.pidfd_open

    def end_and_open(pid):
        # The process ends just before its descriptor is opened, which then means whatever has the pid next.
        fd = opened(os.getpid())
        child.kill()
        become_zombie(child)
        return fd

    monkeypatch.setattr(os, "pidfd_open", end_and_open)
    assert not process.send_signal(identity, signal.SIGKILL)


def test_a_zombie_is_dead(start, pidfds):
    child, _ = start(start_new_session=True)
    identity = process.identify(child.pid)
    child.kill()
    become_zombie(child)
    assert not process.is_alive(identity)
    assert process.identify(child.pid) is None
    assert not process.send_signal(identity, 0)
    assert not process.signal_group(identity, 0)
    assert process.wait_gone(identity, 0)


def test_a_stopped_process_is_alive(start):
    child, _ = start()
    identity = process.identify(child.pid)
    assert process.send_signal(identity, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    assert process.is_alive(identity)


def test_a_group_is_signalled_through_its_leader(start, pidfds):
    leader, member = start(_LEADER, start_new_session=True)
    member = process.identify(int(member))
    assert process.signal_group(process.identify(leader.pid), signal.SIGKILL)
    assert leader.wait(30) == -signal.SIGKILL
    assert process.wait_gone(member, 30)


def test_a_process_that_leads_no_group_signals_none(start, pidfds):
    # It is in the group of the tests.
    child, _ = start()
    identity = process.identify(child.pid)
    assert not process.signal_group(identity, signal.SIGKILL)
    assert process.is_alive(identity)


def test_the_group_that_a_process_has_left_is_not_signalled_through_it(start, pidfds):
    leader, member = start(_LEFT, process_group=0)
    member = process.identify(int(member))
    assert not process.signal_group(process.identify(leader.pid), signal.SIGKILL)
    assert process.is_alive(member)
    assert process.send_signal(member, signal.SIGKILL)


def test_a_kernel_that_cannot_signal_groups_by_pidfd_is_asked_the_old_way(start, monkeypatch):
    sent = signal.pidfd_send_signal

    def without_flags(fd, sig, info=None, flags=0):
        if flags:
            raise OSError(22, "Invalid argument")
        sent(fd, sig, info, flags)

    monkeypatch.setattr(signal, "pidfd_send_signal", without_flags)
    leader, member = start(_LEADER, start_new_session=True)
    member = process.identify(int(member))
    assert process.signal_group(process.identify(leader.pid), signal.SIGKILL)
    assert process.wait_gone(member, 30)


def test_waiting_ends_when_the_process_does(start, pidfds):
    child, _ = start()
    identity = process.identify(child.pid)
    results = []
    waiter = threading.Thread(target=lambda: results.append(process.wait_gone(identity)))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    child.kill()  # and nobody reaps it
    waiter.join(30)
    assert results == [True]


def test_waiting_times_out(start, pidfds):
    child, _ = start()
    identity = process.identify(child.pid)
    assert not process.wait_gone(identity, 0)
    begin = time.monotonic()
    assert not process.wait_gone(identity, 0.05)
    assert 0.05 <= time.monotonic() - begin < 20


@pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user: root may signal everybody")
def test_a_process_of_another_user_is_alive_and_says_so():
    """TH-13.14: a live PID of another user (EPERM) is judged dead."""
    identity = process.identify(1)
    if identity is None:
        pytest.skip("this system hides the processes of other users")
    assert process.is_alive(identity)
    with pytest.raises(PermissionError):
        process.send_signal(identity, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start a process of another user")
def test_a_process_of_another_user_can_be_identified():
    with subprocess.Popen(["sleep", "60"], user=65534, group=65534, extra_groups=[]) as child:
        identity = process.identify(child.pid)
        assert process.is_alive(identity)
        assert process.send_signal(identity, signal.SIGKILL)
