"""What is recorded of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._base import ConfigObject
from workloads.config._convert import string_map, strings
from workloads.config._shape import ALWAYS, SECRET, keep_converters
from workloads.config._styles import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("AuditConfig", "TelemetryConfig")


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class AuditConfig(ConfigObject):
    """An audit log (``audit_config``). This build carries it, and refuses to run with an enabled one.

    Attributes:
        enabled: Whether it is written. Default: False.
        component: The name it is written under. Default: ``""``.
        event_types: The only kinds of event to write. Default: none, which means all.
        exclude_event_types: Kinds of event not to write. Default: none.
        include_request_data: Whether requests are written too. Default: False.
        include_response_data: Whether responses are written too. Default: False.
        detect_application_errors: Whether responses are looked at for errors. Default: None, which means they are.
        max_data_size: How much of requests and responses, in bytes. Default: 0, which means 1024.
        max_delegation_depth: How many delegations of a token. Default: None, which means 10.
        log_file: The file to write to. Default: ``""``, standard output.
    """

    __wire_style__: ClassVar[Style] = Style.CAMEL_CASE

    enabled: bool = False
    component: str = ""
    event_types: tuple[str, ...] = attrs.field(default=(), converter=strings)
    exclude_event_types: tuple[str, ...] = attrs.field(default=(), converter=strings)
    include_request_data: bool = False
    include_response_data: bool = False
    detect_application_errors: bool | None = None
    max_data_size: int = 0
    max_delegation_depth: int | None = None
    log_file: str = ""


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class TelemetryConfig(ConfigObject):
    """OpenTelemetry and Prometheus (``telemetry_config``). This build carries it, and does nothing with it.

    Attributes:
        endpoint: Where to send to. Default: ``""``.
        service_name: The service to report as. Default: ``""``, the workload's name.
        service_version: Its version. Default: ``""``.
        tracing_enabled: Whether to send traces. Default: False.
        metrics_enabled: Whether to send metrics. Default: False.
        sampling_rate: The share of traces to send, from ``"0"`` to ``"1"``. Default: ``""``.
        headers: Sent with everything, such as an API key. Default: none.
        insecure: Whether the endpoint is without TLS. Default: False.
        enable_prometheus_metrics_path: Whether to serve ``/metrics``. Default: False.
        prometheus_port: The port to serve it on. Default: 0.
        metrics_on_transport_port: Whether to serve it on the port of the proxy. Default: False.
        environment_variables: Names of variables to add to traces. Default: none.
        custom_attributes: Added to everything. Default: none.
        use_legacy_attributes: Whether to send attributes under their old names too. Default: False.
        ca_cert_path: A file of certificate authorities for the endpoint. Default: ``""``, the system's.
    """

    __wire_style__: ClassVar[Style] = Style.CAMEL_CASE

    endpoint: str = ""
    service_name: str = ""
    service_version: str = ""
    tracing_enabled: bool = attrs.field(default=False, metadata=ALWAYS)
    metrics_enabled: bool = attrs.field(default=False, metadata=ALWAYS)
    sampling_rate: str = ""
    headers: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map, metadata=SECRET)
    insecure: bool = False
    enable_prometheus_metrics_path: bool = False
    prometheus_port: int = 0
    metrics_on_transport_port: bool = False
    environment_variables: tuple[str, ...] = attrs.field(default=(), converter=strings)
    custom_attributes: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map)
    use_legacy_attributes: bool = False
    ca_cert_path: str = ""
