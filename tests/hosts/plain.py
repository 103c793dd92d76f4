"""A program that embeds the library, in one of several unusual ways: ``plain.py REPORT WAY``.

It writes to the file ``REPORT`` what was not as it should be, a JSON list, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.embedded import embed, end
from tests.support.leaks import open_files
from tests.support.quick import quick
from tests.support.surroundings import zombies

from workloads import LocalManager, Settings, WorkloadFailedError


def odd() -> list[str]:
    """A program that has changed all about itself that a process hands on."""
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGINT})
    os.umask(0o777)
    socket.setdefaulttimeout(0.001)
    folder = Path("/tmp") / f"odd-{os.getpid()}"
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)
    os.chdir(folder)
    held = [os.open(__file__, os.O_RDONLY), *os.pipe(), *(end.detach() for end in socket.socketpair())]
    held += [os.dup(held[number % len(held)]) for number in range(200)]
    for descriptor in held:
        os.set_inheritable(descriptor, True)
    folder.rmdir()
    return embed()


def without_standard_descriptors() -> list[str]:
    """A program that has closed its standard input, output and error, as daemons do."""
    for descriptor in range(3):
        os.close(descriptor)
    return embed()


def in_a_thread() -> list[str]:
    """A program that uses the library in a thread, which then ends."""
    faults: list[str] = []
    thread = threading.Thread(target=lambda: faults.extend(embed()))
    thread.start()
    thread.join()
    return faults


def in_a_folder_named_from_here() -> list[str]:
    """A program that names the folder of its workloads by where it is itself, and then goes elsewhere."""
    os.chdir(Path(os.environ["XDG_STATE_HOME"]).parent)
    with LocalManager(settings=Settings(state_dir=Path("mine"))) as manager:
        status = manager.run_workload_detached(quick(), wait=30).status
        os.chdir("/tmp")
        manager.delete_workloads(["quick"]).wait(30)
    return [] if status == "running" else [status]


def with_a_broken_interpreter() -> list[str]:
    """A program that a write to a closed pipe would end, and whose runners die before they have read a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    before = set(open_files()), zombies()
    with LocalManager(settings=Settings(python="/bin/false")) as manager:
        try:
            manager.run_workload_detached(quick(), wait=10)
        except WorkloadFailedError:
            manager.delete_workloads(["quick"]).wait(30)
            return [] if (set(open_files()), zombies()) == before else ["something is left open, or dead"]
    return ["a workload runs without a runner"]


def as_subreaper() -> list[str]:
    """A program that inherits the orphans of its descendants, and does not know that it has to look after them."""
    import ctypes

    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
    return embed() + end()


def as_init() -> list[str]:
    """The only program of a container."""
    assert os.getpid() == 1
    return embed() + end()


def main() -> None:
    report, way = sys.argv[1:]
    faults = globals()[way]()
    Path(report).write_text(json.dumps(faults))


if __name__ == "__main__":
    main()
