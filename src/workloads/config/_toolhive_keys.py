"""The keys of a run config that ToolHive knows too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._base import ConfigObject
from workloads.config._convert import (
    json_object,
    middlewares,
    string_map,
    strings,
    tool_overrides,
    transport,
    webhooks,
)
from workloads.config._rules import DURATION, GROUP, INT64, LABELS, NAME, PORT, PUBLISHED, SECRETS, VOLUMES
from workloads.config._shape import ALWAYS, HIDDEN, QUIET, keep_converters
from workloads.config._tree import identity
from workloads.model import TransportType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config.build import BuildConfig, IgnoreConfig
    from workloads.config.middleware import HeaderForward, MiddlewareConfig, ToolOverride, Webhook
    from workloads.config.observability import AuditConfig, TelemetryConfig
    from workloads.config.oidc import OIDCConfig
    from workloads.config.permissions import PermissionProfile
    from workloads.config.rate_limit import RateLimitConfig
    from workloads.config.remote_auth import RemoteAuthConfig
    from workloads.config.scaling import ScalingConfig

__all__ = ("ToolHiveKeys",)


@attrs.frozen(kw_only=True, eq=False, repr=False, field_transformer=keep_converters, slots=False)
class ToolHiveKeys(ConfigObject):
    """The fields that every reader of a run config knows. The defaults are what a missing key means.

    Attributes:
        schema_version: The version of the format. Default: ``v0.1.0``. Others are accepted and kept.
        mcpserver_generation: The generation of the Kubernetes resource this was made from. Default: 0, unknown.
        image: What is run: a container image, or ``uvx://package`` and ``npx://package``. Default: ``""``, for a
            ``command`` or a remote server.
        remote_url: The server that runs elsewhere and is only proxied. Default: ``""``, none.
        registry_api_url: The registry's API this was looked up in. Default: ``""``.
        registry_url: The registry file this was looked up in. Default: ``""``.
        registry_server_name: The entry's name there. Default: ``""``.
        remote_auth_config: How the proxy proves to the remote server who it is. Default: None.
        cmd_args: Arguments of the server, after the image's entry point or ``command``. Default: none.
        name: The name of the workload: 1 to 100 of ``A-Z a-z 0-9 . _ -``. Required.
        container_name: The name of the container or StatefulSet. Default: ``""``, made from the name.
        base_name: The name that files and labels are kept under. Default: ``""``, the name.
        transport: How the server itself talks. Default: ``stdio``.
        host: The address the proxy listens on. Default: ``127.0.0.1``.
        port: The port the proxy listens on. Default: 0, a free one.
        target_port: The port the server listens on, for HTTP transports. Default: 0, chosen when it runs.
        target_host: The host the server is reached at. Default: ``""``, which means ``127.0.0.1``.
        allowed_origins: The values of ``Origin`` that are let in, exactly. Default: none, loopback ones.
        publish: Further ports: ``hostPort:containerPort`` or ``containerPort``. Default: none.
        permission_profile_name_or_path: A built-in profile's name, or a file with one. ``permission_profile`` goes
            before it. Default: ``""``.
        permission_profile: What the server may read, write and reach. Default: None, which means ``network``.
        env_vars: Environment variables of the server. Default: none. Secrets do not belong here.
        env_file_dir: A folder whose files become environment variables. Default: ``""``, none.
        debug: Whether the proxy logs more. Default: False.
        volumes: Mounts: ``host:container`` or ``host:container:ro``. Default: none.
        container_labels: Labels, by the rules of Kubernetes. Default: none.
        oidc_config: How tokens of incoming requests are validated. Default: None, not at all.
        token_exchange_config: A JSON object that is only carried. Default: None.
        upstream_swap_config: A JSON object that is only carried. Default: None.
        aws_sts_config: A JSON object that is only carried. Default: None.
        embedded_auth_server_config: A JSON object that is only carried. Default: None.
        authz_config: Who may do what, a JSON object that is only carried. Default: None.
        authz_config_path: A file with the same. Default: ``""``.
        audit_config: An audit log. Default: None.
        audit_config_path: A file with the same. Default: ``""``.
        telemetry_config: OpenTelemetry and Prometheus. Default: None.
        rate_limit_config: How many calls a client may make. Default: None.
        rate_limit_namespace: What keys of the rate limiter begin with. Default: ``""``.
        secrets: Secrets for environment variables: ``<secret-name>,target=<ENV_NAME>``. In a container the target may
            be the path of a file instead, such as ``/run/secrets/key``. Default: none.
        k8s_pod_template_patch: A PodTemplateSpec as JSON text, merged into the pod's. Default: ``""``, none.
        isolate_network: Whether the server only reaches what its profile allows. Default: False.
        allow_docker_gateway: Whether an isolated server reaches this machine. Default: False.
        trust_proxy_headers: Whether ``X-Forwarded-*`` headers are believed. Default: False.
        strict_protocol_validation: Whether the stdio bridge insists on protocol headers. Default: False.
        stateless: Whether the server has no sessions. Default: False.
        session_ttl: How long a session may be idle, a Go duration. Default: ``""``, which means two hours, as ``0``.
        proxy_mode: What the proxy of a stdio server speaks: ``sse`` or ``streamable-http``. Default: ``""``. It is
            kept as given, see ``effective_proxy_mode``.
        thv_ca_bundle: A file of certificate authorities, unused. Default: ``""``.
        jwks_auth_token_file: A file with a token, unused. Default: ``""``.
        group: The group the workload belongs to. Default: ``""``, the group ``default``.
        tools_filter: The only tools to show, by their names for clients. Default: none, which means all.
        tools_override: Other names and descriptions of tools, by their own names. Default: none.
        ignore_config: Which files are kept out of mounts. Default: None.
        middleware_configs: What requests go through, in order. Default: none.
        additional_middleware_configs: More of it, from programs that embed the proxy. Default: none.
        validating_webhooks: Services that are asked whether a request may pass. Default: none.
        mutating_webhooks: Services that may change a request. Default: none.
        endpoint_prefix: A path before the address in SSE's ``endpoint`` event. Default: ``""``.
        runtime_config: How the image of a package is built. Default: None.
        header_forward: Headers to add to requests to a remote server. Default: None.
        scaling_config: Several replicas, as ToolHive writes it. Default: None.
    """

    schema_version: str = attrs.field(default="v0.1.0", metadata=ALWAYS)
    mcpserver_generation: int = attrs.field(default=0, metadata=INT64)
    image: str = attrs.field(default="", metadata=ALWAYS)
    remote_url: str = ""
    registry_api_url: str = ""
    registry_url: str = ""
    registry_server_name: str = ""
    remote_auth_config: RemoteAuthConfig | None = None
    cmd_args: tuple[str, ...] = attrs.field(default=(), converter=strings)
    name: str = attrs.field(metadata={**ALWAYS, **NAME})
    container_name: str = ""
    base_name: str = attrs.field(default="", metadata=NAME)
    transport: TransportType = attrs.field(default=TransportType.STDIO, converter=transport, metadata=ALWAYS)
    host: str = attrs.field(default="127.0.0.1", metadata=ALWAYS)
    port: int = attrs.field(default=0, metadata={**ALWAYS, **PORT})
    target_port: int = attrs.field(default=0, metadata=PORT)
    target_host: str = ""
    allowed_origins: tuple[str, ...] = attrs.field(default=(), converter=strings)
    publish: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=PUBLISHED)
    permission_profile_name_or_path: str = ""
    permission_profile: PermissionProfile | None = attrs.field(default=None, metadata=ALWAYS)
    env_vars: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map, metadata=HIDDEN)
    env_file_dir: str = ""
    debug: bool = False
    volumes: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=VOLUMES)
    container_labels: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map, metadata=LABELS)
    oidc_config: OIDCConfig | None = None
    token_exchange_config: Mapping[str, Any] | None = attrs.field(
        default=None, converter=json_object, eq=identity, metadata=HIDDEN
    )
    upstream_swap_config: Mapping[str, Any] | None = attrs.field(
        default=None, converter=json_object, eq=identity, metadata=HIDDEN
    )
    aws_sts_config: Mapping[str, Any] | None = attrs.field(
        default=None, converter=json_object, eq=identity, metadata=HIDDEN
    )
    embedded_auth_server_config: Mapping[str, Any] | None = attrs.field(
        default=None, converter=json_object, eq=identity, metadata=HIDDEN
    )
    authz_config: Mapping[str, Any] | None = attrs.field(
        default=None, converter=json_object, eq=identity, metadata=HIDDEN
    )
    authz_config_path: str = ""
    audit_config: AuditConfig | None = None
    audit_config_path: str = ""
    telemetry_config: TelemetryConfig | None = None
    rate_limit_config: RateLimitConfig | None = None
    rate_limit_namespace: str = ""
    secrets: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata={**SECRETS, **QUIET})
    k8s_pod_template_patch: str = attrs.field(default="", metadata=HIDDEN)
    isolate_network: bool = False
    allow_docker_gateway: bool = False
    trust_proxy_headers: bool = False
    strict_protocol_validation: bool = False
    stateless: bool = False
    session_ttl: str = attrs.field(default="", metadata=DURATION)
    proxy_mode: str = ""
    thv_ca_bundle: str = ""
    jwks_auth_token_file: str = ""
    group: str = attrs.field(default="", metadata=GROUP)
    tools_filter: tuple[str, ...] = attrs.field(default=(), converter=strings)
    tools_override: Mapping[str, ToolOverride] = attrs.field(default=EMPTY_DICT, converter=tool_overrides)
    ignore_config: IgnoreConfig | None = None
    middleware_configs: tuple[MiddlewareConfig, ...] = attrs.field(default=(), converter=middlewares)
    additional_middleware_configs: tuple[MiddlewareConfig, ...] = attrs.field(default=(), converter=middlewares)
    validating_webhooks: tuple[Webhook, ...] = attrs.field(default=(), converter=webhooks)
    mutating_webhooks: tuple[Webhook, ...] = attrs.field(default=(), converter=webhooks)
    endpoint_prefix: str = ""
    runtime_config: BuildConfig | None = None
    header_forward: HeaderForward | None = None
    scaling_config: ScalingConfig | None = None
