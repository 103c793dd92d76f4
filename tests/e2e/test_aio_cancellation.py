"""Whoever is cancelled in a verb of a real manager leaves no process, no file and no half-done workload."""

from __future__ import annotations

import asyncio
import os
import statistics
import threading
import time
from pathlib import Path

import pytest
from tests.support.aio import LOOPS, run
from tests.support.quick import quick, record_of
from tests.support.streams import STREAMS, seconds_to_close
from tests.support.waiting import wait_until

from workloads import LocalManager, WorkloadStatus
from workloads._core.paths import Paths
from workloads._core.process import is_alive
from workloads.aio import new_manager
from workloads.state import RuntimeRecordStore

# Each verb, and what the workload may be when it was cancelled: as before, or as the verb leaves it.
VERBS = {
    "start_workloads": (lambda manager: manager.start_workloads(["quick"]), {"stopped default", "running default"}),
    "stop_workloads": (lambda manager: manager.stop_workloads(["quick"]), {"running default", "stopped default"}),
    "restart_workloads": (lambda manager: manager.restart_workloads(["quick"]), {"running default"}),
    "delete_workloads": (lambda manager: manager.delete_workloads(["quick"]), {"running default", "gone"}),
    "update_workload": (lambda manager: manager.update_workload("quick", UPDATED), {"running default"}),
    "move_to_group": (
        lambda manager: manager.move_to_group(["quick"], "default", "tools"), {"running default", "running tools"},
    ),
}  # fmt: skip
UPDATED = quick("quick", "--say=new")

pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def until(condition) -> None:
    """Wait in a loop for what cannot be awaited."""
    await asyncio.to_thread(wait_until, condition, timeout=60)


def state() -> str:
    with LocalManager() as manager:
        found = manager.list_workloads(all=True)
    return f"{found[0].status} {found[0].group}" if found else "gone"


def has_server() -> bool:
    record = RuntimeRecordStore(Paths.locate()).read("quick")
    return record is not None and bool(record.replicas)


def files() -> list[str]:
    """What is on disk about workloads, but for locks, whose files stay."""
    roots = [Path(os.environ[name], "workloads") for name in ("XDG_STATE_HOME", "XDG_DATA_HOME")]
    return [str(path) for root in roots for path in root.rglob("quick*") if path.suffix != ".lock"]


async def nothing_is_left() -> bool:
    return (await asyncio.to_thread(state), files()) == ("gone", [])


@pytest.mark.parametrize("verb", VERBS)
def test_a_cancelled_verb_leaves_nothing_half_done(verb, loop):
    call, outcomes = VERBS[verb]

    async def body() -> None:
        async with await new_manager("process") as manager:
            await manager.run_workload_detached(quick(), wait=20)
            if verb == "start_workloads":
                await (await manager.stop_workloads(["quick"]))
            try:
                async with asyncio.timeout(0.05):
                    completion = await call(manager)
                    if completion is not None:
                        await completion
            except TimeoutError:
                pass
            await until(lambda: state() in outcomes)
            # This queues behind what the cancelled verb had begun.
            assert await (await manager.delete_workloads(["quick"], grace=5)) == {"quick": None}
            assert await nothing_is_left()

    with LocalManager() as manager:
        manager.groups.create("tools")
    run(body(), loop=loop)


@pytest.mark.parametrize("delay", [0, 0.05, 0.5])
def test_a_detached_run_out_of_time_leaves_nothing(delay, loop):
    async def body() -> None:
        async with await new_manager("process") as manager:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(delay):
                    await manager.run_workload_detached(quick("quick", "--mute"), wait=600)
            assert await nothing_is_left()

    run(body(), loop=loop)


def test_a_detached_run_cancelled_while_its_server_is_not_ready_ends_soon_and_leaves_nothing(loop):
    async def body() -> float:
        async with await new_manager("process") as manager:
            task = asyncio.ensure_future(manager.run_workload_detached(quick("quick", "--mute"), wait=600))
            await until(has_server)
            record = await asyncio.to_thread(record_of, "quick")
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            took = time.monotonic() - began
            assert not await asyncio.to_thread(lambda: any(map(is_alive, (record.runner, *record.replicas))))
            assert await nothing_is_left()
            return took

    # Within a second or so; the rest is for machines with much else to do.
    assert run(body(), loop=loop) < 30


def test_a_foreground_run_that_is_cancelled_is_drained_and_kept(loop):
    async def body() -> None:
        async with await new_manager("process") as manager:
            for reached in ({"starting default", "running default"}, {"running default"}):
                task = asyncio.ensure_future(manager.run_workload(quick()))
                await until(lambda reached=reached: state() in reached)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                kept = await manager.get_workload("quick")
                assert kept.status is WorkloadStatus.STOPPED
                await (await manager.delete_workloads(["quick"]))
            assert await nothing_is_left()

    run(body(), loop=loop)


def test_streams_are_closed_from_another_task_within_100_ms_and_closing_the_manager_ends_its_threads(loop):
    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("workloads")]

    async def body() -> dict[str, float]:
        async with await new_manager("process") as manager:
            await manager.run_workload_detached(quick("time"), wait=20)
            took = {
                name: statistics.median([await seconds_to_close(opening(manager)) for _ in range(5)])
                for name, opening in STREAMS.items()
            }
            await (await manager.delete_workloads(["time"], grace=5))
            assert ours()
        await until(lambda: ours() == [])
        return took

    assert {name: seconds for name, seconds in run(body(), loop=loop).items() if seconds >= 0.1} == {}
