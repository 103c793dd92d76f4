"""From workloads to backends, as values."""

from __future__ import annotations

import attrs
import pytest
from tests.support.views import a_workload

from workloads.discovery import Backend, BackendHealth
from workloads.discovery.backends import backend_of, health_of
from workloads.model import ProxyMode, TransportType, WorkloadStatus


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("running", "healthy"),
        ("unhealthy", "unhealthy"),
        ("stopped", "unhealthy"),
        ("error", "unhealthy"),
        ("stopping", "unhealthy"),
        ("removing", "unhealthy"),
        ("policy_stopped", "unhealthy"),
        ("starting", "unknown"),
        ("unknown", "unknown"),
        ("unauthenticated", "unauthenticated"),
        ("auth_retrying", "degraded"),
    ],
)
def test_the_status_of_a_workload_tells_the_health_of_its_backend(status, health):
    assert health_of(WorkloadStatus(status)) == health


def test_every_status_has_a_health():
    assert {health_of(status) for status in WorkloadStatus} == set(BackendHealth)


def test_a_backend_speaks_as_the_proxy_does_and_not_as_the_server():
    workload = a_workload(transport=TransportType.STDIO, proxy_mode=ProxyMode.SSE, url="http://127.0.0.1:1/sse#time")
    backend = backend_of(workload)
    assert (backend.id, backend.name) == ("time", "time")
    assert (backend.url, backend.transport) == ("http://127.0.0.1:1/sse#time", "sse")
    assert backend.auth is None


def test_metadata_are_its_labels_and_what_labels_cannot_overrule():
    workload = a_workload(group="engineering", labels={"team": "search", "group": "mine", "workload_status": "error"})
    assert backend_of(workload).metadata == {"team": "search", "group": "engineering", "workload_status": "running"}


def test_metadata_tell_why_a_backend_is_as_it_is():
    broken = backend_of(a_workload(status=WorkloadStatus.ERROR, status_context="exited with code 137"))
    assert broken.health is BackendHealth.UNHEALTHY
    assert broken.metadata["workload_status_context"] == "exited with code 137"
    labelled = backend_of(a_workload(labels={"workload_status_context": "a lie"}))
    assert "workload_status_context" not in labelled.metadata


def test_a_backend_that_sleeps_is_healthy():
    asleep = a_workload(asleep=True, status_context="asleep")
    assert backend_of(asleep).health is BackendHealth.HEALTHY


@pytest.mark.parametrize(
    ("status", "health"), [(WorkloadStatus.RUNNING, "unhealthy"), (WorkloadStatus.STARTING, "unknown")]
)
def test_a_backend_without_an_address_is_never_healthy(status, health):
    backend = backend_of(a_workload(url="", port=0, status=status))
    assert (backend.url, backend.health) == ("", health)
    assert ("port of its proxy" in backend.metadata.get("workload_status_context", "")) is (health == "unhealthy")


def test_backends_are_values_that_do_not_change_and_show_no_secret():
    given = {"a": "b"}
    backend = Backend(
        id="x",
        name="x",
        url="http://x",
        transport=ProxyMode.STREAMABLE_HTTP,
        health=BackendHealth.HEALTHY,
        auth={"type": "header_injection", "value": "hunter2"},
        metadata=given,
    )
    given["a"] = "c"
    assert backend.metadata == {"a": "b"}
    assert "hunter2" not in repr(backend)
    assert {backend} == {attrs.evolve(backend)}
    with pytest.raises(TypeError):
        backend.metadata["a"] = "c"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        backend.health = BackendHealth.UNKNOWN
