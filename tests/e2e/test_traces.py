"""Spans of proxy runners that are processes of their own, at a real receiver of OTLP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from tests.support.collector import running_collector
from tests.support.plain_client import call, refused
from tests.support.quick import quick
from tests.support.waiting import wait_until

from workloads.config import MiddlewareConfig
from workloads.runtimes.process.ports import free_port

pytestmark = pytest.mark.needs("opentelemetry")

# So long that only the end of a runner brings what it has.
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
SPANS = ["initialize", "tools/call echo"]


def traced(**fields):
    return quick(middleware_configs=[MiddlewareConfig(type="telemetry")], **fields)


@pytest.fixture
def collector():
    with running_collector() as collector:
        yield collector


def test_a_detached_runner_has_sent_its_spans_when_it_is_stopped(manager, collector, monkeypatch):
    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **NEVER}.items():
        monkeypatch.setenv(name, value)
    url = manager.run_workload_detached(traced(), wait=20).url
    assert call(url, "echo", text="hello") == "hello"
    assert not [name for name in json.loads(call(url, "env")) if name.startswith("OTEL_")]
    assert collector.exports == []
    assert manager.stop_workloads(["quick"]).wait(20) == {"quick": None}
    assert collector.services == {"quick"}
    assert collector.spans[:2] == SPANS


def test_spans_are_sent_while_it_runs_and_named_as_the_environment_says(manager, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "notes")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    url = manager.run_workload_detached(traced(), wait=20).url
    assert call(url, "echo", text="hello") == "hello"
    wait_until(lambda: sorted(collector.spans) == SPANS)
    assert collector.services == {"notes"}


def test_a_collector_that_is_away_costs_no_call_and_does_not_fail_the_drain(tmp_path):
    port = free_port()
    file = tmp_path / "runconfig.json"
    file.write_text(traced(port=port).to_json())
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    command = [sys.executable, "-m", "workloads", "--runtime", "process", "proxyrunner", "--config", str(file)]
    url = f"http://127.0.0.1:{port}/mcp"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **NEVER, **away}) as runner:
        wait_until(lambda: not refused(url))
        assert call(url, "echo", text="hello") == "hello"
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(20) == 0
