"""Any manager for asyncio: the same verbs, threads of its own, and nothing left behind by whoever is cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.fake_manager import FakeManager, FakeStream, a_workload
from tests.support.waiting import wait_until

from workloads import RunConfig, WorkloadStatus, aio, manager
from workloads.aio import to_async
from workloads.aio._offload import carry_out, pledged
from workloads.completion import Completion
from workloads.errors import (
    BatchError,
    InvalidNameError,
    RuntimeNotFoundError,
    WorkloadExistsError,
    WorkloadFailedError,
    WorkloadNotFoundError,
)

PAIRS = [
    (manager.WorkloadReader, aio.AsyncWorkloadReader),
    (manager.WorkloadLifecycle, aio.AsyncWorkloadLifecycle),
    (manager.WorkloadLogs, aio.AsyncWorkloadLogs),
    (manager.WorkloadGrouping, aio.AsyncWorkloadGrouping),
    (manager.WorkloadWatcher, aio.AsyncWorkloadWatcher),
    (manager.Manager, aio.AsyncManager),
    (manager.Stream, aio.AsyncStream),
]
STREAMS = {"get_logs", "get_proxy_logs", "watch_workloads"}
TWINS = {
    "__iter__": "__aiter__", "__next__": "__anext__", "__enter__": "__aenter__", "__exit__": "__aexit__",
    "close": "aclose",
}  # fmt: skip

CONFIG = RunConfig(name="time", image="uvx://mcp-server-time")


class SlowManager(FakeManager):
    """A fake whose verbs wait until they may go on; what enters a verb is seen from outside."""

    def __init__(self, *workloads) -> None:
        super().__init__(*workloads)
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)
        self.outcome: BaseException | None = None
        self.threads: set[str] = set()

    def _linger(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        assert self.go.wait(10)

    def list_workloads(self, **options):
        self._linger()
        return super().list_workloads(**options)

    def run_workload_detached(self, config, *, wait=None):
        self._linger()
        workload = super().run_workload_detached(config, wait=wait)
        if self.outcome is not None:
            raise self.outcome
        return workload

    def move_to_group(self, names, source, target):
        self._linger()
        self.calls.append(("move_to_group", (tuple(names), source, target)))

    def update_workload(self, name, config, *, grace=30.0):
        def update() -> None:
            self.configs[name] = config

        self.calls.append((f"update {grace:g}", (name, config)))
        return Completion({name: update}, single=True)

    def stop_workloads(self, names, *, grace=30.0):
        completion = super().stop_workloads(names, grace=grace)
        completion.wait(10)
        if all(error is None for error in completion.results().values()):
            self.go.set()
        return completion

    def watch_workloads(self, *, group=None):
        stream = FakeStream([], follow=True)
        self.streams.append(stream)
        return stream


def ready(*workloads) -> SlowManager:
    fake = SlowManager(*workloads)
    fake.go.set()
    return fake


async def until(condition) -> None:
    """Wait in a loop for what cannot be awaited."""
    await asyncio.get_running_loop().run_in_executor(None, lambda: wait_until(condition))


async def cancelled_in(fake: SlowManager, call) -> asyncio.Task:
    """A task that runs a call and is cancelled when the fake is in the midst of it."""
    task = asyncio.ensure_future(call)
    await until(lambda: fake.entered.acquire(blocking=False))
    task.cancel()
    return task


# The protocols


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS, ids=lambda protocol: protocol.__name__)
def test_the_async_protocols_have_the_verbs_and_parameters_of_the_sync_ones(sync, asynchronous):
    def verbs(protocol):
        names = {name for base in protocol.__mro__ for name in vars(base) if base.__module__.startswith("workloads")}
        return {name for name in names if not name.startswith("_") or name in {*TWINS, *TWINS.values()}}

    assert {TWINS.get(name, name) for name in verbs(sync)} == verbs(asynchronous)
    for name in verbs(sync):
        if isinstance(inspect.getattr_static(sync, name), property):
            assert isinstance(inspect.getattr_static(asynchronous, name), property)
            continue
        ours, theirs = getattr(sync, name), getattr(asynchronous, TWINS.get(name, name))
        assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters, name
        assert inspect.iscoroutinefunction(theirs) is (name not in {*STREAMS, "__iter__"}), name


def test_the_adapter_has_every_verb_with_the_parameters_of_the_protocol():
    adapter = type(to_async(FakeManager()))
    for name, verb in inspect.getmembers(aio.AsyncManager, inspect.isfunction):
        if name.startswith("__") and name not in TWINS.values():
            continue
        ours = getattr(adapter, name)
        assert inspect.signature(ours).parameters == inspect.signature(verb).parameters, name
        assert inspect.iscoroutinefunction(ours) is inspect.iscoroutinefunction(verb), name


def test_the_async_factory_has_the_parameters_of_the_sync_one():
    from workloads import factory

    assert inspect.signature(aio.new_manager).parameters == inspect.signature(factory.new_manager).parameters


# Calls


def test_reads_give_what_the_manager_gives_and_raise_what_it_raises():
    fake = ready(a_workload("a", labels={"team": "x"}), a_workload("b", status=WorkloadStatus.STOPPED))

    async def body() -> None:
        async with to_async(fake) as manager:
            assert await manager.get_workload("a") == fake.workloads["a"]
            assert [w.name for w in await manager.list_workloads()] == ["a"]
            assert [w.name for w in await manager.list_workloads(all=True)] == ["a", "b"]
            assert await manager.list_workloads(labels={"team": "y"}) == []
            assert [w.name for w in await manager.list_workloads_in_group("default")] == ["a", "b"]
            assert await manager.does_workload_exist("a")
            assert manager.capabilities == fake.capabilities
            with pytest.raises(WorkloadNotFoundError):
                await manager.get_workload("c")

    run(body())
    assert fake.closed


def test_a_hundred_reads_at_once_share_the_workers_and_leave_the_loop_free():
    fake = SlowManager(a_workload("a"))

    async def body() -> None:
        async with to_async(fake, workers=4) as manager:
            reads = [asyncio.ensure_future(manager.list_workloads()) for _ in range(100)]
            await until(lambda: len(fake.threads) == 4)
            fake.go.set()
            assert [[w.name for w in found] for found in await asyncio.gather(*reads)] == [["a"]] * 100

    run(body())
    assert len(fake.threads) == 4
    assert all(name.startswith("workloads-aio") for name in fake.threads)


def test_a_read_that_is_out_of_time_is_abandoned_at_once():
    fake = SlowManager()

    async def body() -> None:
        async with to_async(fake) as manager:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await manager.list_workloads()
            assert not fake.go.is_set()
            fake.go.set()

    run(body())


def test_batch_verbs_check_first_and_give_a_completion_to_await():
    fake = ready(a_workload("a"))

    async def body() -> None:
        async with to_async(fake) as manager:
            completion = await manager.stop_workloads(["a"], grace=3)
            assert isinstance(completion, Completion)
            assert await completion == {"a": None}
            assert await (await manager.start_workloads(["a"])) == {"a": None}
            assert await (await manager.restart_workloads(["a"], grace=4)) == {"a": None}
            with pytest.raises(BatchError):
                await (await manager.stop_workloads(["nobody"]))
            assert await (await manager.update_workload("a", CONFIG, grace=6)) == {"a": None}
            assert await manager.get_run_config("a") == CONFIG
            assert await (await manager.delete_workloads(["a"], grace=5)) == {"a": None}

    run(body())
    assert [verb for verb, _ in fake.calls] == ["stop 3", "start", "restart 4", "stop 30", "update 6", "delete 5"]


def test_context_variables_reach_calls_and_streams():
    variable = contextvars.ContextVar("variable", default="nothing")
    seen: list[str] = []

    class Seeing(FakeManager):
        def does_workload_exist(self, name):
            seen.append(variable.get())
            return True

        def get_logs(self, name, **options):
            seen.append(variable.get())
            return super().get_logs(name, **options)

    async def body() -> None:
        variable.set("something")
        async with to_async(Seeing(a_workload("a"))) as manager:
            await manager.does_workload_exist("a")
            async with manager.get_logs("a"):
                pass

    run(body())
    assert seen == ["something", "something"]


def test_a_stop_iteration_of_a_defective_manager_is_raised_as_a_runtime_error():
    fake = FakeManager()
    fake.failures["a"] = StopIteration()

    async def body() -> None:
        async with to_async(fake) as manager:
            with pytest.raises(RuntimeError, match="StopIteration"):
                await manager.get_workload("a")
            with pytest.raises(RuntimeError, match="StopIteration"):
                await manager.get_logs("a")

    run(body())


# Cancelling what changes something


def test_a_cancelled_detached_run_leaves_no_workload():
    fake = SlowManager()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG, wait=7))
            await until(lambda: "workloads-aio-undo" in {thread.name for thread in threading.enumerate()})
            task.cancel()  # once more, while it waits for the thread
            for _ in range(5):
                await asyncio.sleep(0)
            assert not task.done()
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fake.workloads == {}

    run(body())
    assert [verb for verb, _ in fake.calls] == ["run_workload_detached", "delete 5"]
    assert fake.calls[0] == ("run_workload_detached", None), "the manager itself does not wait"


def test_a_detached_run_that_is_out_of_time_leaves_no_workload_and_is_a_timeout_error():
    fake = SlowManager()
    threading.Timer(0.3, fake.go.set).start()

    async def body() -> None:
        async with to_async(fake) as manager:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await manager.run_workload_detached(CONFIG)
            assert fake.workloads == {}

    run(body())


def test_a_call_cancelled_in_the_moment_it_ends_is_undone():
    call = pledged()
    settled: list[str] = []

    async def body() -> None:
        task = asyncio.ensure_future(carry_out(call, settle=lambda call: settled.append(call.result())))
        await asyncio.sleep(0)
        call.set_result("created")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
    assert settled == ["created"]


def test_a_cancelled_detached_run_deletes_no_workload_of_others():
    other = a_workload("time")
    fake = SlowManager(other)

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads == {"time": other}
    assert [verb for verb, _ in fake.calls] == ["run_workload_detached"]


def test_a_cancelled_detached_run_deletes_no_workload_that_others_created_meanwhile():
    fake = SlowManager()
    other = a_workload("time", status=WorkloadStatus.ERROR)

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            fake.workloads["time"] = other
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads == {"time": other}


@pytest.mark.parametrize(("status", "left"), [(WorkloadStatus.ERROR, []), (WorkloadStatus.RUNNING, ["time"])])
def test_a_cancelled_detached_run_that_failed_removes_only_its_own_record_of_that(status, left):
    fake = SlowManager()
    fake.outcome = WorkloadFailedError("time", "it did not start")

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            threading.Timer(0.05, fake.go.set).start()
            original = fake._create

            def create(config):
                original(config)
                fake.workloads["time"] = a_workload("time", status=status)
                return fake.workloads["time"]

            fake._create = create
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert list(fake.workloads) == left


def test_a_cancelled_detached_run_stops_what_replaced_a_workload_in_error():
    class Replacing(SlowManager):
        def _create(self, config):
            self.workloads.pop(config.name)
            return super()._create(config)

    fake = Replacing(a_workload("time", status=WorkloadStatus.ERROR))

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert {name: w.status for name, w in fake.workloads.items()} == {"time": WorkloadStatus.STOPPED}


def test_a_call_cancelled_before_its_turn_is_never_made():
    fake = SlowManager()

    async def body() -> None:
        async with to_async(fake, workers=1) as manager:
            reading = asyncio.ensure_future(manager.list_workloads())
            await until(lambda: fake.entered.acquire(blocking=False))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await manager.run_workload_detached(CONFIG)
            fake.go.set()
            await reading

    run(body())
    assert fake.calls == []


def test_what_cannot_be_undone_is_logged_and_the_cancellation_still_raised(caplog):
    class Stubborn(SlowManager):
        def delete_workloads(self, names, *, grace=30.0):
            raise WorkloadFailedError(names[0], "it clings to life")

    fake = Stubborn()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    [record] = [record for record in caplog.records if record.name == "workloads.aio"]
    assert record.levelname == "ERROR"
    assert "it clings to life" in str(record.exc_info[1])


def test_a_foreground_run_ends_with_its_workload_and_takes_no_worker():
    fake = FakeManager()
    ended = threading.Event()
    fake.foreground = lambda config: ended.wait(10)

    async def body() -> None:
        async with to_async(fake, workers=1) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(lambda: "time" in fake.workloads)
            assert await manager.does_workload_exist("time"), "the only worker is free"
            ended.set()
            assert await task is None

    run(body())


def test_a_cancelled_foreground_run_stops_its_workload_and_waits_for_that():
    fake = SlowManager()
    fake.foreground = lambda config: fake._linger()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload(CONFIG))
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert {name: w.status for name, w in fake.workloads.items()} == {"time": WorkloadStatus.STOPPED}


def test_a_foreground_run_cancelled_before_its_workload_is_there_stops_it_as_soon_as_it_is():
    fake = SlowManager()
    entered, go = threading.Event(), threading.Event()
    original = fake._create

    def create(config):
        entered.set()
        assert go.wait(10)
        return original(config)

    fake._create = create
    fake.foreground = lambda config: fake._linger()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(entered.is_set)
            task.cancel()
            await until(lambda: any(verb == "stop 30" for verb, _ in fake.calls))
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads["time"].status is WorkloadStatus.STOPPED


def test_a_cancelled_foreground_run_of_a_name_that_is_taken_stops_nothing():
    fake = FakeManager(a_workload("time"))
    go = threading.Event()

    def refuse(config):
        assert go.wait(10)
        raise WorkloadExistsError("time", WorkloadStatus.RUNNING)

    fake._create = refuse

    async def body() -> None:
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(lambda: fake.calls)
            task.cancel()
            threading.Timer(0.3, go.set).start()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads["time"].status is WorkloadStatus.RUNNING


def test_a_cancelled_move_is_waited_for():
    fake = SlowManager()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.move_to_group(["a"], "default", "b"))
            await asyncio.sleep(0)
            assert not task.done()
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fake.calls == [("move_to_group", (("a",), "default", "b"))]

    run(body())


# Streams


def test_a_stream_ends_with_what_the_manager_has():
    fake = FakeManager(a_workload("a"))
    fake.lines = [f"line {number}" for number in range(500)]

    async def body() -> None:
        async with to_async(fake) as manager:
            async with manager.get_logs("a", lines=9, replica=1) as lines:
                assert isinstance(lines, aio.AsyncStream)
                assert [line async for line in lines] == fake.lines
                assert [line async for line in lines] == [], "it stays at its end"
            fake.proxy_lines = ["proxy"]
            assert [line async for line in manager.get_proxy_logs("a", lines=3)] == ["proxy"]
            assert [line async for line in await manager.get_logs("a")] == fake.lines

    run(body())
    assert ("get_logs", ("a", False, 9, 1)) in fake.calls
    assert ("get_proxy_logs", ("a", False, 3)) in fake.calls
    assert all(stream.closed.is_set() for stream in fake.streams)


def test_a_stream_that_cannot_be_opened_says_so_however_it_is_opened():
    async def body() -> None:
        async with to_async(FakeManager()) as manager:
            with pytest.raises(WorkloadNotFoundError):
                await manager.get_logs("nobody")
            with pytest.raises(WorkloadNotFoundError):
                async with manager.get_logs("nobody"):
                    pass
            with pytest.raises(WorkloadNotFoundError):
                async for _ in manager.get_logs("nobody"):
                    pass

    run(body())


def test_an_error_in_a_stream_comes_after_what_was_read_before_it_and_only_once():
    class Broken(FakeStream):
        def __next__(self):
            line = super().__next__()
            if line == "bad":
                raise OSError("the disk is gone")
            return line

    fake = FakeManager(a_workload("a"))
    fake.get_logs = lambda name, **options: Broken(["good", "bad"], follow=False)

    async def body() -> None:
        async with to_async(fake) as manager, manager.get_logs("a") as lines:
            assert await anext(lines) == "good"
            with pytest.raises(OSError, match="the disk is gone"):
                await anext(lines)
            with pytest.raises(StopAsyncIteration):
                await anext(lines)

    run(body())


def test_a_followed_stream_tells_what_comes():
    fake = SlowManager()

    async def body() -> None:
        async with to_async(fake) as manager, manager.watch_workloads(group="default") as events:
            [stream] = fake.streams
            task = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            stream.put("something")
            assert await task == "something"

    run(body())


def test_closing_ends_whoever_waits_and_is_idempotent():
    fake = FakeManager(a_workload("a"))

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            task = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            began = time.monotonic()
            await lines.aclose()
            with pytest.raises(StopAsyncIteration):
                await task
            assert time.monotonic() - began < 1
            await asyncio.gather(lines.aclose(), lines.aclose())
            with pytest.raises(StopAsyncIteration):
                await anext(lines)
        assert fake.streams[0].closed.is_set()

    run(body())


def test_a_stream_that_was_never_used_opens_nothing():
    fake = FakeManager(a_workload("a"))

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = manager.get_logs("a", follow=True)
            await lines.aclose()
            assert [line async for line in lines] == []

    run(body())
    assert fake.streams == []


def test_a_cancelled_reader_closes_its_stream_and_one_out_of_time_may_go_on_reading():
    fake = FakeManager(a_workload("a"))

    async def body() -> None:
        async def read() -> None:
            async with manager.get_logs("a", follow=True) as lines:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await anext(lines)
                fake.streams[0].put("late")
                assert await anext(lines) == "late"
                reading.set()
                await anext(lines)

        reading = asyncio.Event()
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(read())
            await reading.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fake.streams[0].closed.is_set()

    run(body())


def test_closing_goes_on_when_it_is_cancelled():
    go = threading.Event()

    class SlowToClose(FakeStream):
        def close(self):
            assert go.wait(10)
            super().close()

    fake = FakeManager(a_workload("a"))
    stream = SlowToClose([], follow=True)
    fake.get_logs = lambda name, **options: stream

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await lines.aclose()
            assert not stream.closed.is_set()
            go.set()
            await until(stream.closed.is_set)
            await lines.aclose()

    run(body())


def test_closing_waits_until_the_thread_has_let_go_of_the_stream():
    go = threading.Event()

    class SlowToLetGo(FakeStream):
        def __exit__(self, *exc):
            assert go.wait(10)

    fake = FakeManager(a_workload("a"))
    stream = SlowToLetGo([], follow=True)
    fake.get_logs = lambda name, **options: stream

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            closing = asyncio.ensure_future(lines.aclose())
            await until(stream.closed.is_set)
            await asyncio.wait({closing}, timeout=0.05)
            assert not closing.done()
            go.set()
            await closing

    run(body())


def test_a_reader_that_breaks_off_leaves_no_thread_once_the_stream_is_garbage():
    fake = FakeManager(a_workload("a"))
    fake.lines = ["one", "two"]

    async def body() -> None:
        async with to_async(fake) as manager:
            async for line in manager.get_logs("a", follow=True):
                assert line == "one"
                break
            gc.collect()
            await until(fake.streams[0].closed.is_set)
            await until(lambda: not any(t.name == "workloads-aio-stream" for t in threading.enumerate()))

    run(body())


def test_a_slow_reader_holds_the_stream_back():
    fake = FakeManager(a_workload("a"))
    fake.lines = [str(number) for number in range(1000)]

    async def body() -> None:
        async with to_async(fake) as manager, manager.get_logs("a", follow=True) as lines:
            assert await anext(lines) == "0"
            left = fake.streams[0]._lines
            await until(lambda: left.qsize() < 1000 - 50)
            assert left.qsize() > 1000 - 100
            assert await anext(lines) == "1"

    run(body())


def test_entering_a_stream_waits_until_it_is_open_or_cannot_be_opened():
    go, opening = threading.Event(), threading.Event()
    fake = FakeManager(a_workload("a"))

    def get_logs(name, **options):
        opening.set()
        assert go.wait(10)
        return FakeManager.get_logs(fake, name, **options)

    fake.get_logs = get_logs

    async def body() -> None:
        async with to_async(fake) as manager:
            tasks = [asyncio.ensure_future(manager.get_logs(name).__aenter__()) for name in ("a", "nobody")]
            await until(opening.is_set)
            assert not any(task.done() for task in tasks)
            go.set()
            await (await tasks[0]).aclose()
            with pytest.raises(WorkloadNotFoundError):
                await tasks[1]

    run(body())


def test_a_stream_closed_while_it_is_being_opened_is_closed_when_it_is_open():
    go, opening = threading.Event(), threading.Event()
    fake = FakeManager(a_workload("a"))

    def get_logs(name, **options):
        opening.set()
        assert go.wait(10)
        return FakeManager.get_logs(fake, name, **options)

    fake.get_logs = get_logs

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = manager.get_logs("a", follow=True)
            task = asyncio.ensure_future(anext(lines))
            await until(opening.is_set)
            closing = asyncio.ensure_future(lines.aclose())
            with pytest.raises(StopAsyncIteration):
                await task
            go.set()
            await closing
        assert fake.streams[0].closed.is_set()

    run(body())


# Closing the manager


def test_closing_waits_for_calls_under_way_and_refuses_new_ones():
    fake = SlowManager(a_workload("a"))

    async def body() -> None:
        manager = to_async(fake)
        reading = asyncio.ensure_future(manager.list_workloads())
        await until(lambda: fake.entered.acquire(blocking=False))
        closing = asyncio.ensure_future(manager.aclose())
        await asyncio.sleep(0)
        for refused in (
            manager.does_workload_exist("a"),
            manager.run_workload(CONFIG),
            manager.run_workload_detached(CONFIG),
            manager.stop_workloads(["a"]),
        ):
            with pytest.raises(RuntimeError, match="this manager is closed"):
                await refused
        with pytest.raises(RuntimeError, match="this manager is closed"):
            manager.get_logs("a")
        assert not closing.done()
        assert not fake.closed
        fake.go.set()
        assert [w.name for w in await reading] == ["a"]
        await closing
        assert fake.closed
        await manager.aclose()

    run(body())


def test_closing_waits_for_a_foreground_run():
    fake = FakeManager()
    running, go = threading.Event(), threading.Event()

    def work(config):
        running.set()
        assert go.wait(10)

    fake.foreground = work

    async def body() -> None:
        manager = to_async(fake)
        task = asyncio.ensure_future(manager.run_workload(CONFIG))
        await until(running.is_set)
        closing = asyncio.ensure_future(manager.aclose())
        await asyncio.wait({closing}, timeout=0.05)
        assert not closing.done()
        assert not fake.closed
        go.set()
        await task
        await closing

    run(body())
    assert fake.closed


def test_closing_ends_open_streams_and_none_can_be_opened_after_it():
    fake = FakeManager(a_workload("a"))

    async def body() -> None:
        manager = to_async(fake)
        unused = manager.get_logs("a")
        lines = await manager.get_logs("a", follow=True)
        task = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        await manager.aclose()
        with pytest.raises(StopAsyncIteration):
            await task
        with pytest.raises(RuntimeError, match="this manager is closed"):
            await unused

    run(body())
    assert fake.streams[0].closed.is_set()


def test_closing_the_manager_goes_on_when_it_is_cancelled():
    fake = SlowManager()

    async def body() -> None:
        manager = to_async(fake)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await manager.list_workloads()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await manager.aclose()
        fake.go.set()
        await manager.aclose()
        assert fake.closed

    run(body())


def test_an_error_in_closing_the_manager_is_raised():
    class Stuck(FakeManager):
        def close(self):
            raise OSError("it cannot be closed")

    async def body() -> None:
        with pytest.raises(OSError, match="it cannot be closed"):
            await to_async(Stuck()).aclose()

    run(body())


def test_a_program_that_closes_nothing_ends_all_the_same():
    program = """
import asyncio
from tests.support.fake_manager import FakeManager, a_workload
from workloads.aio import to_async

manager = to_async(FakeManager(a_workload("a")))
lines = manager.get_logs("a", follow=True)

async def main():
    await manager.get_workload("a")
    await lines

asyncio.run(main())
print("ended")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=root, capture_output=True, text=True, timeout=20, check=True
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_fewer_than_one_worker_is_a_value_error():
    with pytest.raises(ValueError, match="max_workers"):
        to_async(FakeManager(), workers=0)


# Making a manager


def test_a_manager_is_made_off_the_loop(state_dir):
    from workloads import Settings

    async def body() -> None:
        async with await aio.new_manager("process", settings=Settings(state_dir=state_dir)) as manager:
            assert await manager.list_workloads(all=True) == []
            with pytest.raises(InvalidNameError):
                await manager.get_workload("no/name")
        with pytest.raises(RuntimeNotFoundError):
            await aio.new_manager("no-such-runtime")

    run(body())


def test_making_a_manager_that_is_cancelled_leaves_none_open(monkeypatch):
    from workloads import factory

    fake, go, making = FakeManager(), threading.Event(), threading.Event()

    def make(runtime, *, settings):
        making.set()
        assert go.wait(10)
        return fake

    monkeypatch.setattr(factory, "new_manager", make)

    async def body() -> None:
        task = asyncio.ensure_future(aio.new_manager())
        await until(making.is_set)
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
    assert fake.closed
