"""How servers end, and who is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.support.processes import FAMILY, SLEEPS, exists, shim_of, words
from tests.support.waiting import wait_until

from workloads._core.process import is_alive
from workloads.runtimes.process import shim
from workloads.runtimes.protocol import Exit


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_of_a_server_that_ends_at_once_is_told(start, code):
    assert start("/bin/sh", "-c", f"exit {code}").wait(30) == Exit(code=code, signal=None)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE], ids=lambda n: n.name
)
def test_the_signal_that_ended_a_server_is_told(start, number):
    assert start("/bin/sh", "-c", f"ulimit -c 0; kill -{int(number)} $$").wait(30) == Exit(code=None, signal=number)


def test_waiting_ends_when_the_time_is_out(start):
    replica = start(*SLEEPS)
    begun = time.monotonic()
    assert replica.wait(0.05) is None
    assert time.monotonic() - begun < 5
    assert replica.wait(0) is None


def test_many_threads_can_wait_at_once(start):
    replica = start("/bin/sh", "-c", "read line", transport="stdio")
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(replica.wait())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert ends == []
    replica.stdin.close()
    for thread in threads:
        thread.join(30)
    assert ends == [Exit(code=1, signal=None)] * 8


def test_stopping_asks_the_server_to_end(python, log):
    replica = python(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(1000)"
    )
    words(log)
    assert replica.stop(30) == Exit(code=7, signal=None)


def test_a_server_that_ignores_sigterm_is_killed_after_the_grace(python, log):
    replica = python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(1000)"
    )
    words(log)
    begun = time.monotonic()
    assert replica.stop(0.3) == Exit(code=None, signal=signal.SIGKILL)
    assert 0.3 <= time.monotonic() - begun < 5


@pytest.mark.parametrize("grace", [0, -1])
def test_without_grace_a_server_is_killed_at_once(python, log, grace):
    replica = python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(1000)"
    )
    words(log)
    assert replica.stop(grace) == Exit(code=None, signal=signal.SIGKILL)


def test_stopping_is_idempotent_and_can_be_done_by_many_threads(start):
    replica = start(*SLEEPS)
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(replica.stop(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ends == [Exit(code=None, signal=signal.SIGTERM)] * 8
    assert replica.stop(0) == ends[0]
    replica.kill()


def test_the_whole_process_group_is_asked_to_end(python, log):
    child = (
        "import os, signal, sys, time\n"
        # Not by print: the signal may come while the line below is still being printed.
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.write(1, b'asked') * 0))\n"
        "print(flush=True)\n"
        "time.sleep(1000)"
    )
    replica = python(
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print('ready', flush=True)\n"
        "print(child.stdout.read().decode(), flush=True)\n"
        "sys.exit(child.wait())"
    )
    words(log)
    assert replica.stop(30) == Exit(code=0, signal=None), log.read_text()
    assert words(log, 2) == ["ready", "asked"]


@pytest.mark.needs("linux")
@pytest.mark.parametrize("end", ["stop", "kill", "leader exits"])
def test_nothing_that_a_server_started_outlives_it_in_whatever_session_and_however_deaf(python, log, end):
    replica = python(FAMILY + ("sys.exit(5)" if end == "leader exits" else "time.sleep(1000)"))
    family = [int(word) for word in words(log, 5)]
    if end == "stop":
        replica.stop(0.1)
    elif end == "kill":
        replica.kill()
    assert replica.wait(30) == (
        Exit(code=5, signal=None) if end == "leader exits" else Exit(code=None, signal=signal.SIGKILL)
    )
    assert [pid for pid in family if exists(pid)] == []


def test_a_suspended_server_can_be_stopped(start):
    replica = start(*SLEEPS)
    os.kill(replica.identity.pid, signal.SIGSTOP)
    assert replica.stop(30) == Exit(code=None, signal=signal.SIGTERM)


@pytest.mark.needs("linux")
def test_when_somebody_kills_the_shim_the_server_ends_too(python, log):
    replica = python(FAMILY + "time.sleep(1000)")
    leader, child, _left, parent, grandchild = (int(word) for word in words(log, 5))
    os.kill(shim_of(replica), signal.SIGKILL)
    assert replica.wait(30) == Exit(code=None, signal=signal.SIGKILL)
    wait_until(lambda: not any(exists(pid) for pid in (leader, child, parent, grandchild)))
    os.kill(_left, signal.SIGKILL)  # the one that left the session, and whom nobody knows any more


@pytest.mark.needs("linux")
def test_the_shim_obeys_its_runner_only(start):
    replica = start(*SLEEPS)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM):
        os.kill(shim_of(replica), number)
    assert replica.wait(0.1) is None
    assert replica.stop(10) == Exit(code=None, signal=signal.SIGTERM)


@pytest.mark.needs("linux")
def test_a_suspended_shim_does_not_save_a_server(start):
    replica = start(*SLEEPS)
    os.kill(shim_of(replica), signal.SIGSTOP)
    replica.kill()
    assert replica.wait(30) is not None
    assert not is_alive(replica.identity)


@pytest.mark.needs("linux")
def test_without_ctypes_the_process_group_is_ended_all_the_same(start, log, tmp_path, monkeypatch):
    lesser = tmp_path / "shim.py"
    lesser.write_text(Path(shim.__file__).read_text().replace("import ctypes", "import no_such_module"))
    monkeypatch.setattr(shim, "__file__", str(lesser))
    assert start("/bin/sh", "-c", "sleep 1000 & echo $!; exit 3").wait(30) == Exit(code=3, signal=None)
    (child,) = words(log)
    wait_until(lambda: not exists(int(child)))
