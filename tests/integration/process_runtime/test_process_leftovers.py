"""Nothing of a server is left, however it or its runner ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.processes import FAMILY, SLEEPS, descriptors, exists, words
from tests.support.waiting import ORPHANS_END, wait_until

from workloads._core.process import identify, signal_group
from workloads.errors import (
    CommandNotFoundError,
    WorkloadFailedError,
)
from workloads.runtimes.process import shim
from workloads.runtimes.protocol import Exit


@pytest.mark.needs("linux")
@pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
def test_twenty_starts_and_stops_leave_neither_descriptor_nor_thread_nor_zombie(start, transport):
    def held():
        children = Path("/proc/self/task").glob("*/children")
        return len(descriptors()), threading.active_count(), [file.read_text() for file in children]

    before = held()
    for _ in range(20):
        replica = start(*SLEEPS, transport=transport)
        assert replica.stop(10) == Exit(code=None, signal=signal.SIGTERM)
        for pipe in (replica.stdin, replica.stdout):
            if pipe is not None:
                pipe.close()
    wait_until(lambda: threading.active_count() == before[1])
    assert held()[0] == before[0]
    assert "".join(held()[2]) == "".join(before[2])


@pytest.mark.needs("linux")
@pytest.mark.parametrize("command", [("no-such-program",), ("/etc/passwd",), ("/bin/echo", "\0")], ids=str)
@pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
def test_failed_starts_leave_no_descriptor(start, command, transport):
    before = len(descriptors())
    for _ in range(5):
        with pytest.raises((CommandNotFoundError, WorkloadFailedError)):
            start(*command, transport=transport)
    assert len(descriptors()) == before


RUNNER = """
import sys, threading
from pathlib import Path
from workloads import RunConfig
from workloads.runtimes.process.runtime import ProcessRuntime
folder, program = Path(sys.argv[1]), sys.argv[2]
config = RunConfig(name="server", command=(sys.executable, "-c", program), transport="streamable-http")
started = []
def start():
    started.append(ProcessRuntime().start_replica(config, 0, secrets={}, log=folder / "0.log", folder=folder / "0"))
# The thread that starts the server ends long before the runner does.
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(started[0].identity.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def runner(tmp_path):
    """A process that runs a family of servers, and the family."""
    argv = [sys.executable, "-c", RUNNER, str(tmp_path / "logs"), FAMILY + "time.sleep(1000)"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        family = [int(word) for word in words(tmp_path / "logs" / "0.log", 5)]
        yield process, family
        process.kill()


@pytest.mark.needs("linux")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_when_the_runner_is_killed_the_whole_tree_is_gone_within_two_seconds(runner, number):
    process, family = runner
    assert all(exists(pid) for pid in family)
    process.send_signal(number)
    process.wait(30)
    wait_until(lambda: not any(exists(pid) for pid in family), timeout=ORPHANS_END)


@pytest.mark.needs("linux")
def test_when_the_runner_ends_without_stopping_its_server_the_server_ends(runner):
    process, family = runner
    process.stdin.close()
    assert process.wait(30) == 0
    wait_until(lambda: not any(exists(pid) for pid in family), timeout=ORPHANS_END)


@pytest.mark.needs("linux")
def test_when_runner_and_shim_are_killed_at_once_the_server_ends_too(runner):
    process, family = runner
    leader = family[0]
    shim = int(Path(f"/proc/{leader}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shim, signal.SIGSTOP)  # so that it cannot do its work before it is killed
    process.kill()
    process.wait(30)
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: not exists(leader), timeout=ORPHANS_END)
    for pid in family[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.needs("linux")
def test_the_recorded_identity_lets_somebody_else_end_the_server(runner):
    process, family = runner
    identity = identify(family[0])
    assert signal_group(identity, signal.SIGKILL)
    wait_until(lambda: not any(exists(pid) for pid in family), timeout=ORPHANS_END)
    assert process.poll() is None


@pytest.mark.needs("linux")
def test_a_forked_copy_of_the_runner_does_not_keep_its_server_alive(tmp_path):
    forks = RUNNER.replace("sys.stdin.read()", "import os; copy = os.fork(); copy and print(copy); sys.stdin.read()")
    argv = [sys.executable, "-u", "-W", "ignore", "-c", forks, str(tmp_path / "logs"), "import time; time.sleep(1000)"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        server, copy = (int(process.stdout.readline()) for _ in range(2))
        process.kill()
        wait_until(lambda: not exists(server), timeout=ORPHANS_END)
        assert exists(copy)
        os.kill(copy, signal.SIGKILL)


@pytest.mark.needs("linux")
@pytest.mark.parametrize("request_", [b"", b"12", b"100\n1"], ids=["nothing", "half a length", "half a request"])
def test_a_shim_whose_runner_ends_before_it_asked_for_a_server_ends(request_):
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-S", shim.__file__, str(theirs.fileno()), "server"]
    with subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL) as process:
        theirs.close()
        ours.sendall(request_)
        ours.close()
        assert process.wait(30) == 0
