"""A stdio workload with a process for each session, through a real manager."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.quick import record_of
from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads._core import process

pytestmark = [
    pytest.mark.needs("mcp"),
    # The client leaves streams of its own to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]

LINES = Path(__file__).parents[1] / "servers" / "lines.py"


async def pids_of_sessions(url, count, check):
    """Which process serves each of so many sessions, which are open while something is checked."""
    from mcp import Client

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url, mode="legacy")) for _ in range(count)]
        called = [await client.call_tool("pid", {}) for client in clients]
        await asyncio.to_thread(check)
        return [int(result.content[0].text) for result in called]


def test_processes_of_sessions_are_on_record_and_end_with_their_session_and_the_workload(manager):
    command = (sys.executable, str(LINES))
    config = RunConfig(name="quick", command=command, transport="stdio", stdio_mode="per-session")
    workload = manager.run_workload_detached(config, wait=20)
    seen = []

    def look():
        wait_until(lambda: len(record_of("quick").replicas) == 3)
        seen.extend(record_of("quick").replicas)
        shown = manager.get_workload("quick").replicas
        assert (shown.ready, shown.desired) == (1, 1)

    pids = run(pids_of_sessions(workload.url, 2, look))
    assert len(set(pids)) == 2
    assert len(seen) == 3
    # The clients have ended their sessions.
    wait_until(lambda: len(record_of("quick").replicas) == 1)
    assert sum(map(process.is_alive, seen)) == 1
    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    assert not any(map(process.is_alive, seen))


def test_a_killed_runner_takes_the_processes_of_sessions_with_it(manager):
    command = (sys.executable, str(LINES))
    config = RunConfig(name="quick", command=command, transport="stdio", stdio_mode="per-session")
    workload = manager.run_workload_detached(config, wait=20)
    seen = []

    def kill():
        wait_until(lambda: len(record_of("quick").replicas) == 3)
        record = record_of("quick")
        seen.extend(record.replicas)
        os.kill(record.runner.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(process.is_alive, seen)))

    run(pids_of_sessions(workload.url, 2, kill))
    assert len(seen) == 3
