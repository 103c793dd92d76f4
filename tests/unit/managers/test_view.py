"""From files and processes to the workload that callers see."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from workloads._core.process import ProcessIdentity
from workloads.config import RunConfig
from workloads.managers.containers import Seen
from workloads.managers.view import Stored, observed_status, user_labels, view, was_meant_to_run
from workloads.model import Isolation, ProxyMode, WorkloadStatus
from workloads.proxyrunner.address import client_url
from workloads.runtimes.protocol import Sighting
from workloads.state import RuntimeRecord, StatusRecord

RUNNER = ProcessIdentity(10, 1, "boot", "ns", "host")
REPLICA = ProcessIdentity(11, 1, "boot", "ns", "host")
LAUNCHER = ProcessIdentity(12, 1, "boot", "ns", "host")
NOW = datetime(2026, 1, 5, tzinfo=UTC)


def stored(status: WorkloadStatus | None, *, damage: str = "", config: RunConfig | None = None, **record) -> Stored:
    return Stored(
        "a",
        config or RunConfig(name="a", command=["x"], port=4000),
        None if status is None else StatusRecord(status=status, status_context="c", created_at=NOW, updated_at=NOW),
        RuntimeRecord(name="a", runtime="process", **record) if record else None,
        damage,
    )


@pytest.mark.parametrize(
    ("given", "living", "status", "context"),
    [
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), {RUNNER}, WorkloadStatus.RUNNING, "c"),
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), set(), WorkloadStatus.UNHEALTHY, "its proxy runner is gone"),
        (stored(WorkloadStatus.RUNNING), set(), WorkloadStatus.UNHEALTHY, "its proxy runner is gone"),
        (
            stored(WorkloadStatus.RUNNING, runner=RUNNER, replicas=(REPLICA,)),
            {REPLICA},
            WorkloadStatus.UNHEALTHY,
            "1 of its processes live on",
        ),
        (stored(WorkloadStatus.STARTING, launcher=LAUNCHER), {LAUNCHER}, WorkloadStatus.STARTING, "c"),
        (stored(WorkloadStatus.STARTING, launcher=LAUNCHER), set(), WorkloadStatus.UNHEALTHY, "interrupted"),
        (stored(WorkloadStatus.STOPPING, runner=RUNNER), {RUNNER}, WorkloadStatus.STOPPING, "c"),
        (stored(WorkloadStatus.STOPPING, runner=RUNNER), set(), WorkloadStatus.STOPPED, "c"),
        (stored(WorkloadStatus.STOPPED), set(), WorkloadStatus.STOPPED, "c"),
        (stored(WorkloadStatus.ERROR), set(), WorkloadStatus.ERROR, "c"),
        (stored(None), set(), WorkloadStatus.STOPPED, "never started"),
        (stored(WorkloadStatus.RUNNING, damage="bad file"), set(), WorkloadStatus.ERROR, "bad file"),
    ],
)
def test_the_status_is_checked_against_what_lives(given, living, status, context):
    observed, why = observed_status(given, living.__contains__)
    assert observed is status
    assert context in why


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), True),
        (stored(WorkloadStatus.STARTING, launcher=LAUNCHER), True),
        (stored(WorkloadStatus.STOPPED, runner=RUNNER), False),
        (stored(WorkloadStatus.STOPPED, runner=RUNNER, config=RunConfig(name="a", backend_replicas=0)), True),
        (stored(WorkloadStatus.STOPPED, port=1, config=RunConfig(name="a", backend_replicas=0)), False),
        (stored(WorkloadStatus.STOPPING, runner=RUNNER, config=RunConfig(name="a", backend_replicas=0)), False),
        (stored(WorkloadStatus.ERROR, runner=RUNNER), False),
        (stored(None), False),
    ],
)
def test_what_was_meant_to_run_is_known_from_what_is_stored(given, expected):
    assert was_meant_to_run(given) is expected


def test_the_view_shows_what_callers_need():
    config = RunConfig(
        name="a",
        command=["python", "-m", "x"],
        cmd_args=["--y"],
        transport="streamable-http",
        port=4000,
        container_labels={"team": "research", "toolhive": "true", "workloads.port": "1"},
    )
    given = stored(
        WorkloadStatus.RUNNING,
        config=config,
        runner=RUNNER,
        replicas=(REPLICA,),
        ready_replicas=1,
        host="127.0.0.1",
        port=4001,
    )
    workload = view(given, {RUNNER}.__contains__)
    assert workload.url == "http://127.0.0.1:4001/mcp"
    assert workload.command == ("python", "-m", "x", "--y")
    assert workload.labels == {"team": "research"}
    assert workload.group == "default"
    assert (workload.replicas.ready, workload.replicas.desired) == (1, 1)
    assert workload.created_at == NOW


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (WorkloadStatus.STARTING, 2),
        (WorkloadStatus.RUNNING, 2),
        (WorkloadStatus.STOPPING, 0),
        (WorkloadStatus.ERROR, 0),
    ],
)
def test_replicas_that_are_ready_are_counted_while_they_serve(status, ready):
    config = RunConfig(name="a", command=["x"], backend_replicas=3)
    given = stored(status, config=config, runner=RUNNER, replicas=(REPLICA,), ready_replicas=2)
    workload = view(given, {RUNNER}.__contains__)
    assert (workload.replicas.ready, workload.replicas.desired) == (ready, 3)


@pytest.mark.parametrize(("living", "asleep"), [({RUNNER}, True), (set(), False)])
def test_a_workload_sleeps_only_while_somebody_is_there_to_wake_it(living, asleep):
    given = stored(WorkloadStatus.RUNNING, runner=RUNNER)
    assert not view(given, living.__contains__).asleep
    status = attrs.evolve(given.status, status_context="asleep")
    workload = view(attrs.evolve(given, status=status), living.__contains__)
    assert (workload.asleep, workload.status is WorkloadStatus.RUNNING) == (asleep, asleep)


def test_a_workload_whose_run_config_is_damaged_is_shown_not_lost():
    given = Stored("a", None, None, None, "is not a run config")
    workload = view(given, set().__contains__)
    assert workload.status is WorkloadStatus.ERROR
    assert workload.status_context == "is not a run config"
    assert workload.url == ""


@pytest.mark.parametrize(
    ("host", "mode", "url"),
    [
        ("127.0.0.1", ProxyMode.STREAMABLE_HTTP, "http://127.0.0.1:80/mcp"),
        ("127.0.0.1", ProxyMode.SSE, "http://127.0.0.1:80/sse#a"),
        ("0.0.0.0", ProxyMode.STREAMABLE_HTTP, "http://127.0.0.1:80/mcp"),
        ("::1", ProxyMode.STREAMABLE_HTTP, "http://[::1]:80/mcp"),
    ],
)
def test_a_url_is_one_that_a_client_can_connect_to(host, mode, url):
    assert client_url("a", host, 80, mode) == url
    assert client_url("a", host, 0, mode) == ""


@pytest.mark.parametrize(
    ("mode", "remote_url", "url"),
    [
        (ProxyMode.STREAMABLE_HTTP, "https://h.example/v1/mcp?key=1", "http://127.0.0.1:80/v1/mcp"),
        (ProxyMode.STREAMABLE_HTTP, "https://h.example/", "http://127.0.0.1:80"),
        (ProxyMode.STREAMABLE_HTTP, "https://h.example", "http://127.0.0.1:80"),
        (ProxyMode.SSE, "https://h.example/v1/events?key=1", "http://127.0.0.1:80/v1/events#a"),
        (ProxyMode.SSE, "https://h.example", "http://127.0.0.1:80/sse#a"),
        (ProxyMode.STREAMABLE_HTTP, "https://[nonsense/x", "http://127.0.0.1:80"),
    ],
)
def test_the_url_of_a_remote_workload_has_the_path_of_its_server(mode, remote_url, url):
    assert client_url("a", "127.0.0.1", 80, mode, remote_url=remote_url) == url
    config = RunConfig(name="a", remote_url=remote_url, transport=mode.value, port=80)
    workload = view(
        stored(WorkloadStatus.RUNNING, config=config, runner=RUNNER, ready_replicas=1), {RUNNER}.__contains__
    )
    assert (workload.url, workload.remote, workload.image) == (url, True, "")
    assert (workload.replicas.ready, workload.replicas.desired) == (1, 1)


def test_reserved_labels_are_not_the_users():
    """TH-13.22: labels of remote workloads are unfiltered."""
    assert user_labels({"toolhive-name": "a", "workloads.x": "b", "toolhive-mine": "c"}) == {"toolhive-mine": "c"}


def server(state: str, index: int = 0) -> Sighting:
    return Sighting(workload="a", index=index, container="0" * 64, state=state)


AWAY = Seen(away="docker does not answer: its socket is gone")
RUNNING = Seen((server("running"), server("paused", 1)))
PAUSED = Seen((server("paused"), server("exited", 1)))
ENDED = Seen((server("exited"),))


@pytest.mark.parametrize(
    ("given", "living", "seen", "status", "context"),
    [
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), {RUNNER}, RUNNING, WorkloadStatus.RUNNING, "c"),
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), {RUNNER}, ENDED, WorkloadStatus.RUNNING, "c"),
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), {RUNNER}, PAUSED, WorkloadStatus.STOPPED, "paused"),
        (stored(WorkloadStatus.RUNNING, runner=RUNNER), {RUNNER}, AWAY, WorkloadStatus.UNKNOWN, "its socket is gone"),
        (stored(WorkloadStatus.STOPPED, port=1), set(), AWAY, WorkloadStatus.UNKNOWN, "its socket is gone"),
        (stored(WorkloadStatus.ERROR, port=1), set(), AWAY, WorkloadStatus.ERROR, "c"),
        (
            stored(WorkloadStatus.RUNNING, runner=RUNNER),
            set(),
            RUNNING,
            WorkloadStatus.UNHEALTHY,
            "2 of its containers",
        ),
        (stored(WorkloadStatus.STOPPED, port=1), set(), RUNNING, WorkloadStatus.UNHEALTHY, "2 of its c"),
        (stored(WorkloadStatus.STOPPED, port=1), set(), ENDED, WorkloadStatus.STOPPED, "c"),
        (
            stored(WorkloadStatus.RUNNING, config=RunConfig(name="a", remote_url="http://x"), runner=RUNNER),
            {RUNNER},
            AWAY,
            WorkloadStatus.RUNNING,
            "c",
        ),
    ],
)
def test_the_status_is_checked_against_what_an_engine_tells(given, living, seen, status, context):
    observed, why = observed_status(given, living.__contains__, seen)
    assert observed is status
    assert context in why


def test_paused_containers_of_a_workload_that_sleeps_are_no_news():
    asleep = stored(WorkloadStatus.RUNNING, runner=RUNNER)
    asleep = attrs.evolve(asleep, status=attrs.evolve(asleep.status, status_context="asleep"))
    seen = view(asleep, {RUNNER}.__contains__, PAUSED)
    assert (seen.status, seen.asleep) == (WorkloadStatus.RUNNING, True)


@pytest.mark.parametrize(
    ("runtime", "config", "isolation"),
    [
        ("process", RunConfig(name="a"), Isolation.NONE),
        ("docker", RunConfig(name="a", image="x"), Isolation.CONTAINER),
        ("podman", RunConfig(name="a", image="x", isolate_network=True), Isolation.NETWORK),
        ("docker", RunConfig(name="a", remote_url="http://x"), Isolation.NONE),
    ],
)
def test_what_separates_a_server_from_this_machine_is_told(runtime, config, isolation):
    given = Stored("a", config, None, RuntimeRecord(name="a", runtime=runtime))
    assert view(given, set().__contains__).isolation is isolation
