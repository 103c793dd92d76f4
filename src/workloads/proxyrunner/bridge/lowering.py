"""What a server of the new era says, in the words of the old one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, members
from workloads.proxyrunner.protocol import (
    CAPABILITIES_KEY,
    CLIENT_INFO_KEY,
    LOG_LEVEL_KEY,
    MODERN,
    SERVER_INFO_KEY,
    SUBSCRIPTION_KEY,
    VERSION_KEY,
)

if TYPE_CHECKING:
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("introduction", "lowered", "question", "questions", "retried", "stamped", "unmarked")

_KEPT = ("tools", "prompts", "resources", "completions", "experimental")
_DECLARED = ("sampling", "roots", "elicitation", "experimental")
_MODERN_MEMBERS = frozenset({"resultType", "ttlMs", "cacheScope"})
_RESERVED = frozenset(
    {VERSION_KEY, CLIENT_INFO_KEY, CAPABILITIES_KEY, LOG_LEVEL_KEY, SERVER_INFO_KEY, SUBSCRIPTION_KEY}
)
_MODERN_CODES = range(-32029, -32019)
_UNNAMED = {"name": "server", "version": "unknown"}


def introduction(discovered: dict[str, Any], version: str) -> dict[str, Any]:
    """The result of ``initialize`` for a server that described itself like this.

    Args:
        discovered: Its result of ``server/discover``.
        version: The version of the protocol to agree on.
    """
    capabilities = members(discovered.get("capabilities"))
    result: dict[str, Any] = {
        "protocolVersion": version,
        "capabilities": {key: capabilities[key] for key in _KEPT if key in capabilities} | {"logging": {}},
        "serverInfo": members(discovered.get("_meta")).get(SERVER_INFO_KEY, _UNNAMED),
    }
    if "instructions" in discovered:
        result["instructions"] = discovered["instructions"]
    return result


def stamped(
    params: dict[str, Any] | None,
    *,
    capabilities: dict[str, Any],
    client_info: dict[str, Any],
    log_level: str | None = None,
) -> dict[str, Any]:
    """The parameters of a request with what the new era wants to know of the client.

    Args:
        params: The parameters, as the client gave them.
        capabilities: What the client can do.
        client_info: What it calls itself.
        log_level: The least urgent log message that it wants; None is none at all.
    """
    given = members(params)
    meta = {key: value for key, value in members(given.get("_meta")).items() if key not in _RESERVED}
    meta[VERSION_KEY] = MODERN
    meta[CAPABILITIES_KEY] = {key: capabilities[key] for key in _DECLARED if key in capabilities}
    if client_info:
        meta[CLIENT_INFO_KEY] = client_info
    if log_level is not None:
        meta[LOG_LEVEL_KEY] = log_level
    return {**given, "_meta": meta}


def lowered(response: Message) -> Message:
    """A response for a client of the old era."""
    if "error" in response:
        error = members(response["error"])
        if error.get("code") not in _MODERN_CODES:
            return response
        # It speaks of what the bridge declared for the client.
        return {**response, "error": {"code": INVALID_REQUEST, "message": error.get("message", "")}}
    result = members(response.get("result"))
    kind = result.get("resultType", "complete")
    if kind != "complete":
        error = {"code": INTERNAL_ERROR, "message": f"The server gave a result of type {kind}, which this era has not"}
        return {"jsonrpc": "2.0", "id": response["id"], "error": error}
    kept = {key: value for key, value in result.items() if key not in _MODERN_MEMBERS}
    return {**response, "result": unmarked(kept)}


def unmarked(holder: dict[str, Any]) -> dict[str, Any]:
    """Parameters or a result without the metadata that only the new era knows."""
    if "_meta" not in holder:
        return holder
    meta = {key: value for key, value in members(holder["_meta"]).items() if key not in _RESERVED}
    rest = {key: value for key, value in holder.items() if key != "_meta"}
    return {**rest, "_meta": meta} if meta else rest


def questions(response: Message) -> dict[str, Any] | None:
    """What a response asks the client before it can be given in full; None when it asks nothing."""
    result = members(response.get("result"))
    return members(result.get("inputRequests")) if result.get("resultType") == "input_required" else None


def question(asked: object) -> Message:
    """One of those as a request of the old era."""
    params = dict(members(members(asked).get("params")))
    if params.get("mode") == "url":
        params.setdefault("elicitationId", str(uuid4()))
    return {"jsonrpc": "2.0", "method": str(members(asked).get("method")), "params": params}


def retried(params: dict[str, Any], response: Message, responses: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the request that follows a response which asked something.

    Args:
        params: The parameters of the request, as in the first round.
        response: The response.
        responses: What the client answered.
    """
    result = members(response.get("result"))
    state = {"requestState": result["requestState"]} if "requestState" in result else {}
    return {**params, **({"inputResponses": responses} if responses else {}), **state}
