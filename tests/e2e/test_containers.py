"""MCP servers in containers of real engines, called through their proxies by the real client."""

from __future__ import annotations

import contextlib
import json

import pytest
from tests.support.mcp_client import call_tool
from tests.support.waiting import wait_until

import workloads
from workloads import LocalManager, RunConfig
from workloads._core.paths import Paths
from workloads.model import Isolation, WorkloadStatus

SERVER = ("python", "/servers/sdk_server.py")


@pytest.fixture(params=["workloads", "toolhive"])
def app(request):
    """Whose folder workloads are kept in."""
    return request.param


@pytest.fixture
def manager(engine, app):
    with LocalManager.open(app, runtime=engine.name) as manager:
        yield manager
        names = [workload.name for workload in manager.list_workloads(all=True)]
        manager.delete_workloads(names, grace=5).wait(120)


def config(engine, **fields) -> RunConfig:
    return RunConfig(**{"name": "sdk", "image": engine.python, "command": SERVER, **fields})


@pytest.mark.parametrize("app", ["workloads"], indirect=True)
@pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
@pytest.mark.parametrize("isolation", [Isolation.CONTAINER, Isolation.NETWORK])
def test_a_server_in_a_container_is_called_through_its_proxy(engine, manager, transport, isolation):
    isolated = isolation is Isolation.NETWORK
    workload = manager.run_workload_detached(config(engine, transport=transport, isolate_network=isolated), wait=120)
    assert (workload.runtime, workload.status) == (engine.name, WorkloadStatus.RUNNING)
    assert workload.isolation is isolation
    assert call_tool(workload.url, "add", a=2, b=3) == "5"


@pytest.mark.parametrize("app", ["workloads"], indirect=True)
def test_replicas_are_containers_behind_one_proxy(engine, manager):
    workload = manager.run_workload_detached(config(engine, transport="streamable-http", backend_replicas=3), wait=120)
    wait_until(lambda: manager.get_workload("sdk").replicas.ready == 3, timeout=120)
    with contextlib.closing(engine.client()) as client:
        containers = client.containers(filters={"label": "workloads.basename=sdk"})
        assert len(containers) == 3
        assert [call_tool(workload.url, "add", a=number, b=0) for number in range(3)] == ["0", "1", "2"]
        client.kill(containers[0]["Id"])
        # What is on its way there at that moment is lost, and told as that.
        wait_until(lambda: manager.get_workload("sdk").replicas.ready < 3, timeout=120, every=0)
    assert call_tool(workload.url, "add", a=2, b=3) == "5"


@pytest.mark.parametrize("app", ["workloads"], indirect=True)
def test_logs_are_followed_from_a_line_on_as_a_stream(engine, manager):
    """TH-13.32: follow logs go to the process's own stdout, there is no streaming, and follow + lines is rejected."""
    words = ("sh", "-c", "echo one; echo two >&2; until [ -e /tmp/go ]; do sleep 0.1; done; echo three; exec idle")
    manager.run_workload_detached(config(engine, image=engine.busybox, command=words, transport="streamable-http"))
    with manager.get_logs("sdk", follow=True) as lines:
        assert sorted([next(lines), next(lines)]) == ["one", "two"]
    with contextlib.closing(engine.client()) as client, manager.get_logs("sdk", follow=True, lines=1) as lines:
        assert next(lines) in ("one", "two")
        (container,) = client.containers(filters={"label": "workloads.basename=sdk"})
        client.exec_start(client.exec_create(container["Id"], ["touch", "/tmp/go"]))
        assert next(lines) == "three"


@pytest.mark.parametrize("app", ["toolhive"], indirect=True)
def test_what_is_run_in_its_folder_can_be_read_by_thv(engine, manager):
    workload = manager.run_workload_detached(
        config(engine, transport="streamable-http", container_labels={"team": "research"}), wait=120
    )
    paths = Paths.locate("toolhive")
    # What it looks for: a container by its labels, the run config by the base name, the status with a live process.
    with contextlib.closing(engine.client()) as client:
        (container,) = client.containers(filters={"label": "toolhive=true"})
    labels = container["Labels"]
    assert labels["toolhive-basename"] == "sdk"
    assert labels["toolhive-name"] == container["Names"][0].lstrip("/")
    assert labels["toolhive-transport"] == "streamable-http"
    assert labels["toolhive-port"] == str(workload.port)
    assert labels["toolhive-network-isolation"] == "false"
    assert labels["team"] == "research"
    assert "toolhive-auxiliary-workload" not in labels
    stored = json.loads((paths.runconfigs / "sdk.json").read_text())
    assert (stored["schema_version"], stored["name"], stored["port"]) == ("v0.1.0", "sdk", workload.port)
    status = json.loads((paths.statuses / "sdk.json").read_text())
    assert status["status"] == "running"
    assert set(status) >= {"status", "created_at", "updated_at", "process_id"}
    assert workloads._core.process.identify(status["process_id"]) is not None
    assert manager.list_workloads() == [manager.get_workload("sdk")]
    assert call_tool(workload.url, "add", a=2, b=3) == "5"
    manager.stop_workloads(["sdk"]).wait(120)
    assert json.loads((paths.statuses / "sdk.json").read_text())["process_id"] == 0
    assert manager.get_workload("sdk").status is WorkloadStatus.STOPPED
