"""What a manager does with containers beyond what every manager does."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from contextlib import closing

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import record_of, runner_of
from tests.support.waiting import wait_until

import workloads
from workloads import RunConfig, WorkloadStatus
from workloads._core.paths import Paths
from workloads.errors import WorkloadFailedError
from workloads.managers.containers import owner_of

pytestmark = [pytest.mark.needs("mcp"), pytest.mark.timeout(300)]

COMMAND = ["python3", "-I", "-S", "/servers/quick_stdio.py"]


@pytest.fixture
def manager(engine):
    with workloads.new_manager(engine.name) as manager:
        yield manager
        manager.delete_workloads([each.name for each in manager.list_workloads(all=True)], grace=5).wait(120)


def state(client, container):
    return client.inspect_container(container)["State"]["Status"]


def run_two(manager, config):
    """Both replicas: a workload runs as soon as one of them is ready."""
    manager.run_workload_detached(config.evolve(backend_replicas=2), wait=120)
    wait_until(lambda: manager.get_workload(config.name).replicas.ready == 2, timeout=120)


def test_what_a_killed_runner_left_is_ended_and_taken_again(engine, manager):
    """A server of HTTP does not notice that its runner is gone."""
    config = RunConfig(name="a", image=engine.python, command=["python3", "/servers/sessions.py"],
                       transport="streamable-http")  # fmt: skip
    manager.run_workload_detached(config, wait=120)
    (container,) = record_of("a").containers
    os.kill(runner_of("a"), signal.SIGKILL)
    wait_until(lambda: manager.get_workload("a").status is WorkloadStatus.UNHEALTHY)
    assert "its proxy runner is gone, 1 of its containers live on" in manager.get_workload("a").status_context
    with closing(engine.client()) as client:
        assert state(client, container) == "running"
        manager.recover().wait(120)
        assert manager.get_workload("a").status is WorkloadStatus.RUNNING
        assert record_of("a").containers == (container,)
        os.kill(runner_of("a"), signal.SIGKILL)
        manager.stop_workloads(["a"], grace=10).wait(120)
        assert state(client, container) == "exited"
    assert manager.get_workload("a").status is WorkloadStatus.STOPPED


def test_a_container_of_which_nothing_else_is_known_is_pruned(engine, manager):
    scope = owner_of(Paths.locate()).scope
    with closing(engine.client()) as client:
        for name, whose in (("lost", scope), ("other", "0" * 16)):
            labels = {"workloads.scope": whose, "workloads.basename": name}
            client.create_container_from_config({"Image": engine.busybox, "Labels": labels}, name)
        assert manager.prune() == ["lost"]
        assert manager.prune() == []
        assert set(engine.present()["container"].values()) == {"other"}
        client.remove_container("other")


def test_a_workload_that_is_not_used_is_frozen_and_wakes_for_a_request(engine, manager):
    config = RunConfig(name="a", image=engine.python, command=COMMAND, idle_timeout="1s", sleep_mode="suspend")
    workload = manager.run_workload_detached(config, wait=120)
    wait_until(lambda: manager.get_workload("a").asleep, timeout=120)
    (container,) = record_of("a").containers
    with closing(engine.client()) as client:
        assert state(client, container) == "paused"
        assert call_tool(workload.url, "echo", text="awake") == "awake"
        wait_until(lambda: manager.get_workload("a").asleep, timeout=120)
        manager.stop_workloads(["a"], grace=10).wait(120)
        assert state(client, container) == "exited"


def raw_call(url):
    """One request of the era without sessions, through the proxy."""
    head = {"Content-Type": "application/json", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head), timeout=60) as answer:
        return json.loads(answer.read())["result"]["protocolVersion"]


def test_a_workload_whose_gateway_died_is_brought_back_with_another_by_its_runner(engine, manager):
    from docker.errors import NotFound

    config = RunConfig(name="a", image=engine.python, command=["python3", "/servers/sessions.py"],
                       transport="streamable-http", isolate_network=True, restart="on-failure")  # fmt: skip
    workload = manager.run_workload_detached(config, wait=120)
    assert raw_call(workload.url) == "2025-11-25"
    runner, (server,) = runner_of("a"), record_of("a").containers
    with closing(engine.client()) as client:

        def begun(name):
            try:
                return client.inspect_container(name)["State"]["StartedAt"]
            except NotFound:  # another one is about to take its place
                return None

        egress = next(name for name in engine.present()["container"].values() if name.endswith("-egress"))
        former = begun(egress), begun(server)
        client.kill(egress)
        wait_until(
            lambda: begun(egress) not in (None, former[0]) and manager.get_workload("a").replicas.ready == 1,
            timeout=120,
        )
        assert raw_call(workload.url) == "2025-11-25"
        assert begun(record_of("a").containers[0]) != former[1]
        assert runner_of("a") == runner


def test_what_replicas_use_is_told_by_one_look(engine, manager):
    config = RunConfig(name="a", image=engine.python, command=COMMAND, memory="64m", pids=20)
    run_two(manager, config)
    stats = manager.get_stats("a")
    assert [each.index for each in stats] == [0, 1]
    for each in stats:
        assert 2**20 < each.memory < each.memory_limit == 64 * 2**20
        assert 0 < each.cpu_seconds < 60
        assert 1 <= each.pids <= 20
        assert each.network_received is not None
    with closing(engine.client()) as client:
        client.pause(record_of("a").containers[0])
        assert len(manager.get_stats("a")) == 2
        client.unpause(record_of("a").containers[0])
    manager.stop_workloads(["a"], grace=10).wait(120)
    assert manager.get_stats("a") == []


def test_replicas_that_a_workload_no_longer_has_are_removed(engine, manager):
    """With their gateways: those of an update when it is proven, those of one that does not run at its next start."""

    def present(kind):
        return sorted(engine.present()[kind].values())

    config = RunConfig(name="a", image=engine.python, command=["python3", "/servers/sessions.py"],
                       transport="streamable-http", isolate_network=True)  # fmt: skip
    run_two(manager, config)
    both, volumes = present("container"), present("volume")
    assert (len(both), len(volumes)) == (6, 2)
    with pytest.raises(WorkloadFailedError):
        manager.update_workload("a", config.evolve(backend_replicas=1, command=["false"]), grace=10).wait(120)
    wait_until(lambda: manager.get_workload("a").replicas.ready == 2, timeout=120)
    assert present("container") == both
    manager.update_workload("a", config.evolve(backend_replicas=1), grace=10).wait(120)
    assert present("container") == [name for name in both if name.startswith("a.0.")]
    assert len(present("volume")) == 1
    assert len(manager.get_stats("a")) == 1
    manager.stop_workloads(["a"], grace=10).wait(120)
    manager.update_workload("a", config.evolve(backend_replicas=0)).wait(120)
    assert len(present("container")) == 3
    manager.start_workloads(["a"]).wait(120)
    assert engine.present() == {"container": {}, "network": {}, "volume": {}}


def test_why_a_server_failed_is_told_with_its_last_words(engine, manager):
    config = RunConfig(name="a", image=engine.python, command=["sh", "-c", "echo no key >&2; exit 4"])
    with pytest.raises(WorkloadFailedError) as caught:
        manager.run_workload_detached(config, wait=120)
    assert set(caught.value.logs) == {"no key"}
    assert manager.get_workload("a").status is WorkloadStatus.ERROR
    assert "exited with code 4" in manager.get_workload("a").status_context
    with pytest.raises(WorkloadFailedError, match="cannot fetch image"):
        manager.run_workload_detached(config.evolve(image="localhost/no-such-image:1"), wait=120)
    assert "cannot fetch image" in manager.get_workload("a").status_context
