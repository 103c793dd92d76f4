"""State files and locks between real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from workloads._core.locks import FileLock
from workloads._core.paths import Paths
from workloads._core.temporary import is_temporary
from workloads.model import WorkloadStatus
from workloads.state import StatusStore

# Writes documents whose length and content tell whether they are whole, as fast as it can.
_WRITER = """
import json, sys
from pathlib import Path
from workloads._core.files import write_atomic
path = Path(sys.argv[1])
number = int(sys.argv[2])
while True:
    number += 1
    write_atomic(path, json.dumps({"number": number, "filler": "x" * (number * 997 % 50_000)}).encode())
    if number % 10 == 1:
        print(number, flush=True)
"""

_HOLDER = """
import sys, time
from pathlib import Path
from workloads._core.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire(0)
print("held", flush=True)
time.sleep(60)
"""

_COUNTER = """
import sys
from pathlib import Path
from workloads._core.locks import FileLock
path = Path(sys.argv[1])
for _ in range(50):
    with FileLock(path.with_suffix(".lock")).held(30):
        path.write_text(str(int(path.read_text()) + 1))
"""

_SETTER = """
import sys
from pathlib import Path
from workloads._core.paths import Paths
from workloads.model import WorkloadStatus
from workloads.state import StatusStore
store = StatusStore(Paths.locate(state_dir=Path(sys.argv[1])))
for number in range(20):
    store.set("a", WorkloadStatus.RUNNING, str(number), process_id=int(sys.argv[2]))
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def start(program, *arguments):
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    chance = random.Random(20260105)
    folder = tmp_path / "folder"
    folder.mkdir()
    path, last = folder / "a.json", 0
    deadline = time.monotonic() + 2
    kills = 0
    while time.monotonic() < deadline:
        with start(_WRITER, path, last) as writer:
            told = int(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.02))  # the moment of the kill is what is tried out
            writer.kill()
            told = int((writer.stdout.read().split() or [told])[-1])
        document = json.loads(path.read_bytes())
        assert document["number"] >= told, "what was acknowledged is there"
        assert len(document["filler"]) == document["number"] * 997 % 50_000
        last = document["number"]
        kills += 1
    assert kills >= 2
    assert [entry.name for entry in folder.iterdir() if not is_temporary(entry.name)] == ["a.json"]


def test_a_lock_excludes_another_process_until_that_is_killed(tmp_path):
    path = tmp_path / "a.lock"
    with start(_HOLDER, path) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert not FileLock(path).acquire(0.05)
        holder.kill()
        with FileLock(path).held(5):
            pass


def test_no_increment_is_lost_between_processes(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    counters = [start(_COUNTER, path) for _ in range(3)]
    assert [counter.wait(30) for counter in counters] == [0, 0, 0]
    for counter in counters:
        counter.stdout.close()
    assert path.read_text() == "150"


def test_a_program_that_is_started_does_not_inherit_a_lock(tmp_path):
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    lock.acquire(0)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        with FileLock(path).held(0):
            pass
        child.kill()


_FORKER = """
import os, signal, sys, time
from pathlib import Path
from workloads._core.locks import FileLock
path = Path(sys.argv[1])
lock = FileLock(path)
lock.acquire(0)
read, write = os.pipe()
child = os.fork()
if not child:
    assert not FileLock(path).acquire(0), "the parent holds it"
    other = FileLock(path.with_suffix(".other"))
    other.acquire(0)  # gets the number of the descriptor that the lock had
    lock.release()
    assert not FileLock(other.path).acquire(0), "releasing what a parent holds releases nothing else"
    os.write(write, b"1")
    time.sleep(60)
os.close(write)
print(child, os.read(read, 1).decode(), FileLock(path).acquire(0), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_fork
def test_a_forked_child_neither_releases_nor_inherits_a_lock(tmp_path):
    path = tmp_path / "a.lock"
    with start(_FORKER, path) as parent:
        child, checked, acquired = parent.stdout.readline().split()
        parent.wait(30)
        try:
            assert checked == b"1"
            assert acquired == b"False", "the child released the lock of its parent"
            with FileLock(path).held(0):
                pass
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_statuses_set_by_several_processes_at_once_are_whole(tmp_path):
    store = StatusStore(Paths.locate(state_dir=tmp_path))
    store.set("a", WorkloadStatus.STARTING)
    created_at = store.read("a").created_at
    setters = [start(_SETTER, tmp_path, pid) for pid in (11, 22, 33)]
    assert [setter.wait(30) for setter in setters] == [0, 0, 0]
    for setter in setters:
        setter.stdout.close()
    record = store.read("a")
    assert record.created_at == created_at
    assert record.process_id in (11, 22, 33)
    assert record.status_context == "19"
