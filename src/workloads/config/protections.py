"""Which protections a run config asks for that this build cannot give. Such a run config is refused, not weakened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.config._messages import quote
from workloads.config._shape import shape_of
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config.run_config import RunConfig

__all__ = ("unenforceable", "unenforced_warnings")

_ENFORCED = frozenset(("origin", "bodylimit", "recovery"))
_ACCEPTED = frozenset(("mcp-parser", "telemetry", "usagemetrics"))
_UNSUPPORTED = (
    "remote_url",
    "remote_auth_config",
    "oidc_config",
    "token_exchange_config",
    "upstream_swap_config",
    "aws_sts_config",
    "embedded_auth_server_config",
    "authz_config",
    "authz_config_path",
    "audit_config_path",
    "rate_limit_config",
    "rate_limit_namespace",
    "tools_filter",
    "tools_override",
    "validating_webhooks",
    "mutating_webhooks",
    "header_forward",
)


def unenforceable(config: RunConfig) -> list[Problem]:
    """The keys that ask for a protection or a change of requests that this build cannot carry out.

    Args:
        config: The run config that is to be started.

    Returns:
        One problem for each key, with its path; none if it can be started.
    """
    fields = shape_of(type(config)).by_wire
    problems = [
        Problem(key, "this version cannot enforce it; remove it to run without")
        for key in _UNSUPPORTED
        # An object without keys asks too: the presence of some turns them on.
        if getattr(config, key) != fields[key].default
    ]
    if config.audit_config is not None and config.audit_config.enabled:
        problems.append(Problem("audit_config", "this version writes no audit log; disable it to run without"))
    problems += [
        Problem(path, f"this version has no middleware {quote(kind)}; remove it to run without")
        for path, kind in _middlewares(config)
        if kind not in _ENFORCED | _ACCEPTED
    ]
    return problems


def unenforced_warnings(config: RunConfig) -> list[str]:
    """What a run config asks for that is accepted and has no effect.

    Args:
        config: The run config that is to be started.

    Returns:
        The keys, or for middleware ``path (type)``; to be warned of once.
    """
    warnings = ["telemetry_config"] if config.telemetry_config is not None else []
    return warnings + [f"{path} ({kind})" for path, kind in _middlewares(config) if kind in _ACCEPTED]


def _middlewares(config: RunConfig) -> Iterator[tuple[str, str]]:
    for key in ("middleware_configs", "additional_middleware_configs"):
        for index, middleware in enumerate(getattr(config, key)):
            yield f"{key}[{index}].type", middleware.type
