"""Which protections a run config asks for that this build cannot give. Such a run config is refused, not weakened."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from workloads.config._shape import shape_of
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config.middleware import MiddlewareConfig
    from workloads.config.run_config import RunConfig

__all__ = ("UNSUPPORTED", "has_effect", "unenforceable", "unenforced_limits", "unenforced_warnings")

_TELEMETRY = "telemetry"
_IDLE_MIDDLEWARES = frozenset(("mcp-parser", "usagemetrics"))

_NO_NETWORK = "none"
_PROFILES_OF_NOTHING = ("none", "stdio")

_WITHOUT_EFFECT = ("telemetry_config", "thv_ca_bundle", "jwks_auth_token_file")
_ANYWHERE = "limits nothing without isolate_network, the server may connect to anywhere; set isolate_network to true"
_BY_ANY_NAME = "limits nothing without isolate_network, any name leads to the server; set isolate_network to true"
UNSUPPORTED = (
    "remote_auth_config",
    "token_exchange_config",
    "upstream_swap_config",
    "aws_sts_config",
    "embedded_auth_server_config",
    "authz_config",
    "authz_config_path",
    "audit_config_path",
    "rate_limit_config",
    "rate_limit_namespace",
    "validating_webhooks",
    "mutating_webhooks",
)
"""Keys that are refused whatever is under them."""


def has_effect(middleware: str) -> bool:
    """Whether a type of middleware does anything. Some are accepted and do nothing.

    Args:
        middleware: The type. ``telemetry`` does something where ``opentelemetry-api`` is installed.
    """
    return _has_opentelemetry() if middleware == _TELEMETRY else middleware not in _IDLE_MIDDLEWARES


def unenforceable(config: RunConfig) -> list[Problem]:
    """The keys that ask for a protection or a change of requests that this build cannot carry out.

    Middlewares are not looked at: what there is, is known where they are installed.

    Args:
        config: The run config that is to be started.

    Returns:
        One problem for each key, with its path; none if it can be started.
    """
    fields = shape_of(type(config)).by_wire
    problems = [
        Problem(key, "this version cannot enforce it; remove it to run without")
        for key in UNSUPPORTED
        # An object without keys asks too: the presence of some turns them on.
        if getattr(config, key) != fields[key].default
    ]
    if config.audit_config is not None and config.audit_config.enabled:
        problems.append(Problem("audit_config", "this version writes no audit log; disable it to run without"))
    return problems


def unenforced_warnings(config: RunConfig) -> list[str]:
    """What a run config asks for that is accepted and has no effect.

    Args:
        config: The run config that is to be started.

    Returns:
        The keys, or for middleware ``path (type)``; to be warned of once.
    """
    found = [key for key in _WITHOUT_EFFECT if getattr(config, key)]
    for path, middleware in _middlewares(config):
        if not has_effect(middleware.type):
            found.append(f"{path}.type ({middleware.type})")
        elif middleware.type == _TELEMETRY and middleware.parameters:
            found.append(f"{path}.parameters ({_TELEMETRY})")
    return found


def unenforced_limits(config: RunConfig) -> list[Problem]:
    """What a run config says of its server's network that limits nothing, for the network is not an isolated one.

    Runtimes that isolate no network refuse most of it; container engines run it, as ToolHive does.

    Args:
        config: The run config that is to be started.

    Returns:
        One problem for each key, with what to do; to be warned of once.
    """
    profile = config.permission_profile
    network = None if profile is None else profile.network
    if config.remote_url or config.effective_isolate_network or (network is not None and network.mode == _NO_NETWORK):
        return []
    if config.isolate_network:
        mode = network.mode if network is not None else ""
        message = f"isolates nothing on the network {mode!r}; leave permission_profile.network.mode out"
        return [Problem("isolate_network", message)]
    found: list[Problem] = []
    if profile is None and config.permission_profile_name_or_path in _PROFILES_OF_NOTHING:
        found.append(Problem("permission_profile_name_or_path", _ANYWHERE))
    if network is not None and network.outbound is not None and not network.outbound.insecure_allow_all:
        found.append(Problem("permission_profile.network.outbound", _ANYWHERE))
    if network is not None and network.inbound is not None and network.inbound.allow_host:
        found.append(Problem("permission_profile.network.inbound.allow_host", _BY_ANY_NAME))
    return found


def _has_opentelemetry() -> bool:
    try:
        return find_spec("opentelemetry.trace") is not None
    except ModuleNotFoundError:
        return False


def _middlewares(config: RunConfig) -> Iterator[tuple[str, MiddlewareConfig]]:
    for key in ("middleware_configs", "additional_middleware_configs"):
        for index, middleware in enumerate(getattr(config, key)):
            yield f"{key}[{index}]", middleware
