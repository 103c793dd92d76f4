"""Which exporters of spans the environment asks for, and when there are none."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging

import pytest

from workloads import RunConfig
from workloads.cli.tracing import exporters, spans_exported
from workloads.config import MiddlewareConfig

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "notes"}, []),
        (ENDPOINT, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ["otlp_proto_http"],
        ),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, []),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, []),
    ],
)
def test_exporters_are_those_that_the_standard_variables_ask_for(environ, names):
    assert exporters(environ) == names


def config(*types):
    return RunConfig(name="notes", middleware_configs=[MiddlewareConfig(type=each) for each in types])


@pytest.mark.parametrize("missing", ["middleware", "variables", "opentelemetry"])
def test_nothing_is_loaded_unless_spans_are_made_and_wanted_and_can_be(monkeypatch, missing):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: pytest.fail("it was looked for exporters"))
    if missing == "opentelemetry":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with spans_exported(
        config() if missing == "middleware" else config("telemetry"), {} if missing == "variables" else ENDPOINT
    ):
        pass


@pytest.mark.needs("opentelemetry")
def test_an_exporter_that_is_not_installed_is_told_and_nothing_is_exported(caplog):
    with caplog.at_level(logging.WARNING), spans_exported(config("telemetry"), {"OTEL_TRACES_EXPORTER": "unheard-of"}):
        pass
    (record,) = caplog.records
    assert vars(record)["exporters"] == ["unheard-of"]
