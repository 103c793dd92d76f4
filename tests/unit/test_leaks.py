"""The look at what a test left behind finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from tests.support import leaks
from tests.support.waiting import wait_until


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(leaks, "PATIENCE", 0.0)


def test_nothing_left_is_no_leak(tmp_path):
    assert leaks.check(leaks.Snapshot.take(), tmp_path) == []


def test_a_thread_that_ends_in_time_is_no_leak(tmp_path):
    before = leaks.Snapshot.take()
    told = threading.Event()
    thread = threading.Thread(target=told.wait)
    thread.start()
    threading.Timer(0.05, told.set).start()
    assert leaks.check(before, tmp_path) == []
    thread.join()


def test_a_thread_is_found(tmp_path, at_once):
    before = leaks.Snapshot.take()
    told = threading.Event()
    thread = threading.Thread(target=told.wait, name="forgotten")
    thread.start()
    assert leaks.check(before, tmp_path) == ["thread 'forgotten'"]
    told.set()
    thread.join()


@pytest.mark.needs("linux")
def test_a_descriptor_is_found(tmp_path, at_once):
    before = leaks.Snapshot.take()
    number = os.open(tmp_path, os.O_RDONLY)
    assert leaks.check(before, tmp_path) == [f"descriptor {number}: {tmp_path}"]
    os.close(number)


@pytest.mark.needs("linux")
def test_a_zombie_is_found(tmp_path, at_once):
    before = leaks.Snapshot.take()
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert leaks.check(before, tmp_path) == [
        f"child process {child.pid}: a zombie: it has ended and nobody waited for it"
    ]
    child.wait()


@pytest.mark.needs("linux")
def test_a_process_that_left_its_parent_is_found_by_the_folder_it_knows_and_killed(tmp_path, at_once):
    before = leaks.Snapshot.take()
    spawn = "from subprocess import *; print(Popen(['sleep', '60'], start_new_session=True, stdout=-3, stderr=-3).pid)"
    environment = {**os.environ, "MARK": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", spawn], env=environment, check=True, capture_output=True, text=True)
    assert leaks.check(before, tmp_path) == [f"detached process {int(done.stdout)}: sleep 60"]
    wait_until(lambda: not leaks.strays(tmp_path))
