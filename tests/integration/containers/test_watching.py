"""What is told of workloads when something happens to their containers."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest
from tests.support.quick import record_of, runner_of

import workloads
from workloads import RunConfig, WorkloadStatus

pytestmark = pytest.mark.timeout(300)


def test_what_happens_to_containers_is_told_as_it_happens(engine):
    """Though nothing is written to any file."""
    config = RunConfig(name="a", image=engine.python, command=["python3", "-I", "-S", "/servers/quick_stdio.py"])
    with workloads.new_manager(engine.name) as manager, closing(engine.client()) as client:
        manager.run_workload_detached(config, wait=120)
        (container,) = record_of("a").containers
        try:
            with manager.watch_workloads() as watch:

                def told(status):
                    """The next that is told of it in this state: a slow machine may tell of more on the way there."""
                    seen = (event.workload for event in watch if event.workload is not None)
                    return next(workload for workload in seen if workload.status is status)

                told(WorkloadStatus.RUNNING)
                client.pause(container)
                assert "paused" in told(WorkloadStatus.STOPPED).status_context
                client.unpause(container)
                told(WorkloadStatus.RUNNING)
                os.kill(runner_of("a"), signal.SIGKILL)
                told(WorkloadStatus.UNHEALTHY)
        finally:
            manager.delete_workloads(["a"], grace=5).wait(120)
