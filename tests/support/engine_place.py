"""Where a private container engine lives: a folder, a bridge, a range of addresses, and mounts of its own.

A place has a number, which is locked for as long as the test session lives, however it ends. So nothing of two engines
ever collides, and whoever gets a number next first removes what a killed session left there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from tests.support import firewall
from tests.support.leaks import strays

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = 100
_PATIENCE = 60.0
# Shims listen in /run/containerd whatever they are told: an engine of its own gets a /run/containerd of its own. What
# an engine keeps is in memory: that is quick, and gone with the last process that sees it. A disk of a given size is in
# a file where this machine has loop devices; where it has none, memory says just as well that it is full.
_KEEPER = """
set -e
mkdir -p /run/containerd "$0/data"
mount -t tmpfs tmpfs /run/containerd
if [ "$1" -eq 0 ]; then
  mount -t tmpfs -o size=4g tmpfs "$0/data"
else
  truncate -s "$1" "$0/disk"
  mkfs.ext4 -q "$0/disk" && mount -o loop "$0/disk" "$0/data" ||
    mount -t tmpfs -o "size=$1,nr_inodes=16k" tmpfs "$0/data"
fi
echo ready
exec sleep infinity
"""


@dataclass
class Place:
    """One numbered place.

    Attributes:
        number: Its number.
        folder: Its folder, whose path leaves room for the name of a Unix socket.
        bridge: The name of its bridge.
        range: How the addresses in its range begin, such as ``10.100.``.
        disk: The size in bytes of the disk for what is kept; 0 for one of memory, as large as is needed.
        keeper: The process that keeps its mounts: what is mounted in here goes with the last process of the place.
    """

    number: int
    folder: Path
    bridge: str
    range: str
    disk: int = 0
    keeper: subprocess.Popen[bytes] | None = None

    @property
    def subnet(self) -> str:
        """The range as a network."""
        return f"{self.range}0.0/16"

    def inside(self, *command: str) -> list[str]:
        """A command as it runs among the mounts of this place."""
        assert self.keeper is not None
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--", *command]

    def open(self) -> None:
        """Make the folder and keep the mounts."""
        self.folder.mkdir(mode=0o700)
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _KEEPER, str(self.folder), str(self.disk)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.keeper.stdout is not None
        with self.keeper.stdout as told:
            assert told.readline() == b"ready\n", "no mount namespace: run the tests in a privileged container"

    def sweep(self) -> None:
        """Remove whatever is here: processes, mounts, interfaces, rules and files."""
        if self.keeper is not None:
            self.keeper.kill()
            self.keeper.wait()
            self.keeper = None
        deadline = time.monotonic() + _PATIENCE
        while left := strays(self.folder):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, f"processes {left} do not end"
            time.sleep(0.01)
        for name in self.interfaces():
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
        firewall.remove(self.bridge, f" {self.range}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def interfaces(self) -> set[str]:
        """The network interfaces of this place."""
        return {
            name
            for name, addresses in psutil.net_if_addrs().items()
            if name == self.bridge or any(each.address.startswith(self.range) for each in addresses)
        }


@contextlib.contextmanager
def claimed(disk: int = 0) -> Iterator[Place]:
    """A place of nobody else's on this machine, empty before and afterwards.

    Args:
        disk: The size in bytes of its disk; 0 for one of memory, as large as is needed.
    """
    for number in range(_PLACES):
        path = Path(tempfile.gettempdir(), f"workloads-engine-{number}")
        with path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            place = Place(number, path, f"wlbr{number}", f"10.{100 + number}.", disk)
            place.sweep()
            if place.interfaces():
                continue  # somebody's own network has these addresses
            try:
                place.open()
                yield place
            finally:
                place.sweep()
            return
    raise AssertionError(f"all {_PLACES} places for engines are taken")
