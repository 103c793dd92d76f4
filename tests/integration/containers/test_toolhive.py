"""What ToolHive's ``thv`` runs on an engine, managed from here."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support import thv
from tests.support.thv import status_of

from workloads import BackendHealth, EventType, new_backend_discoverer
from workloads.model import WorkloadStatus


def test_what_runs_is_listed_and_inspected_without_its_sidecars(engine, manager, deploy):
    deployment = deploy(config={"group": "default", "cmd_args": ["--flag"]}, labels={"team": "research"})
    (shown,) = manager.list_workloads()
    assert shown == manager.get_workload("github")
    assert (shown.name, shown.runtime, shown.status) == ("github", engine.name, WorkloadStatus.RUNNING)
    assert (shown.url, shown.labels["team"]) == (f"http://127.0.0.1:{deployment.port}/mcp", "research")
    assert manager.list_workloads(labels={"team": "research"}) == [shown]
    assert manager.list_workloads_in_group("default") == [shown]
    assert manager.get_run_config("github").cmd_args == ("--flag",)
    assert manager.does_workload_exist("github")
    assert not manager.does_workload_exist("github-dns")
    (backend,) = new_backend_discoverer(manager).discover("default")
    assert (backend.name, backend.url, backend.health) == ("github", shown.url, "healthy")
    assert (backend.transport, backend.metadata["team"]) == ("streamable-http", "research")
    (stats,) = manager.get_stats("github")
    assert stats.memory > 0


@pytest.mark.parametrize("isolated", [None, False])
def test_stopping_ends_the_proxy_then_the_containers(manager, deploy, toolhive, isolated):
    deployment = deploy(isolated=isolated)
    manager.stop_workloads(["github"]).wait(120)
    assert deployment.process.wait(30) == -15
    assert set(deployment.states().values()) == {"exited"}
    assert len(deployment.states()) == (1 if isolated is False else 4)
    assert status_of(toolhive)["status"] == "stopped"
    assert status_of(toolhive)["process_id"] == 0
    assert status_of(toolhive)["created_at"] == "2026-01-05T09:12:44.123456789Z"
    assert manager.get_workload("github").status is WorkloadStatus.STOPPED
    manager.stop_workloads(["github"]).wait(120)


@pytest.mark.parametrize("isolated", [None, False])
def test_deleting_leaves_nothing(engine, manager, deploy, toolhive, isolated):
    before = engine.present()
    deployment = deploy(isolated=isolated)
    manager.delete_workloads(["github"]).wait(120)
    assert deployment.process.wait(30) == -15
    assert engine.present() == before
    assert not list(toolhive.runconfigs.glob("github*"))
    assert not list(toolhive.statuses.glob("github*.json"))
    assert not manager.does_workload_exist("github")
    manager.delete_workloads(["github"]).wait(120)


def test_a_workload_without_its_container_is_stopped_and_deleted(engine, manager, deploy, toolhive):
    """TH-13.31: the removal of a missing container is a generic failure, and stopping one is an error."""
    deployment = deploy(isolated=False)
    with contextlib.closing(engine.client()) as client:
        client.remove_container("github", force=True)
    shown = manager.get_workload("github")
    assert (shown.status, shown.url) == (WorkloadStatus.UNHEALTHY, f"http://127.0.0.1:{deployment.port}/mcp")
    manager.stop_workloads(["github"]).wait(120)
    assert status_of(toolhive)["status"] == "stopped"
    manager.delete_workloads(["github"]).wait(120)
    assert not manager.does_workload_exist("github")


def test_what_its_server_wrote_is_read_from_the_engine(engine, manager, deploy):
    words = ["sh", "-c", "echo one; echo two >&2; until [ -e /tmp/go ]; do sleep 0.1; done; echo three; exec idle"]
    deploy(isolated=False, command=words)
    with manager.get_logs("github", follow=True) as lines:
        assert sorted([next(lines), next(lines)]) == ["one", "two"]
    with manager.get_logs("github", lines=0) as lines:
        assert list(lines) == []
    with contextlib.closing(engine.client()) as client, manager.get_logs("github", follow=True, lines=1) as lines:
        assert next(lines) in ("one", "two")
        client.exec_start(client.exec_create("github", ["touch", "/tmp/go"]))
        assert next(lines) == "three"
    with manager.get_logs("github", follow=True, lines=0) as lines, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, lines, "closed")
        assert not waiting.done()
        lines.close()
        assert waiting.result(60) == "closed"


def test_what_happens_to_its_containers_is_told_as_it_happens(engine, manager, deploy):
    """Though nothing is written to any file."""
    deployment = deploy(isolated=False)
    with contextlib.closing(engine.client()) as client, manager.watch_workloads() as watch:
        told = (event.workload for event in watch if event.workload is not None)
        assert next(told).status is WorkloadStatus.RUNNING
        client.pause("github")
        paused = next(workload for workload in told if workload.status is not WorkloadStatus.RUNNING)
        assert (paused.name, paused.status) == ("github", WorkloadStatus.UNHEALTHY)
        assert "paused" in paused.status_context
        client.unpause("github")
        assert WorkloadStatus.RUNNING in (workload.status for workload in told)  # waits until it is
        deployment.process.kill()
        gone = next(workload for workload in told if workload.status is not WorkloadStatus.RUNNING)
        assert "proxy process is gone" in gone.status_context


def test_a_container_without_any_file_comes_and_goes(engine, manager, deploy):
    """Its sidecars are told of by nobody; and what is discovered of it comes and goes with it."""
    deploy("other", isolated=False)
    with contextlib.closing(engine.client()) as client, new_backend_discoverer(manager).watch("default") as watch:
        assert [next(watch).type, next(watch).type] == [EventType.ADDED, EventType.SYNCED]
        deployment = thv.Deployment(engine, "bare", 4000)
        event = next(watch)
        while event.backend.health is not BackendHealth.HEALTHY:
            assert (event.backend.name, event.backend.health) == ("bare", BackendHealth.UNKNOWN)
            event = next(watch)
        assert (event.backend.name, event.backend.url) == ("bare", "http://127.0.0.1:4000/mcp")
        for name in sorted(deployment.states().keys() - {"other"}):
            client.remove_container(name, force=True)
        while (event := next(watch)).type is not EventType.DELETED:
            assert event.backend.name == "bare"
        assert event.backend.name == "bare"


def test_an_engine_that_comes_later_is_heard(engine, manager, deploy, monkeypatch, tmp_path):
    deploy(isolated=False)
    place = tmp_path / "later"
    monkeypatch.setenv(engine.variable, f"unix://{place}")
    with manager.watch_workloads() as watch:
        before = next(watch).workload
        assert (before.name, before.status) == ("github", WorkloadStatus.UNKNOWN)
        place.symlink_to(engine.socket)
        event = next(watch)
        while event.workload is None or event.workload.status is not WorkloadStatus.RUNNING:
            event = next(watch)
        assert event.workload.runtime == engine.name
