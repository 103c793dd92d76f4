"""What servers read and write."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from pathlib import Path

import pytest
from tests.support.processes import words
from tests.support.waiting import wait_until

from workloads.runtimes.process import shim
from workloads.runtimes.process.log import RotatingLog
from workloads.runtimes.protocol import Exit


def test_a_stdio_server_is_talked_to_through_unbuffered_pipes(start, log):
    replica = start("/bin/sh", "-c", "echo noise >&2; exec cat", transport="stdio")
    replica.stdin.write(b"hello\n")
    assert replica.stdout.read(6) == b"hello\n"
    replica.stdin.close()
    assert replica.stdout.read() == b""
    assert replica.wait(30) == Exit(code=0, signal=None)
    assert log.read_text() == "noise\n"


def test_what_a_stdio_server_wrote_can_be_read_after_its_end(start):
    replica = start("/bin/echo", "last words", transport="stdio")
    replica.wait(30)
    assert replica.stdout.read() == b"last words\n"


def test_a_stdio_server_that_closes_its_output_is_noticed_while_it_runs(start):
    replica = start("/bin/sh", "-c", "exec >&-; exec sleep 1000", transport="stdio")
    assert select.select([replica.stdout], [], [], 30)[0]
    assert replica.stdout.read() == b""
    assert replica.wait(0) is None


def test_a_stdio_server_that_closes_its_input_is_noticed_while_it_runs(start):
    replica = start("/bin/sh", "-c", "exec <&-; echo; exec sleep 1000", transport="stdio")
    replica.stdout.read(1)
    with pytest.raises(BrokenPipeError):
        replica.stdin.write(b"x")


def test_an_http_server_has_no_input(start, log):
    replica = start("/bin/cat")
    assert replica.wait(30) == Exit(code=0, signal=None)
    assert (replica.stdin, replica.stdout) == (None, None)


def test_output_and_errors_are_in_the_log_while_the_server_runs(start, log):
    start("/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000")
    assert sorted(words(log, 2)) == ["err", "out"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_all_that_a_server_wrote_is_in_the_log_when_its_end_is_told(start, log):
    replica = start("/bin/sh", "-c", "seq 100000; exit 4")
    assert replica.wait(20) == Exit(code=4, signal=None)
    assert log.read_text().split() == [str(number) for number in range(1, 100_001)]


@pytest.mark.needs("linux")
def test_what_is_still_in_a_large_pipe_when_the_server_ends_is_not_lost(start, log, monkeypatch):
    write, ended = RotatingLog.write, threading.Event()

    def write_late(self, data):
        ended.wait(30)
        write(self, data)

    monkeypatch.setattr(RotatingLog, "write", write_late)
    size = 1_000_000
    grow_and_fill = f"import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20); os.write(1, b'x' * {size})"
    replica = start(sys.executable, "-c", grow_and_fill)
    wait_until(lambda: select.select([replica._spawned.channel], [], [], 0)[0])
    ended.set()
    assert replica.wait(30) == Exit(code=0, signal=None)
    assert log.stat().st_size == size


def test_a_new_run_continues_the_log(start, log):
    for word in ("one", "two"):
        start("/bin/echo", word).wait(30)
    assert log.read_text() == "one\ntwo\n"


@pytest.mark.needs("linux")
def test_a_server_that_floods_its_output_fills_neither_disk_nor_memory(start, log):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    replica = start("/bin/sh", "-c", "yes | head -c 100000000")
    assert replica.wait(30) == Exit(code=0, signal=None)
    kept = sorted(file.stat().st_size for file in log.parent.iterdir())
    assert len(kept) == 4
    assert kept[0] > 0
    assert kept[-1] <= 10 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024  # KiB


def test_a_daemon_that_keeps_the_output_open_does_not_keep_the_end_from_being_told(start, log, tmp_path, monkeypatch):
    # As where no such process can be found: on a system without subreapers, or after somebody killed the shim.
    careless = tmp_path / "shim.py"
    careless.write_text(Path(shim.__file__).read_text().replace("    _sweep()\n", ""))
    monkeypatch.setattr(shim, "__file__", str(careless))
    daemon = "setsid sh -c 'echo $$; echo >fifo; exec sleep 1000'"
    replica = start("/bin/sh", "-c", f"mkfifo fifo; {daemon} & read line <fifo; exit 3")
    assert replica.wait(30) == Exit(code=3, signal=None)
    (pid,) = words(log)
    os.kill(int(pid), signal.SIGKILL)
