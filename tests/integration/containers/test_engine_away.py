"""Engines that end while workloads run, and come back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support import engines, thv
from tests.support.mcp_client import call_tool
from tests.support.quick import runner_of
from tests.support.waiting import wait_until

import workloads
from workloads import LocalManager, RunConfig, Workload, WorkloadEvent, WorkloadStatus
from workloads._core.paths import Paths
from workloads.errors import BatchError, RuntimeUnavailableError, WorkloadFailedError, WorkloadsError
from workloads.model import EventType

NOTHING = {"container": {}, "network": {}, "volume": {}}
# The SDK leaves a socket that could not connect to the collector, which closes it: here the engine goes at any moment.
_SDK = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
pytestmark = [pytest.mark.needs("mcp"), pytest.mark.timeout(300), _SDK]


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in engines.NAMES])
def engine(request, monkeypatch):
    """An engine of the test's own, for it is killed."""
    with engines.running(request.param) as engine:
        monkeypatch.setenv(engine.variable, engine.url)
        yield engine


@pytest.fixture
def manager(engine):
    with workloads.new_manager(engine.name) as manager:
        yield manager
        if engine.process is None:
            engine.start()
        manager.delete_workloads([each.name for each in manager.list_workloads(all=True)], grace=5).wait(120)


def server(engine, name):
    return RunConfig(name=name, image=engine.python, command=["python3", "-I", "-S", "/servers/quick_stdio.py"])


def web(engine, name):
    """A server whose network is isolated."""
    return RunConfig(name=name, image=engine.python, command=["python3", "/servers/sessions.py"],
                     transport="streamable-http", isolate_network=True)  # fmt: skip


def files():
    paths = Paths.locate()
    found = [*paths.runconfigs.glob("*.json"), *paths.statuses.glob("*.json"), *paths.runtimes.glob("*.json")]
    return {file: file.read_bytes() for file in found}


def leaves(error):
    """The errors in a group of errors, or groups."""
    return [leaf for each in error.exceptions for leaf in leaves(each)] if hasattr(error, "exceptions") else [error]


def logs(manager, name):
    with manager.get_logs(name) as lines:
        return list(lines)


def statuses(watch, name, seen, synced):
    """Note the status of a workload, whenever it is told, and each time that everything has been."""
    for event in watch:
        if event.type is EventType.SYNCED:
            synced.append(event)
        elif event.workload.name == name:
            seen.append(event.workload.status)


def test_a_workload_is_unknown_while_its_engine_is_away_and_runs_again_afterwards(engine, manager):
    """Reads write nothing of it; verbs say why they cannot be done, and leave nothing that would be an orphan."""
    workload = manager.run_workload_detached(server(engine, "a"), wait=120)
    manager.run_workload_detached(server(engine, "b"), wait=120)
    manager.stop_workloads(["b"]).wait(120)
    runner = runner_of("a")
    seen: list[WorkloadStatus] = []
    synced: list[WorkloadEvent] = []
    watch = manager.watch_workloads()
    watching = threading.Thread(target=statuses, args=(watch, "a", seen, synced), daemon=True)
    watching.start()
    wait_until(lambda: seen and synced)
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call_tool, workload.url, "slow", seconds=600)
        wait_until(lambda: "slow begins" in logs(manager, "a"))
        engine.kill()
        with pytest.raises(ExceptionGroup) as told:
            calling.result(120)
        assert "The server ended" in str(leaves(told.value))
    wait_until(lambda: seen[-1] is WorkloadStatus.UNKNOWN)
    before = files()[Paths.locate().statuses / "b.json"]
    first, second = manager.list_workloads(all=True)
    assert (first.status, second.status) == (WorkloadStatus.UNKNOWN, WorkloadStatus.UNKNOWN)
    assert first.status_context.startswith(f"{engine.name} does not answer: ")
    assert manager.list_workloads() == []
    assert files()[Paths.locate().statuses / "b.json"] == before
    assert len(synced) == 1

    with pytest.raises(BatchError) as caught:
        manager.start_workloads(["b"]).wait(120)
    assert isinstance(caught.value.results["b"], (RuntimeUnavailableError, WorkloadFailedError))
    with pytest.raises(RuntimeUnavailableError):
        manager.run_workload_detached(server(engine, "c"))
    assert not manager.does_workload_exist("c")
    with pytest.raises(BatchError):
        manager.delete_workloads(["b"], grace=1).wait(120)
    assert manager.does_workload_exist("b")

    engine.start()
    wait_until(lambda: manager.get_workload("a").status is WorkloadStatus.RUNNING, timeout=120)
    wait_until(lambda: seen[-1] is WorkloadStatus.RUNNING, timeout=120)
    wait_until(lambda: len(synced) > 1, timeout=120)
    watch.close()
    watching.join(120)
    assert runner_of("a") == runner
    wait_until(lambda: manager.get_workload("a").replicas.ready == 1, timeout=120)
    assert call_tool(workload.url, "echo", text="again") == "again"
    wait_until(lambda: logs(manager, "a")[-1] == "called echo")

    engine.kill()
    with pytest.raises(BatchError) as caught:
        manager.stop_workloads(["a"], grace=1).wait(120)
    assert isinstance(caught.value.results["a"], RuntimeUnavailableError)
    engine.start()
    manager.stop_workloads(["a"], grace=10).wait(120)
    assert manager.get_workload("a").status is WorkloadStatus.STOPPED
    manager.delete_workloads(["a", "b"], grace=10).wait(120)
    assert engine.present() == NOTHING
    assert files() == {}


def test_verbs_that_an_engine_leaves_in_the_middle_end_and_leave_nothing(engine, manager):
    """Each succeeds when it is back, or says why it cannot; afterwards all can be deleted."""

    def outcome(work):
        try:
            return work()
        except WorkloadsError as error:
            return error

    isolated = web(engine, "c")
    stubborn = server(engine, "a").evolve(cmd_args=["--ignore-term"])
    manager.run_workload_detached(stubborn, wait=120)
    with ThreadPoolExecutor(2) as pool:
        stopping = pool.submit(outcome, lambda: manager.stop_workloads(["a"], grace=20).wait(120))
        wait_until(lambda: manager.get_workload("a").status is WorkloadStatus.STOPPING, every=0)
        running = pool.submit(outcome, lambda: manager.run_workload_detached(isolated, wait=120))
        wait_until(lambda: len(engine.present()["container"]) > 1, timeout=120, every=0)
        engine.kill()
        engine.start()
        assert isinstance(stopping.result(), (dict, WorkloadsError))
        assert isinstance(running.result(), (Workload, WorkloadsError))
    manager.delete_workloads(["a", "c"], grace=1).wait(120)
    assert engine.present() == NOTHING
    assert files() == {}


def test_what_thv_runs_is_unknown_while_its_engine_is_away_and_told_again_afterwards(engine):
    with (
        thv.proxy("start", "github", "--foreground") as (process, port),
        LocalManager.open("toolhive", runtime=engine.name) as manager,
    ):
        thv.Deployment(engine, "github", port, isolated=False)
        thv.write_files(Paths.locate("toolhive"), "github", pid=process.pid, port=port)
        with manager.watch_workloads() as watch:
            told = (event.type if event.workload is None else event.workload.status for event in watch)
            assert [next(told), next(told)] == [WorkloadStatus.RUNNING, EventType.SYNCED]
            engine.kill()
            assert WorkloadStatus.UNKNOWN in told  # waits until it is
            engine.start()
            # Docker ends the containers that it finds without a shim; Podman's have gone on.
            after = next(told)
            assert after in (WorkloadStatus.RUNNING, WorkloadStatus.UNHEALTHY)
            assert EventType.SYNCED in told  # once that is told which was missed
