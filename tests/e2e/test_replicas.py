"""A workload of three replicas, through a real manager."""

from __future__ import annotations

import os
import signal

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import kill_runner, quick, record_of
from tests.support.waiting import wait_until

from workloads import RunConfigError, WorkloadStatus
from workloads._core import process


def test_three_replicas_run_answer_log_and_are_gone_when_stopped(manager):
    workload = manager.run_workload_detached(quick("quick", "--say", "hello", backend_replicas=3), wait=20)
    assert workload.status is WorkloadStatus.RUNNING
    assert (workload.replicas.ready, workload.replicas.desired) == (3, 3)
    replicas = record_of("quick").replicas
    assert len({replica.pid for replica in replicas}) == 3
    assert all(map(process.is_alive, replicas))

    for text in ("one", "two", "three"):
        assert call_tool(workload.url, "echo", text=text) == text
    with manager.get_logs("quick") as lines:
        written = list(lines)
    assert (written.count("hello"), written.count("called echo")) == (3, 3)
    for index in range(3):
        with manager.get_logs("quick", replica=index) as lines:
            assert list(lines).count("hello") == 1

    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    stopped = manager.get_workload("quick")
    assert (stopped.status, stopped.replicas.ready, stopped.replicas.desired) == (WorkloadStatus.STOPPED, 0, 3)
    assert not any(map(process.is_alive, replicas))

    manager.start_workloads(["quick"]).wait(20)
    wait_until(lambda: manager.get_workload("quick").replicas.ready == 3)
    assert call_tool(workload.url, "echo", text="again") == "again"


def test_a_lost_replica_shows_and_the_workload_goes_on(manager):
    workload = manager.run_workload_detached(quick(backend_replicas=3), wait=20)
    victim = record_of("quick").replicas[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: "2 of 3 replicas are ready" in manager.get_workload("quick").status_context)
    left = manager.get_workload("quick")
    assert (left.status, left.replicas.ready) == (WorkloadStatus.RUNNING, 2)
    assert call_tool(workload.url, "echo", text="on") == "on"


def test_a_killed_runner_takes_all_its_replicas_with_it(manager):
    manager.run_workload_detached(quick(backend_replicas=3), wait=20)
    record = record_of("quick")
    kill_runner("quick")
    wait_until(lambda: not any(map(process.is_alive, record.replicas)))
    assert manager.get_workload("quick").status is WorkloadStatus.UNHEALTHY


def test_replicas_that_would_share_a_port_are_refused_before_anything_is_stored(manager):
    config = quick(backend_replicas=2, transport="streamable-http", target_port=9000)
    with pytest.raises(RunConfigError, match="target_port"):
        manager.run_workload_detached(config)
    assert not manager.does_workload_exist("quick")
