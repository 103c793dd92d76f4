"""What is discovered from the files of a state folder, without an engine."""

from __future__ import annotations

import logging
import sys

import pytest
from tests.support import fake_engine, thv

from workloads import (
    GroupNotFoundError,
    LocalManager,
    MissingDependencyError,
    RunConfig,
    Settings,
    new_backend_discoverer,
    new_group_manager,
)
from workloads._core.paths import Paths

REMOTE = {"image": "", "remote_url": "https://mcp.example.com/v1/mcp?project=7"}


@pytest.fixture
def toolhive(monkeypatch, tmp_path):
    """The folder of ToolHive's state, on a machine where no engine is found."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")
    return Paths.locate("toolhive")


def test_what_thv_wrote_down_is_discovered(toolhive, caplog):
    """Its folders hold a remote server with its proxy, one without, one in a container, and a file that is none."""
    with thv.proxy("start", "tickets", "--foreground") as (process, port):
        thv.write_files(toolhive, "tickets", pid=process.pid, port=port, group="engineering", **REMOTE)
        thv.write_files(toolhive, "lost", pid=0, port=4001, group="engineering", **REMOTE)
        thv.write_files(toolhive, "boxed", port=4002, group="engineering", transport="stdio", proxy_mode="sse")
        thv.write_files(toolhive, "elsewhere", port=4003)
        (toolhive.groups / "engineering.json").write_text('{"name": "engineering", "registered_clients": []}')
        (toolhive.runconfigs / "torn.json").write_text('{"name": "torn", "group": "engineer')
        before = thv.content(toolhive)
        with LocalManager.open(app="toolhive", runtime="process") as manager:
            discoverer = new_backend_discoverer(manager)
            with caplog.at_level(logging.WARNING, "workloads.discovery"):
                found = {backend.name: backend for backend in discoverer.discover("engineering")}
            with pytest.raises(GroupNotFoundError):
                discoverer.discover("nowhere")
        assert thv.content(toolhive) == before
    assert list(found) == ["boxed", "lost", "tickets"]
    assert {name: backend.health for name, backend in found.items()} == {
        "boxed": "unknown",
        "lost": "unhealthy",
        "tickets": "healthy",
    }
    assert found["tickets"].url == f"http://127.0.0.1:{port}/v1/mcp"
    assert (found["boxed"].url, found["boxed"].transport) == ("http://127.0.0.1:4002/sse#boxed", "sse")
    assert "proxy process is gone" in found["lost"].metadata["workload_status_context"]
    assert [record.workload for record in caplog.records] == ["torn"]


def test_a_watch_that_cannot_begin_leaves_nothing_open(toolhive, monkeypatch):
    """An engine lives, and what is needed to ask it is not installed."""
    monkeypatch.setitem(sys.modules, "docker", None)
    with fake_engine.serving(fake_engine.DOCKER) as served, LocalManager.open("toolhive", runtime="process") as manager:
        monkeypatch.setenv("DOCKER_HOST", served.url)
        with pytest.raises(MissingDependencyError, match="docker"):
            new_backend_discoverer(manager).watch("default")


def test_what_was_never_started_here_is_discovered_and_not_healthy(state_dir):
    with LocalManager(settings=Settings(state_dir=state_dir)) as manager:
        new_group_manager(manager).create("engineering")
        config = RunConfig(name="notes", command=["server"], transport="stdio", group="engineering")
        Paths.locate("workloads", state_dir).runconfigs.mkdir(mode=0o700, exist_ok=True)
        (Paths.locate("workloads", state_dir).runconfigs / "notes.json").write_text(config.to_json())
        (backend,) = new_backend_discoverer(manager).discover("engineering")
    assert (backend.name, backend.url, backend.health) == ("notes", "", "unhealthy")
    assert backend.metadata["workload_status_context"] == "never started"
