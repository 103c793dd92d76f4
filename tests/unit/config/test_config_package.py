"""The package itself: what it exports, documents and loads."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from inspect import signature

import attrs
import pytest

import workloads.config
from workloads.config import AdditiveKeys, ConfigObject, RunConfig, ToolHiveKeys
from workloads.config._shape import shape_of
from workloads.errors import RunConfigError

CLASSES = [
    cls
    for name in workloads.config.__all__
    if isinstance(cls := getattr(workloads.config, name), type)
    and issubclass(cls, ConfigObject)
    and cls is not ConfigObject
]

# Every key of ToolHive's document, from the tables of its format.
TOOLHIVE_KEYS = [
    "schema_version",
    "image",
    "name",
    "transport",
    "host",
    "port",
    "permission_profile",
    "mcpserver_generation",
    "remote_url",
    "registry_api_url",
    "registry_url",
    "registry_server_name",
    "remote_auth_config",
    "cmd_args",
    "container_name",
    "base_name",
    "target_port",
    "target_host",
    "allowed_origins",
    "publish",
    "permission_profile_name_or_path",
    "env_vars",
    "env_file_dir",
    "debug",
    "volumes",
    "container_labels",
    "oidc_config",
    "token_exchange_config",
    "upstream_swap_config",
    "aws_sts_config",
    "embedded_auth_server_config",
    "authz_config",
    "authz_config_path",
    "audit_config",
    "audit_config_path",
    "telemetry_config",
    "rate_limit_config",
    "rate_limit_namespace",
    "secrets",
    "k8s_pod_template_patch",
    "isolate_network",
    "allow_docker_gateway",
    "trust_proxy_headers",
    "strict_protocol_validation",
    "stateless",
    "session_ttl",
    "proxy_mode",
    "thv_ca_bundle",
    "jwks_auth_token_file",
    "group",
    "tools_filter",
    "tools_override",
    "ignore_config",
    "middleware_configs",
    "additional_middleware_configs",
    "validating_webhooks",
    "mutating_webhooks",
    "endpoint_prefix",
    "runtime_config",
    "header_forward",
    "scaling_config",
]
ADDED_KEYS = [
    "backend_replicas",
    "session_cache_size",
    "command",
    "idle_timeout",
    "sleep_mode",
    "stdio_mode",
    "memory",
    "cpus",
    "pids",
    "user",
    "restart",
    "pull",
    "depends_on",
    "allowed_hosts",
    "insecure_bind",
    "ready_timeout",
    "drain_timeout",
]


def test_the_list_of_exports_is_a_sorted_tuple_of_what_there_is():
    exports = workloads.config.__all__
    assert isinstance(exports, tuple)
    assert list(exports) == sorted(exports, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert len(set(exports)) == len(exports)
    assert set(exports) <= set(dir(workloads.config))
    for name in exports:
        value = getattr(workloads.config, name)
        module = getattr(value, "__module__", None)
        assert module is None or getattr(import_module(module), name) is value


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Runconfig"):
        _ = workloads.config.Runconfig


def test_run_config_has_every_key_of_toolhive_and_our_own():
    assert set(shape_of(RunConfig).by_wire) == {*TOOLHIVE_KEYS, *ADDED_KEYS}
    assert set(attrs.fields_dict(RunConfig)) == {*TOOLHIVE_KEYS, *ADDED_KEYS, "__document__", "__unknown__"}


def test_keys_of_our_own_have_one_style_and_durations_one_form():
    """TH-13.27: three key styles in one file; durations are numbers of nanoseconds here and strings there."""
    assert [key for key in ADDED_KEYS if not re.fullmatch(r"[a-z]+(_[a-z]+)*", key)] == []
    durations = [key for key in ADDED_KEYS if key.endswith("_timeout")]
    assert len(durations) == 3
    for key in durations:
        assert RunConfig.from_dict({"name": "x", key: "90s"}).to_dict()[key] == "90s"
        with pytest.raises(RunConfigError, match=key):
            RunConfig.from_dict({"name": "x", key: 90_000_000_000})


@pytest.mark.parametrize(
    ("cls", "keys"),
    [
        ("OIDCConfig", """
            Issuer Audience JWKSURL ClientID ClientSecret CACertPath AuthTokenFile AllowPrivateIP
            InsecureAllowHTTP IntrospectionURL ResourceURL Scopes
        """),
        ("AuditConfig", """
            enabled component eventTypes excludeEventTypes includeRequestData includeResponseData
            detectApplicationErrors maxDataSize maxDelegationDepth logFile
        """),
        ("TelemetryConfig", """
            endpoint serviceName serviceVersion tracingEnabled metricsEnabled samplingRate headers insecure
            enablePrometheusMetricsPath prometheusPort metricsOnTransportPort environmentVariables
            customAttributes useLegacyAttributes caCertPath
        """),
        ("RateLimitBucket", "maxTokens refillPeriod"),
        ("RateLimitConfig", "shared perUser tools"),
        ("ToolRateLimit", "name shared perUser"),
        ("IgnoreConfig", "LoadGlobal PrintOverlays"),
        ("Webhook", "name url timeout failure_policy tls_config hmac_secret_ref"),
        ("WebhookTLS", "ca_bundle_path client_cert_path client_key_path insecure_skip_verify"),
        ("MiddlewareConfig", "type parameters"),
        ("BuildConfig", "builder_image additional_packages build_with runtime_env"),
        ("HeaderForward", "add_plaintext_headers add_headers_from_secret"),
        ("ScalingConfig", "backend_replicas session_redis"),
        ("SessionRedis", "address db key_prefix"),
        ("PermissionProfile", "name read write privileged network"),
        ("NetworkPermissions", "mode outbound inbound"),
        ("OutboundPermissions", "insecure_allow_all allow_host allow_port"),
        ("InboundPermissions", "allow_host"),
        ("ToolOverride", "name description"),
        ("RemoteAuthConfig", """
            client_id client_secret client_secret_file scopes skip_browser timeout callback_port use_pkce
            resource issuer authorize_url token_url headers env_vars oauth_params scope_param_name
            bearer_token bearer_token_file cached_refresh_token_ref cached_token_expiry cached_client_id
            cached_client_secret_ref cached_secret_expiry cached_reg_token_ref cached_cimd_client_id
            cached_reg_client_uri cached_token_auth_method cached_dcr_callback_port
        """),
    ],
)  # fmt: skip
def test_nested_objects_have_the_keys_of_toolhive(cls, keys):
    assert list(shape_of(getattr(workloads.config, cls)).by_wire) == keys.split()


def test_old_keys_of_remote_auth_are_those_of_go():
    style = workloads.config.RemoteAuthConfig.__legacy_style__
    assert style is not None
    old = {style.style.key(field.name) for field in shape_of(workloads.config.RemoteAuthConfig).fields}
    assert old >= {
        "ClientID", "ClientSecret", "ClientSecretFile", "Scopes", "SkipBrowser", "Timeout", "CallbackPort", "UsePKCE",
        "Issuer", "AuthorizeURL", "TokenURL", "Headers", "EnvVars", "OAuthParams", "BearerToken", "BearerTokenFile",
    }  # fmt: skip


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_field_is_documented_with_its_default(cls):
    lines = [line for base in cls.__mro__ for line in inspect.cleandoc(base.__doc__ or "").splitlines()]
    for field in shape_of(cls).fields:
        start = next((i for i, line in enumerate(lines) if line.startswith(f"    {field.name}: ")), None)
        assert start is not None, field.name
        end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith("        ")), len(lines))
        text = " ".join(lines[start:end])
        assert "Default: " in text or "Required." in text, text


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if cls not in (ToolHiveKeys, AdditiveKeys)], ids=lambda cls: cls.__name__
)
def test_the_default_of_every_field_is_valid_and_is_what_a_missing_key_means(cls):
    required = {field.name: "x" for field in shape_of(cls).fields if field.default is attrs.NOTHING}
    required |= {"name": "x"} if cls.__name__ == "ToolOverride" else {}
    defaults = {field.name: field.default for field in shape_of(cls).fields if field.default is not attrs.NOTHING}
    assert cls(**{**defaults, **required}) == cls(**required) == cls.from_dict(required)


def test_building_a_run_config_loads_neither_the_codec_nor_its_libraries():
    script = (
        "import sys; before = set(sys.modules); from workloads.config import RunConfig;"
        "RunConfig(name='x', cmd_args=['a'], secrets=['a,target=B'], session_ttl='1h', permission_profile=None);"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    slow = {"cattrs", "yaml", "json", "logging", "asyncio", "datetime", "socket", "workloads.config._codec"}
    assert slow.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_help_shows_the_arguments_of_a_constructor(cls):
    parameters = signature(cls).parameters
    assert set(parameters) == {*(field.name for field in shape_of(cls).fields), "__document__", "__unknown__"}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
