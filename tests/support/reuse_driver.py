"""A program that lets other processes get the pids of a killed workload: ``reuse_driver.py STATE_DIR``.

It is process 1 of a pid namespace of its own, so that it may say which pid is given next.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.quick import quick
from tests.support.waiting import wait_until

from workloads import LocalManager, Settings, WorkloadStatus
from workloads._core.process import identify

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
# Says which signal it got.
BYSTANDER = """
import signal, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, lambda number, _: print("got", number, flush=True))
print("here", flush=True)
while True:
    time.sleep(60)
"""


def bystander_with(pid: int) -> subprocess.Popen[str]:
    """A process of somebody else that has this pid and leads a group of that number."""
    LAST_PID.write_text(str(pid - 1))
    process = subprocess.Popen(
        [sys.executable, "-c", BYSTANDER], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.pid == pid, f"wanted pid {pid}, got {process.pid}"
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def kill(pids: list[int]) -> None:
    """Kill processes, and take notice as process 1 has to, so that their pids are free."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a server ends with its runner
            os.kill(pid, signal.SIGKILL)

    def gone() -> bool:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return not any(Path(f"/proc/{pid}").exists() for pid in pids)

    try:
        wait_until(gone)
    except ChildProcessError:
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def main(state: str) -> None:
    with LocalManager(settings=Settings(state_dir=Path(state))) as manager:
        for verb in (
            lambda: manager.stop_workloads(["quick"]).wait(20),
            lambda: manager.restart_workloads(["quick"]).wait(20),
            lambda: manager.delete_workloads(["quick"]).wait(20),
        ):
            manager.run_workload_detached(quick(), wait=20)
            record = manager._inventory.records.read("quick")
            assert record is not None
            assert record.runner is not None
            pids = [record.runner.pid, record.replicas[0].pid]
            kill(pids)
            bystanders = [bystander_with(pid) for pid in pids]
            known = [identify(pid) for pid in pids]
            assert manager.get_workload("quick").status is WorkloadStatus.UNHEALTHY
            verb()
            manager.delete_workloads(["quick"]).wait(20)
            manager.prune()
            assert [identify(pid) for pid in pids] == known, "they were killed"
            for bystander in bystanders:
                bystander.kill()
                assert bystander.stdout is not None
                with bystander.stdout:
                    assert bystander.stdout.read() == "", "they were signalled"
                bystander.wait()
    print("untouched")


if __name__ == "__main__":
    main(*sys.argv[1:])
