"""Owning a workload: what is reported to whoever started it, and who may not own it."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import attrs
import pytest

from workloads._core import process
from workloads._core.paths import Paths
from workloads.config import RunConfig
from workloads.errors import WorkloadFailedError
from workloads.managers.containers import Containers
from workloads.managers.ending import end, was_launch_interrupted
from workloads.managers.handshake import Reporter
from workloads.managers.owner import Ownership, run_owned
from workloads.model import WorkloadStatus
from workloads.proxyrunner import binding
from workloads.proxyrunner.observer import Told
from workloads.runtimes.registry import load_runtime
from workloads.state import RuntimeRecordStore, StatusStore


@pytest.fixture
def paths(state_dir):
    return Paths.locate(state_dir=state_dir)


@pytest.fixture
def records(paths):
    return RuntimeRecordStore(paths)


@pytest.fixture
def report():
    read, write = os.pipe()
    reporter = Reporter(write)
    yield reporter, read
    reporter.close()
    os.close(read)


def test_what_was_told_is_on_disk_once_it_is_written(paths, report, records, monkeypatch):
    reporter, _ = report
    go_on = threading.Event()
    write = RuntimeRecordStore.write

    def slowly(self, record):
        assert go_on.wait(30)
        write(self, record)

    async def tell(ownership: Ownership) -> None:
        monkeypatch.setattr(RuntimeRecordStore, "write", slowly)
        ownership.replicas([], 2)
        ownership.status(WorkloadStatus.RUNNING, "told")
        written = asyncio.ensure_future(Told(ownership).written())
        await asyncio.sleep(0)
        assert not written.done()
        go_on.set()
        await written

    with Ownership("a", "process", paths=paths, reporter=reporter) as ownership:
        asyncio.run(tell(ownership))
        assert records.read("a").ready_replicas == 2
        assert StatusStore(paths).read("a").status_context == "told"


def test_an_observer_that_writes_nothing_or_fails_to_holds_nobody_up():
    class Failing:
        def listening(self, host, port): ...

        def status(self, status, context): ...

        def replicas(self, replicas, ready): ...

        async def written(self):
            raise OSError("the disk is full")

    class Deaf:
        pass

    for observer in (None, Deaf(), Failing()):
        asyncio.run(Told(observer).written())


def test_a_runner_that_is_stopped_before_it_listens_does_not_say_that_it_is_ready(paths, report, monkeypatch):
    reporter, read = report
    begun, go_on = threading.Event(), threading.Event()
    bind = binding.bind

    def slowly(*args):
        begun.set()
        assert go_on.wait(30)
        return bind(*args)

    monkeypatch.setattr(binding, "bind", slowly)

    config = RunConfig(name="a", command=["x"], backend_replicas=0)

    async def stopped_while_binding(ownership: Ownership) -> None:
        owned = run_owned(config, load_runtime("process"), ownership, paths=paths, secrets={}, shutdown=asyncio.Event())
        task = asyncio.create_task(owned)
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        go_on.set()
        await asyncio.wait({task})

    with Ownership("a", "process", paths=paths, reporter=reporter) as ownership:
        asyncio.run(stopped_while_binding(ownership))
    reporter.close()
    said = [json.loads(line)["kind"] for line in os.read(read, 65536).splitlines()]
    assert "ready" not in said, said
    assert StatusStore(paths).read("a").status is WorkloadStatus.STOPPED


def test_a_runner_whose_start_was_undone_does_not_take_the_workload(paths, records, report):
    launch_id = records.launch("a", "process").launch_id
    assert was_launch_interrupted(records, "a")
    end(records, Containers(paths), "a", 0, runtime="process")
    assert not was_launch_interrupted(records, "a")
    late = Ownership("a", "process", paths=paths, reporter=report[0], launch_id=launch_id)
    with pytest.raises(WorkloadFailedError, match="undone"):
        late.__enter__()
    assert records.read("a").runner is None
    with records.owner_lock("a").held(0):
        pass


def test_a_runner_whose_start_was_begun_again_does_not_take_the_workload(paths, records, report):
    first, second = (records.launch("a", "process").launch_id for _ in range(2))
    assert first != second
    with pytest.raises(WorkloadFailedError, match="undone"):
        Ownership("a", "process", paths=paths, reporter=report[0], launch_id=first).__enter__()


def test_an_interrupted_start_whose_runner_is_about_to_say_who_it_is_is_waited_for(paths, records):
    """Between the owner lock and the record a runner is not known yet; it must not be passed over."""
    record = records.launch("a", "process")
    lock = records.owner_lock("a")
    assert lock.acquire(0)
    context: list[str] = []
    ender = threading.Thread(target=lambda: context.append(end(records, Containers(paths), "a", 0, runtime="process")))
    ender.start()
    gone = attrs.evolve(process.current(), start_ticks=0)
    records.write(attrs.evolve(record, launcher=None, runner=gone))
    ender.join(30)
    lock.release()
    assert context == [""]
    assert records.read("a").runner is None


def test_a_lock_that_is_held_by_nobody_known_is_told(paths, records, monkeypatch):
    monkeypatch.setattr("workloads.managers.ending._WORD_TRIES", 2)
    records.launch("a", "process")
    with records.owner_lock("a").held(0), pytest.raises(WorkloadFailedError, match=r"a\.lock"):
        end(records, Containers(paths), "a", 0, runtime="process")


def test_what_a_start_waits_for_is_told_until_it_waits_no_more(paths, report):
    """A server may be begun before its start is told, which then has no reason of its own."""
    statuses, told = StatusStore(paths), []
    with Ownership("a", "process", paths=paths, reporter=report[0]) as ownership:
        for tell in (
            lambda: ownership.waits_for("fetching image x"),
            lambda: ownership.status(WorkloadStatus.STARTING, ""),
            lambda: ownership.waits_for(""),
        ):
            tell()
            ownership._writer.submit(lambda: told.append(statuses.read("a").status_context)).result(30)
    assert told == ["fetching image x", "fetching image x", ""]
