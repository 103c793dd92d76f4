"""Real processes that play servers, and looking at them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.waiting import wait_until

from workloads._core.process import identify

SLEEPS = ("/bin/sleep", "1000")
# A leader, a child and a grandchild, all deaf to SIGTERM, and a grandchild that left their session.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(1000)"
children = [
    subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=leaves)
    for leaves in (False, True)
]
parent = subprocess.Popen(
    [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {deaf!r}])"],
    stdout=subprocess.PIPE,
)
for child in (*children, parent):
    child.stdout.readline()
grandchild = open(f"/proc/{parent.pid}/task/{parent.pid}/children").read()
print(os.getpid(), *(child.pid for child in children), parent.pid, grandchild, flush=True)
"""


def exists(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    return identify(pid) is not None


def is_there(pid: int) -> bool:
    """Whether a process exists, a zombie too; asked without reading a file, which would block a loop."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def shim_of(replica) -> int:
    """The process that attends to a server."""
    fields = Path(f"/proc/{replica.identity.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def descriptors() -> list[int]:
    """The open descriptors of this process."""
    numbers = [int(file.name) for file in Path("/proc/self/fd").iterdir()]
    return [number for number in numbers if os.path.lexists(f"/proc/self/fd/{number}")]


def words(log: Path, count: int = 1) -> list[str]:
    """The words in a log, as soon as there are so many."""
    wait_until(lambda: log.exists() and len(log.read_text().split()) >= count)
    return log.read_text().split()
