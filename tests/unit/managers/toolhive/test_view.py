"""From what ``thv`` stored and what runs to the workload that callers see."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from tests.support import thv

from workloads._core.process import ProcessIdentity
from workloads.config import RunConfig
from workloads.managers.toolhive.container import read_container
from workloads.managers.toolhive.proxy import Proxy, Standing
from workloads.managers.toolhive.view import Seen, observed_status, view
from workloads.managers.view import Stored
from workloads.model import Isolation, ProxyMode, WorkloadStatus
from workloads.state import StatusRecord

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ALIVE = Proxy(Standing.ALIVE, ProcessIdentity(10, 1, "boot", "ns", "host"))
GONE = Proxy(Standing.GONE)
UNKNOWN = Proxy(Standing.UNKNOWN)

RUNNING, STOPPED, UNHEALTHY = WorkloadStatus.RUNNING, WorkloadStatus.STOPPED, WorkloadStatus.UNHEALTHY


def container(state: str = "running", **labels: str):
    return read_container(
        "docker",
        {
            "Id": "1",
            "Names": ["/github"],
            "Labels": thv.labels("github", 9000) | labels,
            "State": state,
            "Status": "Up 2 minutes",
            "Image": "image:1",
            "Command": "serve",
            "Created": 1767604364,
        },
    )


def seen(status: WorkloadStatus | None = RUNNING, *, box=None, proxy: Proxy = ALIVE, away: str = "", **config) -> Seen:
    stored = Stored(
        "github",
        RunConfig(**{"name": "github", "image": "image:1", "transport": "streamable-http", "port": 9000, **config}),
        None if status is None else StatusRecord(status=status, status_context="c", created_at=NOW, updated_at=NOW),
        None,
    )
    return Seen(stored, box, proxy, ("docker",), away)


@pytest.mark.parametrize(
    ("given", "status", "context"),
    [
        (seen(box=container()), RUNNING, ""),
        (seen(box=container("exited")), UNHEALTHY, "its container is exited"),
        (seen(box=container("paused")), UNHEALTHY, "its container is paused"),
        (seen(box=container(), proxy=GONE), UNHEALTHY, "its proxy process is gone"),
        (seen(), UNHEALTHY, "its container is not there (docker asked)"),
        (seen(STOPPED, box=container("exited")), STOPPED, "c"),
        (seen(STOPPED), STOPPED, "c"),
        (seen(WorkloadStatus.ERROR, box=container()), WorkloadStatus.ERROR, "c"),
        (seen(WorkloadStatus.AUTH_RETRYING, box=container()), WorkloadStatus.AUTH_RETRYING, "c"),
        (seen(None, box=container()), RUNNING, ""),
        (seen(None, box=container("created")), WorkloadStatus.STARTING, ""),
        (seen(None, box=container("exited")), STOPPED, ""),
        (seen(None, box=container("removing")), WorkloadStatus.REMOVING, ""),
        (seen(None, box=container("strange")), WorkloadStatus.UNKNOWN, ""),
        (seen(None), STOPPED, "never started"),
    ],
)
def test_the_status_is_checked_against_what_runs(given, status, context):
    observed, why = observed_status(given)
    assert observed is status
    assert context in why


def test_what_was_written_down_on_a_bad_look_heals():
    """TH-13.13: reads write `unhealthy` permanently; nothing heals it."""
    assert observed_status(seen(UNHEALTHY, box=container())) == (RUNNING, "")


def test_the_workloads_of_an_engine_that_is_away_are_not_judged():
    """TH-13.13: another runtime's (Docker vs Podman) workloads are poisoned on list."""
    given = seen(away="podman cannot be asked: connection refused")
    assert observed_status(given) == (WorkloadStatus.UNKNOWN, "podman cannot be asked: connection refused")
    assert given.is_out_of_reach


def test_a_proxy_of_another_user_is_not_judged_dead():
    """TH-13.14: pid 0, or a live PID of another user (EPERM), is judged dead."""
    assert observed_status(seen(box=container(), proxy=UNKNOWN))[0] is RUNNING


@pytest.mark.parametrize(("proxy", "status"), [(ALIVE, RUNNING), (UNKNOWN, RUNNING), (GONE, UNHEALTHY)])
def test_a_remote_workload_is_as_well_as_its_proxy(proxy, status):
    """TH-13.24: a remote workload with a dead proxy stays `running`."""
    given = seen(proxy=proxy, image="", remote_url="https://mcp.example.com/mcp", away="docker is not there")
    assert observed_status(given)[0] is status


def test_damaged_files_are_told():
    damaged = Stored("github", None, None, None, "is not a status")
    shown = view(Seen(damaged, container(), ALIVE, ("docker",)))
    assert (shown.status, shown.status_context, shown.group) == (WorkloadStatus.ERROR, "is not a status", "")


def test_the_view_shows_what_callers_need():
    shown = view(seen(box=container(team="research"), group="engineering", cmd_args=["--flag"]))
    assert (shown.name, shown.runtime, shown.image, shown.command) == ("github", "docker", "image:1", ("--flag",))
    assert (shown.url, shown.port) == ("http://127.0.0.1:9000/mcp", 9000)
    assert (shown.group, shown.labels, shown.created_at) == ("engineering", {"team": "research"}, NOW)
    assert (shown.replicas.ready, shown.replicas.desired, shown.isolation) == (1, 1, Isolation.NETWORK)


def test_a_container_without_run_config_and_status_is_shown_as_what_it_is():
    bare = attrs.evolve(seen().stored, config=None, status=None)
    shown = view(Seen(bare, container(**{"toolhive-transport": "sse", "toolhive-network-isolation": "false"}), ALIVE))
    assert (shown.image, shown.command, shown.group) == ("image:1", ("serve",), "default")
    assert (shown.url, shown.proxy_mode) == ("http://127.0.0.1:9000/sse#github", ProxyMode.SSE)
    assert shown.created_at.isoformat() == "2026-01-05T09:12:44+00:00"
    assert shown.isolation is Isolation.CONTAINER
