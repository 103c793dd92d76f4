"""The names and numbers of the Model Context Protocol that the proxy itself uses, and messages it sends. Pure."""

from __future__ import annotations

from typing import Any

from workloads._core.version import VERSION
from workloads.proxyrunner.jsonrpc import members, read

__all__ = (
    "CAPABILITIES_KEY", "CAPABILITY_REQUIRED", "CLIENT_INFO_KEY", "HEADER_MISMATCH", "INITIALIZED", "LEGACY",
    "LOG_LEVEL_KEY", "MODERN", "REPEATABLE", "REQUEST_CANCELLED", "SERVER_INFO_KEY", "SESSION_NOT_FOUND",
    "SUBSCRIPTION_KEY", "UNSUPPORTED_VERSION", "VERSION_KEY", "agreed_version", "discover_params", "initialize_params",
    "is_enveloped",
)  # fmt: skip

MODERN = "2026-07-28"
"""The version without handshake and sessions."""

LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The versions that begin with ``initialize``, newest first."""

INITIALIZED: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}
"""What a client says when it has read the answer to ``initialize``."""

REPEATABLE = frozenset({
    "completion/complete", "ping", "prompts/get", "prompts/list", "resources/list", "resources/read",
    "resources/templates/list", "server/discover", "tools/list",
})  # fmt: skip
"""Methods that only ask: to be carried out twice does no harm."""

_META = "io.modelcontextprotocol/"
VERSION_KEY = _META + "protocolVersion"
_VERSION_KEY = VERSION_KEY.encode()
CAPABILITIES_KEY = _META + "clientCapabilities"
CLIENT_INFO_KEY = _META + "clientInfo"
LOG_LEVEL_KEY = _META + "logLevel"
SERVER_INFO_KEY = _META + "serverInfo"
SUBSCRIPTION_KEY = _META + "subscriptionId"

SESSION_NOT_FOUND = -32001
REQUEST_CANCELLED = -32800
HEADER_MISMATCH = -32020
CAPABILITY_REQUIRED = -32021
UNSUPPORTED_VERSION = -32022

_CLIENT_INFO = {"name": "workloads", "version": VERSION}


def agreed_version(asked: str, offered: Any) -> Any:
    """The version that a client and a server speak with each other which a proxy introduces to each other.

    Either knows the versions before its own, too, and a client goes that is offered a version it does not know. The
    proxy asked the server for the newest, so that what it offers may be newer than the client.

    Args:
        asked: The version of the old era that the client asked for.
        offered: What the server answered the proxy.
    """
    return asked if offered in LEGACY[: LEGACY.index(asked)] else offered


def is_enveloped(text: bytes) -> bool:
    """Whether a text is a message whose metadata names a version of the protocol, as those of the new era do."""
    if _VERSION_KEY not in text:
        return False
    try:
        return VERSION_KEY in members(members(members(read(text)).get("params")).get("_meta"))
    except ValueError:
        return False


def initialize_params(capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the proxy itself says in ``initialize``.

    Args:
        capabilities: What a server may ask of it. Default: nothing.
    """
    return {"protocolVersion": LEGACY[0], "capabilities": capabilities or {}, "clientInfo": _CLIENT_INFO}


def discover_params() -> dict[str, Any]:
    """What the proxy itself says in ``server/discover``."""
    return {"_meta": {VERSION_KEY: MODERN, CLIENT_INFO_KEY: _CLIENT_INFO, CAPABILITIES_KEY: {}}}
