"""Which protections a run config asks for that this build cannot give. Such a run config is refused, not weakened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.config._shape import shape_of
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config.run_config import RunConfig

__all__ = ("UNENFORCED_MIDDLEWARES", "UNSUPPORTED", "unenforceable", "unenforced_warnings")

UNENFORCED_MIDDLEWARES = frozenset(("mcp-parser", "telemetry", "usagemetrics"))
"""Types of middleware that are accepted and do nothing."""

_WITHOUT_EFFECT = ("telemetry_config", "thv_ca_bundle", "jwks_auth_token_file")
UNSUPPORTED = (
    "remote_url",
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
    "header_forward",
)
"""Keys that are refused whatever is under them."""


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
    warnings = [key for key in _WITHOUT_EFFECT if getattr(config, key)]
    return warnings + [f"{path} ({kind})" for path, kind in _middlewares(config) if kind in UNENFORCED_MIDDLEWARES]


def _middlewares(config: RunConfig) -> Iterator[tuple[str, str]]:
    for key in ("middleware_configs", "additional_middleware_configs"):
        for index, middleware in enumerate(getattr(config, key)):
            yield f"{key}[{index}].type", middleware.type
