"""The manager of this machine for asyncio: real runners and servers, and nothing left of what was cancelled."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run
from tests.support.mcp_client import call_tool
from tests.support.quick import quick

from workloads import EventType, WorkloadStatus
from workloads.aio import new_manager


def test_a_workload_is_run_watched_read_and_deleted_without_blocking_the_loop():
    async def body() -> None:
        async with await new_manager("process") as manager, manager.watch_workloads() as events:
            assert (await anext(events)).type is EventType.SYNCED
            workload = await manager.run_workload_detached(quick(), wait=20)
            assert workload.status is WorkloadStatus.RUNNING
            event = await anext(events)
            assert (event.type, event.workload and event.workload.name) == (EventType.ADDED, "quick")
            assert await asyncio.to_thread(call_tool, workload.url, "echo", text="hello") == "hello"
            async for line in manager.get_logs("quick", follow=True):
                if line == "called echo":
                    break
            found = await asyncio.gather(*(manager.list_workloads() for _ in range(100)))
            assert {tuple(w.name for w in each) for each in found} == {("quick",)}
            assert await (await manager.delete_workloads(["quick"], grace=5)) == {"quick": None}
            assert not await manager.does_workload_exist("quick")

    run(body())


@pytest.mark.parametrize("delay", [0.05, 0.4])
def test_a_cancelled_detached_run_leaves_neither_process_nor_record(delay):
    async def body() -> None:
        async with await new_manager("process") as manager:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(delay):
                    await manager.run_workload_detached(quick("quick", "--mute"), wait=1)
            assert await manager.list_workloads(all=True) == []

    run(body())


def test_a_cancelled_foreground_run_is_drained_and_listed_as_stopped():
    async def body() -> None:
        async with await new_manager("process") as manager, manager.watch_workloads() as events:
            task = asyncio.ensure_future(manager.run_workload(quick()))
            async for event in events:
                if event.workload is not None and event.workload.status is WorkloadStatus.RUNNING:
                    break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await manager.get_workload("quick")).status is WorkloadStatus.STOPPED
            await (await manager.delete_workloads(["quick"]))

    run(body())
