"""The environment of a server: built from nothing, never inherited."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workloads.runtimes.process.command import NPX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config import RunConfig

__all__ = ("INHERITED", "INHERITED_PREFIXES", "inherited", "server_environment")

INHERITED = frozenset({"HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER"})
"""What a server has of its caller's environment."""

INHERITED_PREFIXES = ("LC_", "SSL_CERT_", "XDG_")
"""And what begins with one of these."""

_PROXY_SUFFIX = "_PROXY"
# What SSL_CERT_FILE is to others: without it npx cannot fetch a package where the network has a CA of its own.
_NODE_CERTIFICATES = "NODE_EXTRA_CA_CERTS"
# Variables of these systems may end like the one of a proxy, and hold a secret.
_RESERVED_PREFIXES = ("WORKLOADS_", "TOOLHIVE_", "THV_")


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a server may know of its caller's environment: where things are, how people write, and how to get out.

    Args:
        environ: The caller's environment. Without ``PATH`` the system's default is taken.
    """
    chosen = {name: value for name, value in environ.items() if _is_inherited(name)}
    if not chosen.get("PATH"):
        chosen["PATH"] = os.defpath
    return chosen


def server_environment(
    config: RunConfig,
    environ: Mapping[str, str],
    *,
    address: tuple[str, int] | None,
    secrets: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of a server.

    Later ones win: inherited, MCP variables, ``runtime_config.runtime_env``, ``env_vars``, secrets.

    Args:
        config: The run config.
        environ: The caller's environment.
        address: Host and port that an HTTP server shall listen on; None for a stdio server.
        secrets: Resolved secrets: environment variable and value.
    """
    mcp = {"MCP_TRANSPORT": config.transport.value}
    if address is not None:
        host, port = address
        mcp |= {"MCP_PORT": str(port), "FASTMCP_PORT": str(port), "MCP_HOST": host}
    variables = inherited(environ) | mcp
    if config.image.startswith(NPX) and (certificates := environ.get(_NODE_CERTIFICATES)):
        variables[_NODE_CERTIFICATES] = certificates
    if config.runtime_config is not None:
        variables.update(config.runtime_config.runtime_env)
    return {**variables, **config.env_vars, **secrets}


def _is_inherited(name: str) -> bool:
    if name in INHERITED or name.startswith(INHERITED_PREFIXES):
        return True
    return name.upper().endswith(_PROXY_SUFFIX) and not name.upper().startswith(_RESERVED_PREFIXES)
