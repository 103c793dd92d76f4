"""Processes whose starter has ended: somebody must take notice of their end, or they stay as zombies."""

from __future__ import annotations

import contextlib
import os

__all__ = ("see_to",)


def see_to(pid: int) -> None:
    """Have a process reaped that this program has inherited; do nothing about one that others see to.

    Orphans are inherited by init, which reaps them. But in a container without one this program may itself be the first
    process, or it may have asked to inherit orphans (``PR_SET_CHILD_SUBREAPER``), and need not know of any duty.

    Args:
        pid: An orphan, in a session that is not this program's.
    """
    import threading

    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if not ended:
            session = os.getsid(pid)
            threading.Thread(target=_reap, args=(pid, session), name=f"workloads-reaper-{pid}", daemon=True).start()
    except (ChildProcessError, ProcessLookupError):
        return


def _reap(pid: int, session: int) -> None:
    """Wait for the end of a process, and of the children that it leaves behind when it is killed."""
    import psutil

    _wait(pid)
    for child in psutil.Process().children():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(child.pid) == session:
                _wait(child.pid)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # this program ignores SIGCHLD, or waits for whatever child ends
        os.waitpid(pid, 0)
