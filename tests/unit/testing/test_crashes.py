"""Ending a process at a chosen point."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from workloads.testing import crashes

PROGRAM = """
import os, signal, subprocess, sys
from pathlib import Path
from workloads.testing import crashes

folder = Path(sys.argv[1])
(folder / "before").write_text("not watched")
with crashes.watched():
    fd = os.open(folder / "a", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x")
    os.close(fd)
    Path(sys.argv[2], "elsewhere").write_text("does not count")
    (folder / "a").read_text()
    (folder / "a").rename(folder / "b")
    subprocess.run([sys.executable, "-c", ""], cwd=".")  # without a folder, some versions call os.posix_spawn
    os.kill(os.getpid(), 0)
(folder / "after").write_text("not watched")
"""
EVENTS = ["open", "os.write", "os.rename", "subprocess.Popen", "os.kill", "end"]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def command(tmp_path, folder):
    return [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path)]


def test_every_change_process_and_signal_is_a_point(command, folder):
    points = crashes.survey(command, within=folder)
    assert [point.event for point in points] == EVENTS
    assert [point.number for point in points] == list(range(len(EVENTS)))
    assert points[0].target == str(folder / "a")
    assert points[2].target == str(folder / "b")


@pytest.mark.parametrize(("number", "left"), [(0, {"before"}), (1, {"before", "a"}), (5, {"before", "b"})])
def test_it_is_killed_just_before_what_happens_there(command, folder, number, left):
    crashes.crash(command, crashes.CrashPoint(number, EVENTS[number], ""), within=folder)
    assert {file.name for file in folder.iterdir()} == left


def test_a_point_that_is_not_reached_is_told(command, folder):
    with pytest.raises(RuntimeError, match="did not come to"):
        crashes.crash(command, crashes.CrashPoint(99, "open", ""), within=folder)


def test_a_program_that_fails_is_told_with_what_it_wrote(folder):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        crashes.survey([sys.executable, "-c", "1 / 0"], within=folder)


def test_nothing_is_watched_in_a_program_that_was_started_by_nobody():
    functions = os.write, os.fsync
    with crashes.watched():
        assert (os.write, os.fsync) == functions
        os.kill(os.getpid(), 0)
    assert signal.getsignal(signal.SIGKILL) is signal.SIG_DFL
