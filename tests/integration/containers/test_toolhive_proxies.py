"""What belongs to a workload that ``thv`` runs, and what does not: its proxy process, its networks, its files."""

from __future__ import annotations

import contextlib
import json
import subprocess

import pytest
from tests.support import thv
from tests.support.mcp_client import call_tool
from tests.support.thv import content, status_of
from tests.support.waiting import wait_until

from workloads import BatchError, LocalManager, RunConfig, RunConfigError, RuntimeUnavailableError
from workloads.model import EventType, WorkloadStatus

# What an engine does in these does not depend on which it is.
pytestmark = pytest.mark.parametrize(
    "each_engine", [pytest.param("docker", marks=pytest.mark.needs("docker"))], indirect=True
)


def test_looking_writes_nothing(manager, deploy, toolhive):
    """TH-13.13: reads write `unhealthy` permanently; nothing heals it."""
    deployment = deploy()
    deployment.process.kill()
    deployment.process.wait()
    before = content(toolhive)
    (shown,) = manager.list_workloads(all=True)
    assert shown.status is WorkloadStatus.UNHEALTHY
    assert "proxy process" in shown.status_context
    assert {
        path: path.read_bytes() for folder in (toolhive.state, toolhive.data) for path in folder.rglob("*.json")
    } == before


def test_the_common_network_stays_for_who_uses_it(manager, deploy):
    deploy()
    other = deploy("time", isolated=False)
    manager.delete_workloads(["github"]).wait(120)
    assert other.states() == {"time": "running"}
    assert other.networks() == {"toolhive-external"}


def test_the_container_is_gone_before_its_proxy_is_told_to_end(manager, deploy, toolhive):
    """The proxy would take the end of its container for a crash, and start it again."""
    deployment = deploy(deaf=True)
    completion = manager.delete_workloads(["github"], grace=3600)
    wait_until(lambda: deployment.states() == {}, timeout=120)
    with pytest.raises(TimeoutError):
        completion.wait(0.5)
    assert deployment.process.poll() is None
    assert status_of(toolhive)["status"] == "removing"
    deployment.process.kill()
    completion.wait(120)


def test_a_proxy_that_does_not_end_is_killed_and_that_is_told(manager, deploy, toolhive):
    deployment = deploy(deaf=True, isolated=False)
    manager.stop_workloads(["github"], grace=0.2).wait(120)
    assert deployment.process.wait(30) == -9
    assert "killed" in status_of(toolhive)["status_context"]


@pytest.mark.parametrize("words", [("start", "github-x", "--foreground"), ("start", "git")])
def test_the_proxy_of_another_workload_is_left_alone(manager, deploy, words):
    """TH-13.16: the command-line match lets `-` follow, so `github` matches `github-x`."""
    deployment = deploy("github", *words, isolated=False)
    manager.stop_workloads(["github"]).wait(120)
    assert deployment.process.poll() is None
    assert deployment.states() == {"github": "exited"}


def test_a_process_that_got_the_recorded_pid_later_is_left_alone(manager, deploy, toolhive):
    """TH-13.15: the recorded PID is killed without checking that it is still our process (PID reuse)."""
    deployment = deploy(isolated=False)
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            thv.write_status(toolhive, "github", "running", other.pid)
            deployment.process.kill()
            deployment.process.wait()
            assert manager.get_workload("github").status is WorkloadStatus.UNHEALTHY
            manager.delete_workloads(["github"]).wait(120)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_proxy_that_came_after_its_record_was_written_is_not_that_of_the_record(manager, deploy, toolhive):
    """TH-13.15: the recorded PID is killed without checking that it is still our process (PID reuse)."""
    deployment = deploy(isolated=False)
    document = status_of(toolhive) | {"updated_at": "2026-01-05T09:12:51.5Z"}
    config = json.loads((toolhive.runconfigs / "github.json").read_text()) | {"port": 1}
    (toolhive.runconfigs / "github.json").write_text(json.dumps(config))
    with contextlib.closing(deployment.engine.client()) as client:
        client.remove_container("github", force=True)
    (toolhive.statuses / "github.json").write_text(json.dumps(document))
    manager.stop_workloads(["github"]).wait(120)
    assert deployment.process.poll() is None


def test_a_proxy_whose_pid_is_not_recorded_is_found_by_its_port(manager, deploy):
    """TH-13.14: pid 0 is judged dead."""
    deployment = deploy(record=False, isolated=False)
    assert manager.get_workload("github").status is WorkloadStatus.RUNNING
    manager.stop_workloads(["github"]).wait(120)
    assert deployment.process.wait(30) == -15


def test_a_workload_whose_engine_is_away_is_neither_judged_nor_touched(engine, manager, deploy, toolhive, monkeypatch):
    """TH-13.13: another runtime's (Docker vs Podman) workloads are poisoned on list."""
    deploy(isolated=False)
    thv.write_files(toolhive, "elsewhere", port=1)
    away = {"docker": "CONTAINER_HOST", "podman": "DOCKER_HOST"}[engine.name]
    monkeypatch.setenv(away, f"unix://{toolhive.state}/no.sock")
    before = status_of(toolhive, "elsewhere")
    elsewhere, github = manager.list_workloads(all=True)
    assert github.status is WorkloadStatus.RUNNING
    assert elsewhere.status is WorkloadStatus.UNKNOWN
    assert "no.sock" in elsewhere.status_context
    for verb in (manager.stop_workloads, manager.delete_workloads):
        with pytest.raises(BatchError) as failure:
            verb(["elsewhere"]).wait(120)
        assert isinstance(failure.value.results["elsewhere"], RuntimeUnavailableError)
    assert status_of(toolhive, "elsewhere") == before


def test_a_remote_workload_needs_no_engine(manager, toolhive):
    with thv.proxy("start", "far", "--foreground") as (process, port):
        thv.write_files(toolhive, "far", pid=process.pid, port=port, image="", remote_url="https://mcp.example.com/mcp")
        assert manager.get_workload("far").status is WorkloadStatus.RUNNING
        assert manager.get_workload("far").remote
        manager.stop_workloads(["far"]).wait(120)
        assert process.wait(30) == -15
    manager.delete_workloads(["far"]).wait(120)
    assert manager.list_workloads(all=True) == []


def test_the_temporary_permission_profile_goes_with_its_workload(manager, deploy, toolhive, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    profile, other = tmp_path / "toolhive-github-permissions-123.json", tmp_path / "mine.json"
    for path, name in ((profile, "github"), (other, "time")):
        path.write_text("{}")
        thv.write_files(toolhive, name, "stopped", permission_profile_name_or_path=str(path))
    manager.delete_workloads(["github", "time"]).wait(120)
    assert not profile.exists()
    assert other.exists()


def test_a_container_without_files_is_seen_and_can_be_deleted(engine, manager, deploy, toolhive):
    deployment = deploy(isolated=False)
    (toolhive.runconfigs / "github.json").unlink()
    (toolhive.statuses / "github.json").unlink()
    (shown,) = manager.list_workloads()
    assert (shown.name, shown.status, shown.group) == ("github", WorkloadStatus.RUNNING, "default")
    manager.delete_workloads(["github"]).wait(120)
    assert deployment.states() == {}
    assert manager.list_workloads(all=True) == []


def test_a_start_from_here_takes_a_workload_over(engine, manager, deploy, toolhive):
    deployment = deploy(config={"image": engine.python, "cmd_args": ["python", "/servers/sdk_server.py"]})
    manager.restart_workloads(["github"]).wait(120)
    assert deployment.process.wait(30) == -15
    assert deployment.states() == {"github": "running"}
    workload = manager.get_workload("github")
    assert (workload.status, workload.port) == (WorkloadStatus.RUNNING, deployment.port)
    assert call_tool(workload.url, "add", a=2, b=3) == "5"
    assert status_of(toolhive)["process_id"] not in (0, deployment.process.pid)
    # And back: what thv makes of it is seen as what it is.
    manager.stop_workloads(["github"]).wait(120)
    with contextlib.closing(engine.client()) as client:
        client.remove_container("github", force=True)
    with thv.proxy("start", "github", "--foreground", port=deployment.port) as (process, _):
        thv.Deployment(engine, "github", deployment.port, isolated=False)
        thv.write_status(toolhive, "github", "running", process.pid)
        assert manager.get_workload("github").status is WorkloadStatus.RUNNING
        manager.delete_workloads(["github"]).wait(120)
        assert process.wait(30) == -15


def test_nothing_but_containers_is_run_from_here(engine, toolhive):
    config = RunConfig(name="local", command=["python", "server.py"], transport="stdio")
    with LocalManager.open(app="toolhive", runtime="process") as manager:
        with pytest.raises(RuntimeUnavailableError, match="ToolHive runs containers only"):
            manager.run_workload_detached(config)
        assert manager.list_workloads(all=True) == []


def test_no_workload_sleeps_that_thv_can_see(engine, manager):
    config = RunConfig(name="sleeper", image=engine.busybox, transport="stdio", idle_timeout="5m")
    with pytest.raises(RunConfigError, match="toolhive does not know that a workload may sleep"):
        manager.run_workload_detached(config)


def test_who_watches_is_told_what_becomes_of_a_workload(manager, deploy, toolhive):
    deployment = deploy(isolated=False)
    with manager.watch_workloads() as events:
        assert next(events).workload.status is WorkloadStatus.RUNNING
        assert next(events).type is EventType.SYNCED
        deployment.process.kill()
        deployment.process.wait()
        assert next(events).workload.status is WorkloadStatus.UNHEALTHY
        thv.write_status(toolhive, "github", "error", context="it failed")
        event = next(events)
        assert (event.workload.status, event.workload.status_context) == (WorkloadStatus.ERROR, "it failed")


def test_a_crash_is_for_thv_to_mend_but_a_delete_that_was_cut_is_finished(manager, deploy, toolhive):
    deployment = deploy(isolated=False)
    with contextlib.closing(deployment.engine.client()) as client:
        client.stop("github", timeout=5)
    manager.recover().wait(120)
    assert deployment.process.poll() is None
    assert deployment.states() == {"github": "exited"}
    thv.write_status(toolhive, "github", "removing", deployment.process.pid)
    manager.recover().wait(120)
    assert deployment.process.wait(30) == -15
    assert manager.list_workloads(all=True) == []


def test_the_proxy_of_another_workload_that_has_the_port_now_is_left_alone(manager, toolhive):
    with thv.proxy("run", "--foreground", "image") as (process, port):
        thv.write_files(toolhive, "github", "stopped", port=port)
        manager.delete_workloads(["github"]).wait(120)
        assert process.poll() is None
