"""What is told of workloads when something happens to their containers."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest
from tests.support.quick import record_of, runner_of

import workloads
from workloads import RunConfig, WorkloadStatus

pytestmark = pytest.mark.timeout(120)


def test_what_happens_to_containers_is_told_as_it_happens(engine):
    """Though nothing is written to any file."""
    config = RunConfig(name="a", image=engine.python, command=["python3", "-I", "-S", "/servers/quick_stdio.py"])
    with workloads.new_manager(engine.name) as manager, closing(engine.client()) as client:
        manager.run_workload_detached(config, wait=60)
        (container,) = record_of("a").containers
        try:
            with manager.watch_workloads() as watch:
                events = (event.workload for event in watch if event.workload is not None)
                assert next(events).status is WorkloadStatus.RUNNING
                client.pause(container)
                paused = next(events)
                assert paused.status is WorkloadStatus.STOPPED
                assert "paused" in paused.status_context
                client.unpause(container)
                assert next(events).status is WorkloadStatus.RUNNING
                os.kill(runner_of("a"), signal.SIGKILL)
                assert next(events).status is WorkloadStatus.UNHEALTHY
        finally:
            manager.delete_workloads(["a"], grace=5).wait(60)
