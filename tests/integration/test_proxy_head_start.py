"""A server is started while what serves its clients is still being loaded, and ended when nobody comes to want it."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from tests.support.aio import run
from tests.support.quick import quick
from tests.support.runners import Recorder
from tests.support.waiting import wait_until

from workloads import CommandNotFoundError, PortInUseError, RunConfig, WorkloadFailedError
from workloads._core.process import identify
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ControlSocket, ProxyRunner
from workloads.proxyrunner.head_start import HeadStart
from workloads.runtimes.process.runtime import ProcessRuntime

EARLY = "workloads-head-start"


class Remembering(ProcessRuntime):
    """Remembers what it has started, and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas = []
        self.threads = []

    def start_replica(self, config, index, **surroundings):
        self.threads.append(threading.current_thread().name)
        self.replicas.append(super().start_replica(config, index, **surroundings))
        return self.replicas[-1]


@pytest.fixture
def runtime():
    return Remembering()


@pytest.fixture
def runner(runtime, tmp_path):
    def make(config, **options):
        places = {"log": lambda index: tmp_path / f"{index}.log", "folder": lambda index: tmp_path / str(index)}
        return ProxyRunner(config, runtime=runtime, **places, **options)

    return make


@pytest.fixture
def started(runtime, tmp_path):
    return lambda: runtime.start_replica(quick("w"), 0, secrets={}, log=tmp_path / "log", folder=tmp_path / "w")


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def lives(replica):
    return identify(replica.identity.pid) == replica.identity


def test_the_first_server_is_begun_early_and_it_is_the_one_that_serves(runner, runtime):
    async def body():
        told = Recorder()
        async with runner(quick("w", backend_replicas=2), observer=told):
            assert sorted(told.pids) == sorted(replica.identity.pid for replica in runtime.replicas)
            assert runtime.threads.count(EARLY) == 1
            assert len(runtime.replicas) == 2
        assert told.statuses[-1] == (WorkloadStatus.STOPPED, "")

    run(body())
    assert not any(map(lives, runtime.replicas))


def test_one_that_is_started_again_is_not_begun_early(runner, runtime, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)

    async def body():
        async with runner(quick("w")):
            await asyncio.to_thread(runtime.replicas[0].kill)
            await asyncio.to_thread(wait_until, lambda: len(runtime.replicas) == 2)

    run(body())
    assert runtime.threads[0] == EARLY
    assert EARLY not in runtime.threads[1:]


def test_it_is_ended_when_what_serves_its_clients_cannot_be_opened(runner, runtime, tmp_path):
    async def body():
        with pytest.raises(WorkloadFailedError):
            await runner(quick("w"), control=ControlSocket(tmp_path / "missing" / "x.sock")).serve()

    run(body())
    (replica,) = runtime.replicas
    assert not lives(replica)


def test_it_is_ended_when_the_runner_is_cancelled_before_it_serves(runner, runtime, monkeypatch):
    async def body():
        importing = asyncio.Event()
        monkeypatch.setattr(ProxyRunner, "_perform", lambda *_: (importing.set(), asyncio.Event().wait())[1])
        serving = asyncio.create_task(runner(quick("w")).serve())
        await importing.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(body())
    (replica,) = runtime.replicas
    assert not lives(replica)


def test_a_runner_that_is_cancelled_at_its_very_end_is_cancelled(runner, monkeypatch):
    discard = HeadStart.discard

    async def body():
        discarding, go_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def slowly(head_start):
            discard(head_start)
            loop.call_soon_threadsafe(discarding.set)
            assert go_on.wait(30)

        async def nothing(*_):
            return

        monkeypatch.setattr(HeadStart, "discard", slowly)
        monkeypatch.setattr(ProxyRunner, "_perform", nothing)
        serving = asyncio.create_task(runner(quick("w")).serve())
        await discarding.wait()
        serving.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(body())


def test_nothing_is_begun_before_the_port_is_taken_or_without_a_replica(runner, runtime, taken_port):
    with pytest.raises(PortInUseError):
        run(runner(quick("w", port=taken_port)).serve())

    async def body():
        async with runner(quick("w", backend_replicas=0)):
            pass

    run(body())
    assert runtime.replicas == []


def test_an_error_of_the_start_is_that_of_the_runner(runner):
    with pytest.raises(CommandNotFoundError, match="no-such-command"):
        run(runner(RunConfig(name="w", command=["no-such-command"])).serve())


def test_who_takes_it_has_it_and_nobody_else(started):
    begun = HeadStart("w", started)
    replica = begun.take()
    assert begun.take() is None
    begun.discard()
    assert lives(replica)
    replica.stdin.close()
    replica.stdout.close()
    replica.stop(5)


def test_discarding_one_that_is_still_being_started_waits_and_ends_it(started, runtime):
    going_on = threading.Event()

    def start():
        going_on.wait(30)
        return started()

    begun = HeadStart("w", start)
    discarding = threading.Thread(target=begun.discard)
    discarding.start()
    going_on.set()
    discarding.join(30)
    assert begun.take() is None
    (replica,) = runtime.replicas
    assert not lives(replica)


def test_discarding_what_could_not_be_started_does_nothing():
    def start():
        raise WorkloadFailedError("w", "it cannot be")

    HeadStart("w", start).discard()
    with pytest.raises(WorkloadFailedError, match="it cannot be"):
        HeadStart("w", start).take()
