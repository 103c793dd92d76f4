"""What a server of the old era says, in the words of the new one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, members
from workloads.proxyrunner.protocol import (
    CAPABILITIES_KEY,
    CLIENT_INFO_KEY,
    LEGACY,
    LOG_LEVEL_KEY,
    MODERN,
    SERVER_INFO_KEY,
    VERSION_KEY,
)

if TYPE_CHECKING:
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("CAN_ASK", "discovered", "honoured", "input_required", "raised", "stripped")

CAN_ASK = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The requests whose result may be that more input is required."""

_CACHEABLE = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"})
_HINTS = {"ttlMs": 0, "cacheScope": "private"}
_KEPT = ("tools", "prompts", "resources", "completions", "experimental")
_RESERVED = frozenset({VERSION_KEY, CLIENT_INFO_KEY, CAPABILITIES_KEY, LOG_LEVEL_KEY})
_LISTS = ("tools", "prompts", "resources")
# Codes that the new era has no use for, and what it says instead.
_CODES = {-32002: INVALID_PARAMS, -32042: INTERNAL_ERROR}


def discovered(introduction: dict[str, Any]) -> dict[str, Any]:
    """The result of ``server/discover`` for a server that introduced itself like this.

    Args:
        introduction: Its result of ``initialize``.
    """
    capabilities = members(introduction.get("capabilities"))
    result: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": [MODERN, *LEGACY],
        "capabilities": {key: capabilities[key] for key in _KEPT if key in capabilities},
        **_HINTS,
        "_meta": _meta(introduction),
    }
    if "instructions" in introduction:
        result["instructions"] = introduction["instructions"]
    return result


def stripped(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """The parameters of a request without what only the new era knows."""
    if params is None:
        return None
    kept = {key: value for key, value in params.items() if key not in ("inputResponses", "requestState")}
    meta = {key: value for key, value in members(kept.pop("_meta", None)).items() if key not in _RESERVED}
    return {**kept, "_meta": meta} if meta else kept


def raised(response: Message, method: str, introduction: dict[str, Any]) -> Message:
    """A response for a client of the new era.

    Args:
        response: The server's response.
        method: The method of the request.
        introduction: The server's result of ``initialize``.
    """
    if "error" in response:
        error = members(response["error"])
        code = error.get("code")
        return {**response, "error": {**error, "code": _CODES.get(code, code) if isinstance(code, int) else code}}
    result = members(response.get("result"))
    if result.get("resultType") == "input_required":  # made by the bridge
        return response
    hints = _HINTS if method in _CACHEABLE else {}
    meta = {**members(result.get("_meta")), **_meta(introduction)}
    return {**response, "result": {**result, "resultType": "complete", **hints, "_meta": meta}}


def input_required(message: Message, state: str, key: str, introduction: dict[str, Any]) -> dict[str, Any]:
    """The result that asks a client what the server asks.

    Args:
        message: The server's request.
        state: What stands for the request that waits.
        key: What the answer shall be called.
        introduction: The server's result of ``initialize``.
    """
    params = {name: value for name, value in members(message.get("params")).items() if name != "elicitationId"}
    return {
        "resultType": "input_required",
        "inputRequests": {key: {"method": message["method"], "params": params}},
        "requestState": state,
        "_meta": _meta(introduction),
    }


def honoured(wanted: dict[str, Any], introduction: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str], list[str]]:
    """What of a subscription a server can serve.

    Args:
        wanted: What the client wants to hear of.
        introduction: The server's result of ``initialize``.

    Returns:
        What it will hear of lists, in the words of the subscription; the notifications that are; and the resources that
        it wants to hear of, if any can be.
    """
    capabilities = members(introduction.get("capabilities"))
    lists = [
        name
        for name in _LISTS
        if wanted.get(f"{name}ListChanged") is True and members(capabilities.get(name)).get("listChanged") is True
    ]
    uris: list[Any] = wanted["resourceSubscriptions"] if isinstance(wanted.get("resourceSubscriptions"), list) else []
    if members(capabilities.get("resources")).get("subscribe") is not True:
        uris = []
    said = frozenset(f"notifications/{name}/list_changed" for name in lists)
    return {f"{name}ListChanged": True for name in lists}, said, [uri for uri in uris if isinstance(uri, str)]


def _meta(introduction: dict[str, Any]) -> dict[str, Any]:
    info = introduction.get("serverInfo")
    return {} if info is None else {SERVER_INFO_KEY: info}
