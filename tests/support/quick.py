"""Workloads of the quick stand-in server, and what is on record about them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads._core.paths import Paths
from workloads._core.process import is_alive
from workloads.state import RuntimeRecord, RuntimeRecordStore

QUICK = str(Path(__file__).parents[1] / "servers" / "quick_stdio.py")


def quick(name: str = "quick", *args: str, **fields: Any) -> RunConfig:
    """A run config of the quick server, started with these arguments."""
    return RunConfig(name=name, command=[sys.executable, "-I", "-S", QUICK], cmd_args=list(args), **fields)


def record_of(name: str) -> RuntimeRecord:
    record = RuntimeRecordStore(Paths.locate()).read(name)
    assert record is not None
    return record


def runner_of(name: str) -> int:
    runner = record_of(name).runner
    assert runner is not None
    return runner.pid


def kill_runner(name: str) -> None:
    """Kill the proxy runner of a workload and wait until it is gone, which its server may be before."""
    runner = record_of(name).runner
    assert runner is not None
    os.kill(runner.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(runner))
