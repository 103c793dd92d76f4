"""Ending what runs of a workload. Whoever does it holds the workload's operation lock."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from workloads._core import process
from workloads.errors import CorruptStateError, WorkloadFailedError
from workloads.state import RuntimeRecord

if TYPE_CHECKING:
    from workloads._core.process import ProcessIdentity
    from workloads.managers.containers import Containers
    from workloads.state import RuntimeRecordStore

__all__ = ("end", "was_launch_interrupted")

_KILL_TIMEOUT = 5.0
# What a runner gives its server when nobody says how long.
_OWN_GRACE = 10.0
# A runner says who it is as soon as it has taken the owner lock.
_WORD_TRIES = 100
_WORD_PAUSE = 0.05


def end(records: RuntimeRecordStore, containers: Containers, name: str, grace: float, *, runtime: str) -> str:
    """End the runner and the replicas of a workload, whatever is left of them, and the start of one.

    Args:
        records: Where they are written down.
        containers: Those that live on without their runner.
        name: The workload.
        grace: Seconds that the runner has to drain; then it is killed.
        runtime: What executes the workload if that is not on record.

    Returns:
        That it was cut, when it was; else nothing.

    Raises:
        WorkloadFailedError: Its runtime record is damaged while a runner owns it, so that it is not known which.
        WorkloadsError: Its containers cannot be ended.
    """
    try:
        record = _without_launch(records, name)
    except CorruptStateError:
        _drop_damaged(records, name)
        record = None
    if record is None:
        containers.end(RuntimeRecord(name=name, runtime=runtime), grace)
        return ""
    if grace > _OWN_GRACE and record.runner is not None and process.is_alive(record.runner):
        records.ask_to_end(name, record.runner, grace)
    was_alive = record.runner is not None and process.is_alive(record.runner)
    context = _end_runner(record.runner, grace)
    for replica in record.replicas:
        if process.signal_group(replica, signal.SIGKILL):
            process.wait_gone(replica, _KILL_TIMEOUT)
    record = records.read(name) or record  # the runner may have written more
    # A runner that lived has ended them itself, unless it was cut: then their time is out as well.
    containers.end(record, 0.0 if was_alive else grace)
    records.write(record.released())
    return context


def was_launch_interrupted(records: RuntimeRecordStore, name: str) -> bool:
    """Whether somebody began to start a workload and went before its runner owned it; the runner may still come.

    Args:
        records: Where the start is written down.
        name: The workload.
    """
    try:
        record = records.read(name)
    except CorruptStateError:
        return False
    return record is not None and record.launcher is not None and record.runner is None


def _without_launch(records: RuntimeRecordStore, name: str) -> RuntimeRecord | None:
    """The runtime record of a workload; from now on no runner takes it that was launched before.

    A runner looks for its own start on record while it holds the owner lock. So either the start is struck out here
    before it looks, or the runner is on record when this returns.
    """
    lock = records.owner_lock(name)
    for _ in range(_WORD_TRIES):
        record = records.read(name)
        if record is None or record.launcher is None or record.runner is not None:
            return record
        if lock.acquire(_WORD_PAUSE):
            try:
                record = records.read(name)
                if record is not None and record.runner is None:
                    record = record.released()
                    records.write(record)
            finally:
                lock.release()
            return record
    raise WorkloadFailedError(name, f"a process holds {lock.path} and does not say which; end it, then try again")


def _end_runner(runner: ProcessIdentity | None, grace: float) -> str:
    if runner is None or not process.send_signal(runner, signal.SIGTERM) or process.wait_gone(runner, grace):
        return ""
    process.send_signal(runner, signal.SIGKILL)
    process.wait_gone(runner, _KILL_TIMEOUT)
    return f"killed: it had not drained after {grace:g} s"


def _drop_damaged(records: RuntimeRecordStore, name: str) -> None:
    """Remove a runtime record that cannot be read, when nothing runs: servers end with their runner."""
    lock = records.owner_lock(name)
    if not lock.acquire(0):
        raise WorkloadFailedError(
            name, "its runtime record is damaged while a proxy runner owns it; end that process, then try again"
        )
    try:
        records.delete(name)
    finally:
        lock.release()
