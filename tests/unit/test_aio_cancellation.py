"""Whoever is cancelled in a verb that changes something: what was done is undone, or done to its end, on any loop."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time

import pytest
from tests.support.aio import LOOPS, run
from tests.support.streams import STREAMS, seconds_to_close
from tests.support.waiting import wait_until

from workloads import RunConfig, WorkloadStatus
from workloads.aio import to_async
from workloads.errors import WorkloadFailedError, WorkloadNotReadyError
from workloads.testing import InMemoryManager, ServerBehaviour

CONFIG = RunConfig(name="time", image="uvx://mcp-server-time")
OTHER = RunConfig(name="time", image="uvx://mcp-server-git")
PROMPT = 20.0  # on any machine; a run that is waited for takes 600

# Each verb, and what the workload has become when it has ended.
EFFECTS = {
    "start_workloads": (lambda manager: manager.start_workloads(["time"]), "running time default"),
    "stop_workloads": (lambda manager: manager.stop_workloads(["time"]), "stopped time default"),
    "restart_workloads": (lambda manager: manager.restart_workloads(["time"]), "running time default"),
    "delete_workloads": (lambda manager: manager.delete_workloads(["time"]), "gone"),
    "update_workload": (lambda manager: manager.update_workload("time", OTHER), "running git default"),
    "move_to_group": (lambda manager: manager.move_to_group(["time"], "default", "tools"), "running time tools"),
}

pytestmark = pytest.mark.parametrize("loop", LOOPS)


class Held(InMemoryManager):
    """Every verb that changes something waits before it returns until it may go on; ``entered`` tells that it waits."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.entered, self.go = threading.Event(), threading.Event()


def _held(verb):
    def method(self, *args, **kwargs):
        self.entered.set()
        assert self.go.wait(20)
        return getattr(InMemoryManager, verb)(self, *args, **kwargs)

    return method


for _verb in EFFECTS:
    setattr(Held, _verb, _held(_verb))


def never_ready(_config):
    return ServerBehaviour.NEVER_READY


def state(manager) -> str:
    found = manager.list_workloads(all=True)
    return f"{found[0].status} {found[0].image.removeprefix('uvx://mcp-server-')} {found[0].group}" if found else "gone"


async def until(condition) -> None:
    await asyncio.get_running_loop().run_in_executor(None, lambda: wait_until(condition))


# A detached run


def test_a_detached_run_that_is_out_of_time_does_not_wait_until_it_is_ready(loop):
    memory = InMemoryManager(behaviour=never_ready)

    async def body() -> float:
        async with to_async(memory) as manager:
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await manager.run_workload_detached(CONFIG, wait=600)
            return time.monotonic() - began

    assert run(body(), loop=loop) < 0.2 + PROMPT
    assert state(memory) == "gone"


def test_a_detached_run_cancelled_while_it_waits_ends_at_once_and_leaves_no_workload(loop):
    memory = InMemoryManager(behaviour=never_ready)

    async def body() -> float:
        async with to_async(memory) as manager:
            task = asyncio.ensure_future(manager.run_workload_detached(CONFIG, wait=600))
            await until(lambda: state(memory) == "starting time default")
            began = time.monotonic()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()  # once more, while it is undone
            with pytest.raises(asyncio.CancelledError):
                await task
            assert state(memory) == "gone", "it was undone before the cancellation is raised"
            return time.monotonic() - began

    assert run(body(), loop=loop) < PROMPT


def test_a_detached_run_cancelled_while_it_waits_stops_what_replaced_a_workload_in_error(loop):
    memory = InMemoryManager(behaviour=never_ready)
    memory.run_workload_detached(CONFIG)
    memory.set_status("time", WorkloadStatus.ERROR, "exited with code 1")

    async def body() -> None:
        async with to_async(memory) as manager:
            task = asyncio.ensure_future(manager.run_workload_detached(OTHER, wait=600))
            await until(lambda: state(memory) == "starting git default")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body(), loop=loop)
    assert state(memory) == "stopped git default"


def test_a_detached_run_cancelled_while_it_is_started_leaves_no_workload(loop):
    memory = InMemoryManager()
    entered, go = threading.Event(), threading.Event()
    memory.intercept("run_workload_detached", lambda name: (entered.set(), go.wait(20)))

    async def body() -> None:
        async with to_async(memory) as manager:
            task = asyncio.ensure_future(manager.run_workload_detached(CONFIG, wait=600))
            await until(entered.is_set)
            task.cancel()
            await asyncio.wait({task}, timeout=0.05)
            assert not task.done(), "the thread is waited for"
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body(), loop=loop)
    assert state(memory) == "gone"


def test_many_detached_runs_that_wait_leave_the_workers_free(loop):
    memory = InMemoryManager(behaviour=never_ready)
    configs = [CONFIG.evolve(name=f"w{number}") for number in range(20)]

    async def body() -> None:
        async with to_async(memory, workers=2) as manager:
            runs = [asyncio.ensure_future(manager.run_workload_detached(config, wait=600)) for config in configs]
            await until(lambda: len(memory.list_workloads(all=True)) == 20)
            assert len(await manager.list_workloads(all=True)) == 20
            for config in configs:
                memory.set_status(config.name, WorkloadStatus.RUNNING)
            assert {workload.status for workload in await asyncio.gather(*runs)} == {WorkloadStatus.RUNNING}

    run(body(), loop=loop)


def test_waiting_gives_what_the_sync_verb_gives(loop):
    behaviours = {"ready": ServerBehaviour.READY, "never": ServerBehaviour.NEVER_READY, "dies": ServerBehaviour.DIES}

    def outcome_of(error):
        logs = getattr(error, "logs", ())
        return type(error), str(error), logs

    async def body() -> None:
        memory, twin = (InMemoryManager(behaviour=lambda config: behaviours[config.name]) for _ in range(2))
        async with to_async(memory) as manager:
            config = CONFIG.evolve(name="ready")
            ready = await manager.run_workload_detached(config, wait=30)
            expected = await asyncio.to_thread(twin.run_workload_detached, config, wait=30)
            assert (ready.status, ready.url) == (expected.status, expected.url)
            for name, error, wait in (("never", WorkloadNotReadyError, 0.1), ("dies", WorkloadFailedError, 30)):
                config = CONFIG.evolve(name=name)
                with pytest.raises(error) as ours:
                    await manager.run_workload_detached(config, wait=wait)
                with pytest.raises(error) as theirs:
                    await asyncio.to_thread(twin.run_workload_detached, config, wait=wait)
                assert outcome_of(ours.value) == outcome_of(theirs.value)
                assert await manager.does_workload_exist(name), "a failure is no reason to delete it"

    run(body(), loop=loop)


# Every other verb that changes something


@pytest.mark.parametrize("verb", EFFECTS)
def test_a_verb_cancelled_in_its_call_is_seen_to_its_end(verb, loop):
    memory = Held()
    memory.groups.create("tools")
    memory.run_workload_detached(CONFIG)
    call, outcome = EFFECTS[verb]

    async def body() -> None:
        async with to_async(memory) as manager:
            task = asyncio.ensure_future(call(manager))
            await until(memory.entered.is_set)
            task.cancel()
            await asyncio.wait({task}, timeout=0.05)
            assert not task.done(), "the thread is waited for"
            memory.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: state(memory) == outcome)

    run(body(), loop=loop)


@pytest.mark.parametrize("verb", [verb for verb in EFFECTS if verb != "move_to_group"])
def test_whoever_waits_for_a_completion_may_give_up_and_the_work_goes_on(verb, loop):
    memory = InMemoryManager()
    memory.groups.create("tools")
    memory.run_workload_detached(CONFIG)
    if verb == "start_workloads":
        memory.stop_workloads(["time"]).wait(30)
    entered, go = threading.Event(), threading.Event()
    memory.intercept(verb, lambda name: (entered.set(), go.wait(20)))
    call, outcome = EFFECTS[verb]

    async def body() -> None:
        async with to_async(memory) as manager:
            completion = await call(manager)
            await until(entered.is_set)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await completion
            assert not completion.done()
            go.set()
            assert await completion == {"time": None}
            assert state(memory) == outcome

    run(body(), loop=loop)


def test_a_foreground_run_that_is_cancelled_stops_its_workload(loop):
    memory = InMemoryManager()

    async def body() -> None:
        async with to_async(memory) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(lambda: state(memory) == "running time default")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert state(memory) == "stopped time default"

    run(body(), loop=loop)


# Streams and closing


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_closed_from_another_task_within_100_ms(stream, loop):
    memory = InMemoryManager()
    memory.run_workload_detached(CONFIG)

    async def body() -> list[float]:
        async with to_async(memory) as manager:
            return [await seconds_to_close(STREAMS[stream](manager)) for _ in range(5)]

    assert statistics.median(run(body(), loop=loop)) < 0.1


def test_closing_the_manager_ends_its_threads(loop):
    memory = InMemoryManager()
    memory.run_workload_detached(CONFIG)

    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("workloads-aio")]

    async def body() -> None:
        manager = to_async(memory, workers=4)
        await asyncio.gather(*(manager.list_workloads() for _ in range(20)))
        await manager.get_logs("time", follow=True)
        assert ours()
        await manager.aclose()
        await until(lambda: not ours())  # the last one is that in which the closing itself was done

    run(body(), loop=loop)
    assert ours() == []
