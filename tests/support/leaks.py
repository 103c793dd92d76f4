"""What a test has left behind: threads, child processes, descriptors, and processes that left their parents.

Everything is counted against a snapshot from before the test, and given a moment to end, since a thread or a process
that was told to end takes one. Nothing is excused but what :data:`KNOWN_THREADS` and :data:`KNOWN_FILES` name.
"""

# Every test is looked at twice, so without the ado of Path.
# ruff: noqa: PTH115, PTH123, PTH208
from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

KNOWN_THREADS: dict[str, str] = {
    "pytest_timeout": "the watchdog of the running test itself",
}
KNOWN_FILES: dict[str, str] = {
    "/dev/urandom": "opened once by the interpreter and kept",
    "/proc/": "the snapshot's own look at this process",
}
PATIENCE = 10.0

_PROC = Path("/proc")
_HAS_PROC = _PROC.joinpath("self/fd").exists()


@dataclass
class Snapshot:
    """What there was at one moment."""

    threads: set[threading.Thread] = field(default_factory=set)
    children: set[int] = field(default_factory=set)
    files: dict[int, str] = field(default_factory=dict)
    latest: str = ""
    """The newest process, or thread, of the whole machine."""
    processes: frozenset[str] = frozenset()
    """The processes of the whole machine; what tests run at the same time start is many, and no concern of this one."""

    @classmethod
    def take(cls) -> Snapshot:
        newest = latest()
        return cls(set(threading.enumerate()), children(), open_files(), newest, processes(newest))

    def leaks(self, folder: Path) -> list[str]:
        """Describe what is there now and was not then, and live processes that know the test's folder."""
        now = self.take()
        new_files = {
            (number, target)
            for number, target in now.files.items()
            if self.files.get(number) != target and not any(target.startswith(known) for known in KNOWN_FILES)
        }
        return [
            *(
                f"thread {thread.name!r}"
                for thread in now.threads - self.threads
                if thread.is_alive() and not thread.name.startswith(tuple(KNOWN_THREADS))
            ),
            *(f"child process {pid}: {command_line(pid)}" for pid in sorted(now.children - self.children)),
            *(f"descriptor {number}: {target}" for number, target in sorted(new_files)),
            *(
                f"detached process {pid}: {command_line(pid)}"
                for pid in sorted(strays(folder, since=self.processes) if now.latest != self.latest else ())
            ),
        ]


def check(before: Snapshot, folder: Path) -> list[str]:
    """Wait a moment for what is ending, then describe what is left. Processes that are left are killed."""
    deadline = time.monotonic() + PATIENCE
    collected = False
    while left := before.leaks(folder):
        if not collected:
            gc.collect()  # only garbage may be to blame, and collecting before every test would cost more
            collected = True
        elif time.monotonic() > deadline:
            break
        else:
            time.sleep(0.02)
    if left:
        for pid in strays(folder) | (children() - before.children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return left


def children() -> set[int]:
    """The child processes of this process, dead ones that nobody waited for too."""
    if not _HAS_PROC:
        import psutil

        return {child.pid for child in psutil.Process().children()}
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", "rb", buffering=0) as told:
            found.update(map(int, told.read().split()))
    return found


def open_files() -> dict[int, str]:
    """The descriptors of this process and what they are."""
    if not _HAS_PROC:
        return {}
    found: dict[int, str] = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself is closed by now
            found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
    return found


def latest() -> str:
    """The newest process: while it is the same, nobody has started any, and to look at all of them is for nothing."""
    if not _HAS_PROC:
        return ""
    with open("/proc/loadavg", "rb", buffering=0) as told:
        return told.read().split()[-1].decode()


@functools.lru_cache(maxsize=1)
def processes(newest: str) -> frozenset[str]:
    """The pids of all processes, and perhaps of some that have ended since this one was the newest."""
    del newest  # what the answer depends on
    return frozenset(filter(str.isdigit, os.listdir("/proc"))) if _HAS_PROC else frozenset()


def strays(folder: Path, since: frozenset[str] = frozenset()) -> set[int]:
    """Live processes, whoever their parent is, that know a folder from their arguments, environment or place.

    Args:
        folder: The folder.
        since: The pids of processes that are passed over, for they were there before.
    """
    mark = os.fsencode(folder)
    found: set[int] = set()
    for pid in processes(latest()) - since - {str(os.getpid())}:
        about = _PROC / pid
        with contextlib.suppress(OSError):
            # A kernel thread and a zombie have no command line.
            if (command := about.joinpath("cmdline").read_bytes()) and (
                mark in command
                or mark in about.joinpath("environ").read_bytes()
                or os.fsencode(about.joinpath("cwd").readlink()).startswith(mark)
            ):
                found.add(int(pid))
    return found


def command_line(pid: int) -> str:
    """How a process was started, for people."""
    try:
        words = _PROC.joinpath(str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "already gone"
    return words.strip() or "a zombie: it has ended and nobody waited for it"
