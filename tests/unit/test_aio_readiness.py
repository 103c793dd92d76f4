"""Waiting for a workload to be ready, by looking at it."""

from __future__ import annotations

import time

import pytest
from tests.support.aio import run
from tests.support.views import a_workload

from workloads import WorkloadStatus as Status
from workloads.aio._readiness import await_ready, is_ready, pause_after
from workloads.errors import WorkloadFailedError, WorkloadNotFoundError, WorkloadNotReadyError
from workloads.model import ReplicaCount


def seen(status, context="", **changes):
    return a_workload(status=status, status_context=context, **changes)


def waited(*sights, wait=10.0):
    """What waiting gives when these are seen, one after the other, and then the last one for ever."""
    looks = iter(sights)
    last = next(looks)

    async def look():
        nonlocal last
        last = next(looks, last)
        if isinstance(last, Exception):
            raise last
        return last

    async def last_lines():
        return ["the last line"]

    return run(await_ready(last, wait, look=look, last_lines=last_lines))


def test_it_is_waited_for_until_it_runs():
    running = seen(Status.RUNNING)
    unhealthy = seen(Status.UNHEALTHY, "no answer yet")

    assert waited(seen(Status.STARTING), unhealthy, seen(Status.UNKNOWN), running) is running


def test_one_that_runs_is_not_waited_for():
    assert waited(seen(Status.RUNNING), wait=0).status is Status.RUNNING
    assert waited(seen(Status.AUTH_RETRYING), wait=0).status is Status.AUTH_RETRYING


def test_one_that_shall_have_no_replicas_is_ready_when_stopped():
    assert is_ready(seen(Status.STOPPED, replicas=ReplicaCount(0, 0)))
    assert not is_ready(seen(Status.STOPPED, replicas=ReplicaCount(0, 1)))
    assert not is_ready(seen(Status.STARTING, replicas=ReplicaCount(0, 0)))


def test_one_that_fails_is_an_error_with_its_reason_and_log():
    with pytest.raises(WorkloadFailedError, match="exited with code 3") as raised:
        waited(seen(Status.STARTING), seen(Status.ERROR, "exited with code 3"))
    assert raised.value.logs == ("the last line",)


@pytest.mark.parametrize("status", [Status.STOPPING, Status.STOPPED, Status.POLICY_STOPPED, Status.REMOVING])
def test_one_that_others_stop_is_an_error(status):
    with pytest.raises(WorkloadFailedError, match="stopped before it was ready"):
        waited(seen(Status.STARTING), seen(status))


def test_one_that_others_delete_is_an_error():
    with pytest.raises(WorkloadFailedError, match="deleted before it was ready"):
        waited(seen(Status.STARTING), WorkloadNotFoundError("time"))


def test_one_that_takes_too_long_is_an_error_that_says_what_was_seen_last():
    began = time.monotonic()
    with pytest.raises(WorkloadNotReadyError) as raised:
        waited(seen(Status.STARTING), seen(Status.UNHEALTHY, "no answer"), wait=0.1)
    assert 0.1 <= time.monotonic() - began < 5
    error = raised.value
    assert (error.waited, error.status, error.status_context) == (0.1, Status.UNHEALTHY, "no answer")
    assert error.logs == ("the last line",)


def test_looks_are_frequent_at_first_and_never_rare():
    assert [pause_after(waited) for waited in (0, 0.1, 1, 2, 60)] == [0.01, 0.01, 0.05, 0.1, 0.25]
