"""What a run config means to the proxy runner."""

from __future__ import annotations

import pytest

from workloads import RunConfig, RunConfigError
from workloads.config import MiddlewareConfig, OIDCConfig, ScalingConfig, SessionRedis
from workloads.proxyrunner.options import RunnerOptions


def options(environ=None, **fields):
    return RunnerOptions.of(
        RunConfig(**{"name": "w", "command": ("x",), "transport": "stdio", **fields}), environ or {}
    )


def problems(environ=None, **fields):
    with pytest.raises(RunConfigError) as caught:
        options(environ, **fields)
    return [problem.path for problem in caught.value.problems]


def middleware(kind, **parameters):
    return (MiddlewareConfig(type=kind, parameters=parameters),)


def test_defaults():
    found = options()
    assert (found.host, found.port, found.loopback) == ("127.0.0.1", 0, True)
    assert (found.max_body, found.replicas, found.restart) == (8 * 2**20, 1, "always")
    assert (found.ready_timeout, found.drain_timeout, found.session_ttl) == (300.0, 30.0, 7200.0)


def test_what_the_run_config_says_counts():
    found = options(
        allowed_hosts=("a.example:8080", "b.example", "::1", "[::2]:9"),
        allowed_origins=("http://o",),
        ready_timeout="1m",
        drain_timeout="500ms",
        session_ttl="10m",
        backend_replicas=0,
        restart="no",
        middleware_configs=(*middleware("bodylimit", max_bytes=5), *middleware("origin", allowed_origins=["http://p"])),
    )
    assert found.hosts == ("a.example", "b.example", "[::1]", "[::2]")
    assert found.origins == ("http://o", "http://p")
    assert (found.ready_timeout, found.drain_timeout, found.session_ttl) == (60.0, 0.5, 600.0)
    assert (found.replicas, found.restart, found.max_body) == (0, "no", 5)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org"])
def test_listening_beyond_this_machine_needs_tokens_or_a_word_or_a_pod(host):
    assert problems(host=host) == ["host"]
    assert not options(host=host, insecure_bind=True).loopback
    assert not options({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, host=host).loopback
    assert not options(host=host, oidc_config=OIDCConfig(issuer="https://i.example", audience="a")).loopback


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"transport": "inspector"}, "transport"),
        ({"proxy_mode": "sse"}, "proxy_mode"),
        ({"backend_replicas": 33}, "backend_replicas"),
        ({"backend_replicas": -1}, "backend_replicas"),
        ({"session_ttl": "-1s"}, "session_ttl"),
        ({"stdio_mode": "per-session", "transport": "sse"}, "stdio_mode"),
        ({"idle_timeout": "0"}, "idle_timeout"),
        ({"idle_timeout": "-5m"}, "idle_timeout"),
        (
            {"idle_timeout": "5m", "scaling_config": ScalingConfig(session_redis=SessionRedis(address="127.0.0.1:1"))},
            "idle_timeout",
        ),
        ({"transport": "sse", "endpoint_prefix": "/x"}, "endpoint_prefix"),
        ({"middleware_configs": middleware("audit")}, "middleware_configs[0].type"),
        ({"middleware_configs": middleware("auth")}, "middleware_configs[0].parameters.oidc_config"),
        ({"middleware_configs": middleware("bodylimit", max_bytes="5")}, "middleware_configs[0].parameters.max_bytes"),
        ({"middleware_configs": middleware("bodylimit", max_bytes=0)}, "middleware_configs[0].parameters.max_bytes"),
        (
            {"middleware_configs": middleware("origin", allowed_origins="http://o")},
            "middleware_configs[0].parameters.allowed_origins",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_path(fields, path):
    assert problems(**fields) == [path]


def test_every_problem_is_listed_at_once():
    assert problems(host="0.0.0.0", backend_replicas=33, authz_config_path="/x") == [
        "authz_config_path", "backend_replicas", "host",
    ]  # fmt: skip


def test_a_workload_sleeps_when_told_so_and_not_where_nobody_could_wake_it():
    assert options().idle_timeout == 0
    assert options(idle_timeout="1m30s").idle_timeout == 90
    config = RunConfig(name="w", transport="streamable-http", idle_timeout="5m")
    with pytest.raises(RunConfigError, match="idle_timeout: this proxy runner only routes"):
        RunnerOptions.of(config, {}, routes=True)


def test_a_server_that_runs_elsewhere_does_not_sleep():
    remote = {"command": (), "remote_url": "https://a.example/mcp", "transport": "streamable-http"}
    assert problems(**remote, idle_timeout="5m") == ["idle_timeout"]
