"""Workloads whose server runs elsewhere, run by a real manager: TLS, an authority and a key of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from tests.support.authority import Authority
from tests.support.mcp_client import call_tool
from tests.support.quick import runner_of
from tests.support.waiting import wait_until

from workloads import RunConfig, WorkloadFailedError, WorkloadStatus
from workloads._core.paths import Paths
from workloads.config import HeaderForward
from workloads.errors import SecretNotFoundError
from workloads.runtimes.process.ports import free_port

pytestmark = pytest.mark.needs("mcp")

SERVER = Path(__file__).parents[1] / "servers" / "remote.py"
KEY = "canary-77aa"


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The port of a server that is somebody else's."""
    authority, port = Authority(tmp_path), free_port()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))
    monkeypatch.setenv("WORKLOADS_SECRET_remote_key", KEY)
    command = [sys.executable, str(SERVER), str(port), str(authority.certificate), KEY]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(port), timeout=30)
            yield port
        finally:
            process.kill()


def far(port: int, path: str = "/v1/mcp?tenant=a", **fields) -> RunConfig:
    return RunConfig(
        **{
            "name": "far",
            "remote_url": f"https://localhost:{port}{path}",
            "transport": "streamable-http",
            "header_forward": HeaderForward(add_headers_from_secret={"X-Api-Key": "remote_key"}),
            **fields,
        }
    )


def test_it_runs_answers_is_listed_stops_starts_again_and_is_gone(manager, remote):
    workload = manager.run_workload_detached(far(remote), wait=30)
    assert workload.status is WorkloadStatus.RUNNING
    assert (workload.remote, workload.image, workload.command) == (True, "", ())
    assert (workload.replicas.ready, workload.replicas.desired) == (1, 1)
    assert workload.url == f"http://127.0.0.1:{workload.port}/v1/mcp"
    assert call_tool(workload.url, "header", name="query") == "tenant=a"
    assert manager.list_workloads() == [workload]
    assert psutil.Process(runner_of("far")).children() == []
    with manager.get_logs("far") as lines:
        assert list(lines) == []

    assert manager.stop_workloads(["far"]).wait(20) == {"far": None}
    assert manager.get_workload("far").status is WorkloadStatus.STOPPED
    assert manager.start_workloads(["far"]).wait(30) == {"far": None}
    assert manager.restart_workloads(["far"]).wait(30) == {"far": None}
    again = manager.get_workload("far")
    assert (again.status, again.url) == (WorkloadStatus.RUNNING, workload.url)
    assert call_tool(again.url, "header", name="host") == f"localhost:{remote}"
    assert manager.delete_workloads(["far"]).wait(20) == {"far": None}
    assert manager.list_workloads(all=True) == []
    assert [path for path in Paths.locate().runtimes.iterdir() if path.suffix == ".sock"] == []


def test_its_secrets_are_in_no_file_argument_or_environment(manager, remote, tmp_path):
    manager.run_workload_detached(far(remote), wait=30)
    assert call_tool(manager.get_workload("far").url, "header", name="x-api-key") == KEY
    runner = psutil.Process(runner_of("far"))
    assert KEY not in str(runner.cmdline()) + str(runner.environ())
    manager.stop_workloads(["far"]).wait(20)
    assert [
        path for path in (tmp_path / "home").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    ] == []


def test_it_moves_within_its_host(manager, remote):
    workload = manager.run_workload_detached(far(remote, "/old"), wait=30)
    assert workload.url.endswith("/old")
    assert call_tool(workload.url, "header", name="x-api-key") == KEY


def test_an_update_moves_it(manager, remote):
    workload = manager.run_workload_detached(far(remote), wait=30)
    manager.update_workload("far", far(remote, "/v1/mcp?tenant=b")).wait(30)
    assert call_tool(workload.url, "header", name="query") == "tenant=b"


def test_without_its_secret_nothing_is_created(manager, remote, monkeypatch):
    monkeypatch.delenv("WORKLOADS_SECRET_remote_key")
    with pytest.raises(SecretNotFoundError, match="remote_key"):
        manager.run_workload_detached(far(remote))
    assert manager.list_workloads(all=True) == []


def test_one_that_is_not_there_is_told_of(manager, remote):
    with pytest.raises(WorkloadFailedError, match="not ready after 1 s; last answer: POST /nowhere: 404"):
        manager.run_workload_detached(far(remote, "/nowhere", ready_timeout="1s"), wait=30)
    workload = manager.get_workload("far")
    assert (workload.status, workload.remote) == (WorkloadStatus.ERROR, True)
