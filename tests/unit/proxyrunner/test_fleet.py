"""The state of a workload, told from that of its replicas."""

from __future__ import annotations

import pytest

from workloads.model import WorkloadStatus
from workloads.proxyrunner.fleet import Standing, overall

NEW = Standing()
READY = Standing(ready=True, settled=True)
AGAIN = Standing(settled=True, context="restarting")
FAILED = Standing(settled=True, over=True, context="exited with code 3")


@pytest.mark.parametrize(
    ("standings", "status", "context"),
    [
        ([NEW, NEW], WorkloadStatus.STARTING, ""),
        ([READY, NEW], WorkloadStatus.STARTING, ""),
        ([FAILED, NEW], WorkloadStatus.STARTING, "replica 0: exited with code 3"),
        ([READY, READY], WorkloadStatus.RUNNING, ""),
        ([READY, AGAIN, FAILED], WorkloadStatus.RUNNING, "1 of 3 replicas are ready; replica 1: restarting"),
        ([FAILED, READY], WorkloadStatus.RUNNING, "1 of 2 replicas are ready; replica 0: exited with code 3"),
        ([Standing(settled=True), READY], WorkloadStatus.RUNNING, "1 of 2 replicas are ready"),
        ([AGAIN, FAILED], WorkloadStatus.STARTING, "replica 0: restarting"),
    ],
)
def test_a_workload_runs_once_each_replica_was_ready_or_failed_and_while_one_is(standings, status, context):
    assert overall(standings) == (status, context)
