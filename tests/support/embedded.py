"""The library inside another program: what that program calls, and what it looks at in itself afterwards."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.support.leaks import children, open_files
from tests.support.quick import quick, record_of, runner_of
from tests.support.surroundings import inherited, parent_of, zombies
from tests.support.waiting import wait_until

from workloads import LocalManager, WorkloadStatus
from workloads._core.process import identify

STAYS, GOES = "stays", "goes"


def embed() -> list[str]:
    """Run a workload that stays, and one that is stopped, started and deleted again.

    Returns:
        What was not as it should be, in words.
    """
    before = set(open_files()), children(), zombies()
    faults: list[str] = []
    with LocalManager() as manager:
        workload = manager.run_workload_detached(quick(STAYS), wait=30)
        if workload.status is not WorkloadStatus.RUNNING:
            faults.append(f"{STAYS} is {workload.status}")
        for who, pid in _processes(STAYS):
            faults += [f"{who} has of its starter: {what}" for what in inherited(pid, deaf=who == "the shim")]
        if (place := Path(f"/proc/{runner_of(STAYS)}/cwd").readlink()) != Path("/"):
            faults.append(f"the runner works in {place}")

        manager.run_workload_detached(quick(GOES), wait=30)
        first = [pid for _, pid in _processes(GOES)]
        manager.stop_workloads([GOES]).wait(30)
        faults += _left("stop", first, before)
        manager.start_workloads([GOES]).wait(30)
        second = [pid for _, pid in _processes(GOES)]
        manager.delete_workloads([GOES], grace=0).wait(30)  # which kills the runner
        faults += _left("delete", second, before)
        faults += _unsafe_modes()
    return faults


def end(name: str = STAYS) -> list[str]:
    """Stop and delete a workload; what is left of it, in words."""
    before = set(open_files()), children(), zombies()
    pids = [pid for _, pid in _processes(name)]
    with LocalManager() as manager:
        manager.stop_workloads([name]).wait(30)
        faults = _left("stop", pids, before)
        manager.delete_workloads([name]).wait(30)
        faults += _left("delete", pids, before)
    # The file of a lock stays: who removed it would let two others have the lock at once.
    left = [path for path in _state_files() if name in path.name and path.suffix != ".lock"]
    return faults + [f"after delete: file {path}" for path in left]


def _processes(name: str) -> list[tuple[str, int]]:
    """The processes of a workload: its runner, its server, and the shim between them."""
    [server] = record_of(name).replicas
    return [("the runner", runner_of(name)), ("the server", server.pid), ("the shim", parent_of(server.pid))]


def _left(verb: str, pids: list[int], before: tuple[set[int], set[int], set[int]]) -> list[str]:
    """What is there after an end that was not there before the beginning."""
    files, kin, dead = before
    wait_until(lambda: not any(map(identify, pids)))
    # A process that has ended may take a moment to be reaped by whoever does that, and who does looks for its children.
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not zombies() - dead and not set(open_files()) - files)
    faults = [f"after {verb}: zombie {pid}" for pid in sorted(zombies() - dead)]
    faults += [f"after {verb}: descriptor {number}" for number in sorted(set(open_files()) - files)]
    of_runners = {pid for pid in children() - kin if pid != runner_of(STAYS)}
    return faults + [f"after {verb}: child {pid}" for pid in sorted(of_runners)]


def _unsafe_modes() -> list[str]:
    wrong = []
    for path in _state_files():
        mode = path.stat().st_mode & 0o777
        if mode != (0o700 if path.is_dir() else 0o600):
            wrong.append(f"{path} has mode {mode:o}")
    return wrong


def _state_files() -> list[Path]:
    roots = [Path(os.environ[name]) / "workloads" for name in ("XDG_STATE_HOME", "XDG_DATA_HOME")]
    return [path for root in roots for path in root.rglob("*")]
