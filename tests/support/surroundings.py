"""What a process got from whoever started it, and what it left: looked up in ``/proc``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.leaks import children, open_files

# CPython ignores these two itself when it starts; servers and runners of these tests are written in it.
OF_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def fields(pid: int | str) -> dict[str, str]:
    """``/proc/PID/status``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signals(mask: str) -> set[int]:
    """The signals in a mask of ``/proc/PID/status``."""
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def parent_of(pid: int) -> int:
    return int(fields(pid)["PPid"])


def zombies() -> set[int]:
    """Children of this process that have ended and that nobody waited for."""
    return {pid for pid in children() if fields(pid)["State"].startswith("Z")}


def distinct_files(pid: int | str = "self") -> set[str]:
    """What a process has open, as far as a name tells it from what others have open."""
    targets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.add(str(descriptor.readlink()))
        except FileNotFoundError:  # that of the listing itself
            continue
    return {target for target in targets if target != os.devnull and not target.startswith(("anon_inode:", "/proc/"))}


def inherited(pid: int, *, deaf: bool = False) -> list[str]:
    """What a process has of this one, its starter, that it should have none of.

    Args:
        pid: The process.
        deaf: Whether it ignores all signals of its own accord.
    """
    about = fields(pid)
    faults = [f"descriptor {target}" for target in sorted(distinct_files(pid) & set(open_files().values()))]
    if blocked := signals(about["SigBlk"]):
        faults.append(f"blocked signals {sorted(blocked)}")
    if not deaf and (ignored := signals(about["SigIgn"])) != OF_PYTHON:
        faults.append(f"ignored signals {sorted(ignored)}")
    if about["Umask"] != "0077":
        faults.append(f"umask {about['Umask']}")
    for what, same in (("session", os.getsid), ("process group", os.getpgid)):
        if same(pid) == same(0):
            faults.append(what)
    if Path(f"/proc/{pid}/cwd").readlink() == Path("/proc/self/cwd").readlink():
        faults.append("working folder")
    return faults
