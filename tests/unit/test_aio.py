"""Any manager for asyncio: the same verbs, threads of its own, and nothing left behind by whoever is cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.recording_manager import RecordedStream, RecordingManager, a_config
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
from workloads.model import EventType, WorkloadEvent
from workloads.testing import InMemoryManager

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


class SlowManager(RecordingManager):
    """Its verbs wait until they may go on; what enters a verb is seen from outside."""

    def __init__(self, *configs) -> None:
        super().__init__(*configs)
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)
        self.fails_as: WorkloadStatus | None = None
        self.threads: set[str] = set()

    def _linger(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        assert self.go.wait(30)

    def list_workloads(self, **options):
        self._linger()
        return super().list_workloads(**options)

    def run_workload_detached(self, config, *, wait=None):
        self._linger()
        workload = super().run_workload_detached(config, wait=wait)
        if self.fails_as is not None:
            self.set_status(config.name, self.fails_as)
            raise WorkloadFailedError(config.name, "it did not start")
        return workload

    def move_to_group(self, names, source, target):
        self._linger()
        super().move_to_group(names, source, target)


class LateManager(RecordingManager):
    """It is asked to run a workload, and does so only when it may go on."""

    def __init__(self, *configs) -> None:
        super().__init__(*configs)
        self.go = threading.Event()
        self.entered = threading.Event()

    def run_workload(self, config):
        self.entered.set()
        assert self.go.wait(30)
        super().run_workload(config)


def ready(*configs) -> SlowManager:
    fake = SlowManager(*configs)
    fake.go.set()
    return fake


def writing(*lines) -> RecordingManager:
    """A manager whose workload ``a`` has written these lines."""
    fake = RecordingManager(a_config("a"))
    for line in lines:
        fake.add_log_line("a", line)
    return fake


def logs_as(kind, fake) -> list[RecordedStream]:
    """Let the logs of a manager be of this kind; they are listed as they are opened."""
    opened: list[RecordedStream] = []
    get_logs = fake.get_logs

    def wrapped(name, **options):
        opened.append(kind(get_logs(name, **options)))
        return opened[-1]

    fake.get_logs = wrapped
    return opened


def runs(fake) -> bool:
    return "time" in fake.workloads and fake.workloads["time"].status is WorkloadStatus.RUNNING


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
    adapter = type(to_async(RecordingManager()))
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
    fake = ready(a_config("a", container_labels={"team": "x"}), a_config("b"))
    fake.set_status("b", WorkloadStatus.STOPPED)

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
    fake = SlowManager(a_config("a"))

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
    fake, changed = ready(a_config("a")), a_config("a", port=4000)

    async def body() -> None:
        async with to_async(fake) as manager:
            completion = await manager.stop_workloads(["a"], grace=3)
            assert isinstance(completion, Completion)
            assert await completion == {"a": None}
            assert await (await manager.start_workloads(["a"])) == {"a": None}
            assert await (await manager.restart_workloads(["a"], grace=4)) == {"a": None}
            with pytest.raises(BatchError):
                await (await manager.stop_workloads(["nobody"]))
            assert await (await manager.update_workload("a", changed, grace=6)) == {"a": None}
            assert await manager.get_run_config("a") == changed
            assert await (await manager.delete_workloads(["a"], grace=5)) == {"a": None}

    run(body())
    assert fake.asked == [
        ("stop_workloads", ("a",), {"grace": 3}),
        ("start_workloads", ("a",), {}),
        ("restart_workloads", ("a",), {"grace": 4}),
        ("stop_workloads", ("nobody",), {"grace": 30.0}),
        ("update_workload", ("a",), {"grace": 6}),
        ("delete_workloads", ("a",), {"grace": 5}),
    ]


def test_context_variables_reach_calls_and_streams():
    variable = contextvars.ContextVar("variable", default="nothing")
    seen: list[str] = []

    class Seeing(RecordingManager):
        def does_workload_exist(self, name):
            seen.append(variable.get())
            return True

        def get_logs(self, name, **options):
            seen.append(variable.get())
            return super().get_logs(name, **options)

    async def body() -> None:
        variable.set("something")
        async with to_async(Seeing(a_config("a"))) as manager:
            await manager.does_workload_exist("a")
            async with manager.get_logs("a"):
                pass

    run(body())
    assert seen == ["something", "something"]


def test_a_stop_iteration_of_a_defective_manager_is_raised_as_a_runtime_error():
    fake = RecordingManager()
    for verb in ("get_workload", "get_logs"):
        fake.fail_next(verb, StopIteration())

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
    assert fake.asked == [
        ("run_workload_detached", ("time",), {"wait": None}),  # the manager itself does not wait
        ("delete_workloads", ("time",), {"grace": 5.0}),
    ]


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
    fake = SlowManager(CONFIG)
    present = fake.workloads

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads == present
    assert [verb for verb, _, _ in fake.asked] == ["run_workload_detached"]


def test_a_cancelled_detached_run_deletes_no_workload_that_others_created_meanwhile():
    class Refused(SlowManager):
        """Another's workload, whose name was taken, fails before anybody can look at it."""

        def run_workload_detached(self, config, *, wait=None):
            with pytest.raises(WorkloadExistsError) as raised:
                super().run_workload_detached(config, wait=wait)
            others.set_status("time", WorkloadStatus.ERROR)
            raise raised.value

    fake = Refused()
    others = InMemoryManager(same_as=fake)

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            others.run_workload_detached(CONFIG)
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert [workload.status for workload in fake.workloads.values()] == [WorkloadStatus.ERROR]
    assert [verb for verb, _, _ in fake.asked] == ["run_workload_detached"]


@pytest.mark.parametrize(("status", "left"), [(WorkloadStatus.ERROR, []), (WorkloadStatus.RUNNING, ["time"])])
def test_a_cancelled_detached_run_that_failed_removes_only_its_own_record_of_that(status, left):
    fake = SlowManager()
    fake.fails_as = status

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.run_workload_detached(CONFIG))
            threading.Timer(0.05, fake.go.set).start()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert list(fake.workloads) == left


def test_a_cancelled_detached_run_stops_what_replaced_a_workload_in_error():
    fake = SlowManager(CONFIG)
    fake.set_status("time", WorkloadStatus.ERROR)

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
    assert fake.asked == []


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
    fake = RecordingManager()

    async def body() -> None:
        async with to_async(fake, workers=1) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(lambda: runs(fake))
            assert await manager.does_workload_exist("time"), "the only worker is free"
            fake.set_status("time", WorkloadStatus.STOPPED)
            assert await task is None

    run(body())


def test_a_cancelled_foreground_run_stops_its_workload_and_waits_for_that():
    fake = RecordingManager()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(lambda: runs(fake))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert {name: w.status for name, w in fake.workloads.items()} == {"time": WorkloadStatus.STOPPED}


def test_a_foreground_run_cancelled_before_its_workload_is_there_stops_it_as_soon_as_it_is():
    fake = LateManager()

    async def body() -> None:
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(fake.entered.is_set)
            task.cancel()
            await until(lambda: ("stop_workloads", ("time",), {"grace": 30.0}) in fake.asked)
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads["time"].status is WorkloadStatus.STOPPED


def test_a_cancelled_foreground_run_of_a_name_that_is_taken_stops_nothing():
    fake = LateManager(CONFIG)

    async def body() -> None:
        async with to_async(fake) as manager:
            task = asyncio.ensure_future(manager.run_workload(CONFIG))
            await until(fake.entered.is_set)
            task.cancel()
            threading.Timer(0.3, fake.go.set).start()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(body())
    assert fake.workloads["time"].status is WorkloadStatus.RUNNING


def test_a_cancelled_move_is_waited_for():
    fake = SlowManager(a_config("a"))
    fake.groups.create("b")

    async def body() -> None:
        async with to_async(fake) as manager:
            task = await cancelled_in(fake, manager.move_to_group(["a"], "default", "b"))
            await asyncio.sleep(0)
            assert not task.done()
            fake.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fake.workloads["a"].group == "b"

    run(body())


# Streams


def test_a_stream_ends_with_what_the_manager_has():
    fake = RecordingManager(a_config("a", backend_replicas=2))
    written = [f"line {number}" for number in range(500)]
    for number, line in enumerate(written):
        fake.add_log_line("a", line, replica=number % 2)
    fake.add_log_line("a", "proxy", proxy=True)

    async def body() -> None:
        async with to_async(fake) as manager:
            async with manager.get_logs("a", lines=9, replica=1) as lines:
                assert isinstance(lines, aio.AsyncStream)
                assert [line async for line in lines] == written[1::2][-9:]
                assert [line async for line in lines] == [], "it stays at its end"
            assert [line async for line in manager.get_proxy_logs("a", lines=1)] == ["proxy"]
            assert [line async for line in await manager.get_logs("a")] == written

    run(body())
    assert all(stream.closed.is_set() for stream in fake.streams)


def test_a_stream_that_cannot_be_opened_says_so_however_it_is_opened():
    async def body() -> None:
        async with to_async(RecordingManager()) as manager:
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
    class Broken(RecordedStream):
        def __next__(self):
            line = super().__next__()
            if line == "bad":
                raise OSError("the disk is gone")
            return line

    fake = writing("good", "bad")
    logs_as(Broken, fake)

    async def body() -> None:
        async with to_async(fake) as manager, manager.get_logs("a") as lines:
            assert await anext(lines) == "good"
            with pytest.raises(OSError, match="the disk is gone"):
                await anext(lines)
            with pytest.raises(StopAsyncIteration):
                await anext(lines)

    run(body())


def test_a_followed_stream_tells_what_comes():
    fake = RecordingManager()

    async def body() -> None:
        async with to_async(fake) as manager, manager.watch_workloads(group="default") as events:
            assert await anext(events) == WorkloadEvent(EventType.SYNCED, None)
            task = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            fake.run_workload_detached(CONFIG)
            assert (await task).workload.name == "time"

    run(body())


def test_closing_ends_whoever_waits_and_is_idempotent():
    fake = RecordingManager(a_config("a"))

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            task = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await lines.aclose()
                with pytest.raises(StopAsyncIteration):
                    await task
            await asyncio.gather(lines.aclose(), lines.aclose())
            with pytest.raises(StopAsyncIteration):
                await anext(lines)
        assert fake.streams[0].closed.is_set()

    run(body())


def test_a_stream_that_was_never_used_opens_nothing():
    fake = RecordingManager(a_config("a"))

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = manager.get_logs("a", follow=True)
            await lines.aclose()
            assert [line async for line in lines] == []

    run(body())
    assert fake.streams == []


def test_a_cancelled_reader_closes_its_stream_and_one_out_of_time_may_go_on_reading():
    fake = RecordingManager(a_config("a"))

    async def body() -> None:
        async def read() -> None:
            async with manager.get_logs("a", follow=True) as lines:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await anext(lines)
                fake.add_log_line("a", "late")
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

    class SlowToClose(RecordedStream):
        def close(self):
            assert go.wait(30)
            super().close()

    fake = RecordingManager(a_config("a"))
    opened = logs_as(SlowToClose, fake)

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await lines.aclose()
            assert not opened[0].closed.is_set()
            go.set()
            await until(opened[0].closed.is_set)
            await lines.aclose()

    run(body())


def test_closing_waits_until_the_thread_has_let_go_of_the_stream():
    go = threading.Event()

    class SlowToLetGo(RecordedStream):
        def __exit__(self, *exc):
            assert go.wait(30)

    fake = RecordingManager(a_config("a"))
    opened = logs_as(SlowToLetGo, fake)

    async def body() -> None:
        async with to_async(fake) as manager:
            lines = await manager.get_logs("a", follow=True)
            closing = asyncio.ensure_future(lines.aclose())
            await until(opened[0].closed.is_set)
            await asyncio.wait({closing}, timeout=0.05)
            assert not closing.done()
            go.set()
            await closing

    run(body())


def test_a_reader_that_breaks_off_leaves_no_thread_once_the_stream_is_garbage():
    fake = writing("one", "two")

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
    class Counting(RecordedStream):
        taken = 0

        def __next__(self):
            line = super().__next__()
            self.taken += 1
            return line

    fake = writing(*map(str, range(1000)))
    opened = logs_as(Counting, fake)

    async def body() -> None:
        async with to_async(fake) as manager, manager.get_logs("a", follow=True) as lines:
            assert await anext(lines) == "0"
            await until(lambda: opened[0].taken > 50)
            assert opened[0].taken < 100
            assert await anext(lines) == "1"

    run(body())


def test_entering_a_stream_waits_until_it_is_open_or_cannot_be_opened():
    go, opening = threading.Event(), threading.Event()
    fake = RecordingManager(a_config("a"))

    def hook(name):
        opening.set()
        assert go.wait(30)

    fake.intercept("get_logs", hook)

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
    fake = RecordingManager(a_config("a"))

    def hook(name):
        opening.set()
        assert go.wait(30)

    fake.intercept("get_logs", hook)

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
    fake = SlowManager(a_config("a"))

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
    fake = RecordingManager()

    async def body() -> None:
        manager = to_async(fake)
        task = asyncio.ensure_future(manager.run_workload(CONFIG))
        await until(lambda: runs(fake))
        closing = asyncio.ensure_future(manager.aclose())
        await asyncio.wait({closing}, timeout=0.05)
        assert not closing.done()
        assert not fake.closed
        fake.set_status("time", WorkloadStatus.STOPPED)
        await task
        await closing

    run(body())
    assert fake.closed


def test_closing_ends_open_streams_and_none_can_be_opened_after_it():
    fake = RecordingManager(a_config("a"))

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
    class Stuck(RecordingManager):
        def close(self):
            raise OSError("it cannot be closed")

    async def body() -> None:
        with pytest.raises(OSError, match="it cannot be closed"):
            await to_async(Stuck()).aclose()

    run(body())


def test_a_program_that_closes_nothing_ends_all_the_same():
    program = """
import asyncio
from tests.support.recording_manager import RecordingManager, a_config
from workloads.aio import to_async

manager = to_async(RecordingManager(a_config("a")))
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
        to_async(RecordingManager(), workers=0)


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

    fake, go, making = RecordingManager(), threading.Event(), threading.Event()

    def make(runtime, *, settings):
        making.set()
        assert go.wait(30)
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
