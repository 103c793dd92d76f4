"""Run configs: the serialisable descriptions of workloads, and the small languages inside of them.

Names are loaded when they are first used: building a :class:`RunConfig` imports neither the codec nor its libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.config._additive_keys import AdditiveKeys
    from workloads.config._base import ConfigObject
    from workloads.config._toolhive_keys import ToolHiveKeys
    from workloads.config.build import BuildConfig, IgnoreConfig
    from workloads.config.duration import format_duration, parse_duration
    from workloads.config.grammars import (
        Mount,
        PublishedPort,
        SecretReference,
        check_label,
        check_labels,
        parse_cpus,
        parse_label,
        parse_memory,
        parse_mount,
        parse_publish,
        parse_secret,
        parse_user,
        parse_volume,
    )
    from workloads.config.middleware import (
        AuthParameters,
        HeaderForward,
        MiddlewareConfig,
        ToolFilterParameters,
        ToolOverride,
        Webhook,
        WebhookTLS,
    )
    from workloads.config.names import check_group_name, check_portable_name, check_workload_name, sanitize_name
    from workloads.config.observability import AuditConfig, TelemetryConfig
    from workloads.config.oidc import OIDCConfig
    from workloads.config.permissions import (
        InboundPermissions,
        NetworkPermissions,
        OutboundPermissions,
        PermissionProfile,
    )
    from workloads.config.protections import has_effect, unenforceable, unenforced_limits, unenforced_warnings
    from workloads.config.rate_limit import RateLimitBucket, RateLimitConfig, ToolRateLimit
    from workloads.config.remote_auth import RemoteAuthConfig
    from workloads.config.run_config import (
        DEFAULT_SCHEMA_VERSION,
        DEFAULT_SESSION_CACHE_SIZE,
        DEFAULT_SESSION_TTL,
        RunConfig,
    )
    from workloads.config.scaling import ScalingConfig, SessionRedis

__all__ = (
    "DEFAULT_SCHEMA_VERSION",
    "DEFAULT_SESSION_CACHE_SIZE",
    "DEFAULT_SESSION_TTL",
    "AdditiveKeys",
    "AuditConfig",
    "AuthParameters",
    "BuildConfig",
    "ConfigObject",
    "HeaderForward",
    "IgnoreConfig",
    "InboundPermissions",
    "MiddlewareConfig",
    "Mount",
    "NetworkPermissions",
    "OIDCConfig",
    "OutboundPermissions",
    "PermissionProfile",
    "PublishedPort",
    "RateLimitBucket",
    "RateLimitConfig",
    "RemoteAuthConfig",
    "RunConfig",
    "ScalingConfig",
    "SecretReference",
    "SessionRedis",
    "TelemetryConfig",
    "ToolFilterParameters",
    "ToolHiveKeys",
    "ToolOverride",
    "ToolRateLimit",
    "Webhook",
    "WebhookTLS",
    "check_group_name",
    "check_label",
    "check_labels",
    "check_portable_name",
    "check_workload_name",
    "format_duration",
    "has_effect",
    "parse_cpus",
    "parse_duration",
    "parse_label",
    "parse_memory",
    "parse_mount",
    "parse_publish",
    "parse_secret",
    "parse_user",
    "parse_volume",
    "sanitize_name",
    "unenforceable",
    "unenforced_limits",
    "unenforced_warnings",
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "_additive_keys": ("AdditiveKeys",),
        "_base": ("ConfigObject",),
        "_toolhive_keys": ("ToolHiveKeys",),
        "build": ("BuildConfig", "IgnoreConfig"),
        "duration": ("format_duration", "parse_duration"),
        "grammars": (
            "Mount",
            "PublishedPort",
            "SecretReference",
            "check_label",
            "check_labels",
            "parse_cpus",
            "parse_label",
            "parse_memory",
            "parse_mount",
            "parse_publish",
            "parse_secret",
            "parse_user",
            "parse_volume",
        ),
        "middleware": (
            "AuthParameters",
            "HeaderForward",
            "MiddlewareConfig",
            "ToolFilterParameters",
            "ToolOverride",
            "Webhook",
            "WebhookTLS",
        ),
        "names": ("check_group_name", "check_portable_name", "check_workload_name", "sanitize_name"),
        "observability": ("AuditConfig", "TelemetryConfig"),
        "oidc": ("OIDCConfig",),
        "permissions": ("InboundPermissions", "NetworkPermissions", "OutboundPermissions", "PermissionProfile"),
        "protections": ("has_effect", "unenforceable", "unenforced_limits", "unenforced_warnings"),
        "rate_limit": ("RateLimitBucket", "RateLimitConfig", "ToolRateLimit"),
        "remote_auth": ("RemoteAuthConfig",),
        "run_config": ("DEFAULT_SCHEMA_VERSION", "DEFAULT_SESSION_CACHE_SIZE", "DEFAULT_SESSION_TTL", "RunConfig"),
        "scaling": ("ScalingConfig", "SessionRedis"),
    },
)
