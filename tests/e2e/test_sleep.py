"""A workload that sleeps, as callers of a manager and clients see it."""

from __future__ import annotations

from tests.support.mcp_client import call_tool
from tests.support.quick import quick, record_of, runner_of
from tests.support.waiting import wait_until

from workloads import WorkloadStatus


def test_a_sleeping_workload_is_listed_woken_by_a_client_and_stopped(manager):
    url = manager.run_workload_detached(quick(idle_timeout="200ms"), wait=20).url
    wait_until(lambda: manager.get_workload("quick").asleep)
    runner = runner_of("quick")
    workload = manager.get_workload("quick")
    assert (workload.status, workload.status_context) == (WorkloadStatus.RUNNING, "asleep")
    assert (workload.replicas.ready, workload.replicas.desired, workload.url) == (0, 1, url)
    assert record_of("quick").replicas == ()
    assert manager.list_workloads() == [workload]

    assert call_tool(url, "echo", text="hello") == "hello"
    wait_until(lambda: manager.get_workload("quick").asleep)
    assert runner_of("quick") == runner

    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    assert manager.get_workload("quick").status is WorkloadStatus.STOPPED
    manager.start_workloads(["quick"]).wait(20)
    assert manager.get_workload("quick").status is WorkloadStatus.RUNNING
