"""What a server that is a process of this machine uses, with all that it started."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from workloads._core import process
from workloads.model import ReplicaStats

if TYPE_CHECKING:
    from workloads._core.process import ProcessIdentity

__all__ = ("measured",)


def measured(leader: ProcessIdentity, index: int) -> ReplicaStats | None:
    """What the processes of a replica use now; None when it has ended.

    Memory that several of them share counts for each, and CPU time of those that have ended does not.

    Args:
        leader: The leader of its process group.
        index: Its number within the workload.
    """
    import psutil

    memory, seconds, threads = 0, 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(leader.pid)
        for each in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), each.oneshot():
                times = each.cpu_times()
                memory += each.memory_info().rss
                seconds += times.user + times.system
                threads += each.num_threads()
    # Looked at last: its number may have been given to somebody else meanwhile.
    if not process.is_alive(leader):
        return None
    return ReplicaStats(index=index, memory=memory, cpu_seconds=seconds, pids=threads)
