"""Where the spans of a proxy runner go: to what the variables of OpenTelemetry name, until the runner has drained."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from workloads.config import RunConfig

__all__ = ("exporters", "spans_exported")

_log = logging.getLogger(__name__)

_GROUP = "opentelemetry_traces_exporter"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Those of OTLP under the names that the packages for its protocols register them by.
_OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_SERVICE = "service.name"


def exporters(environ: Mapping[str, str]) -> list[str]:
    """The exporters that the standard variables ask for, by the names that packages register them by. Pure.

    Without any of the variables there are none, though the standard would then send to this machine: a runner is not to
    complain about a collector of which nobody has spoken.

    Args:
        environ: The environment.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if not named and not any(environ.get(name) for name in _ENDPOINTS):
        return []
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    names = [name.strip() for name in (named or "otlp").split(",")]
    return [_OTLP.get(protocol, protocol) if name == "otlp" else name for name in names if name not in ("", "none")]


@contextlib.contextmanager
def spans_exported(config: RunConfig, environ: Mapping[str, str]) -> Generator[None]:
    """Meanwhile the spans of the middleware ``telemetry`` are exported; in the end, those that are left.

    Does nothing where the run config lists no such middleware, the environment asks for no exporter, somebody else has
    set up OpenTelemetry in this process, or it is not installed. It sets what belongs to the whole process, so it is
    for a command that serves, outside of its loop: to export what is left blocks.

    Args:
        config: What is run; its name is the service's unless the environment names that.
        environ: The environment.
    """
    provider = _provider(config, environ)
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


def _provider(config: RunConfig, environ: Mapping[str, str]) -> Any:
    middlewares = (*config.middleware_configs, *config.additional_middleware_configs)
    names = exporters(environ)
    if not names or not any(each.type == "telemetry" for each in middlewares):
        return None
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        return None
    found = {point.name: point for point in entry_points(group=_GROUP)}
    if missing := [name for name in names if name not in found]:
        _log.warning(
            "spans are not exported: install workloads[telemetry], or the package of the exporter",
            extra={"workload": config.name, "exporters": missing},
        )
        return None
    from opentelemetry import trace

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes.get(_SERVICE, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({_SERVICE: config.name}))
    # What ends it is the caller, not the interpreter at its exit.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(found[name].load()()))
    trace.set_tracer_provider(provider)
    return provider
