"""The rules of the modern protocol for what a request carries: its headers must agree with its body. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.proxyrunner.encoded import decoded
from workloads.proxyrunner.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Kind,
    Message,
    members,
)
from workloads.proxyrunner.protocol import (
    CAPABILITIES_KEY,
    HEADER_MISMATCH,
    LEGACY,
    LOG_LEVEL_KEY,
    MODERN,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
)

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.bridge.request import BridgeRequest

__all__ = ("check_envelope", "forwardable", "log_level_of", "status_of")

# Which member of the parameters a request's Mcp-Name repeats.
_NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_BAD_REQUEST = frozenset({PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, *range(-32029, -32019)})


def check_envelope(request: BridgeRequest) -> None:
    """Check a POST.

    Raises:
        RefusedRequestError: Its headers are ambiguous, do not agree with its body, or name a version not served.
    """
    try:
        version = request.single(b"mcp-protocol-version")
        method = request.single(b"mcp-method")
        name = request.single(b"mcp-name")
    except ValueError as error:
        raise request.refuse(400, HEADER_MISMATCH, str(error)) from None
    if version is None:
        raise request.refuse(400, HEADER_MISMATCH, "Missing header mcp-protocol-version")
    if version != MODERN:
        data = {"supported": [MODERN, *LEGACY], "requested": version}
        raise request.refuse(400, UNSUPPORTED_VERSION, "Unsupported protocol version", data)
    if request.kind is Kind.RESPONSE:
        raise request.refuse(400, INVALID_REQUEST, "Responses cannot be posted")
    if request.kind is Kind.REQUEST:
        _check_request(request, method, name)


def _check_request(request: BridgeRequest, method: str | None, name: str | None) -> None:
    params = members(request.params)
    meta = members(params.get("_meta"))
    if not isinstance(meta.get(VERSION_KEY), str) or not isinstance(meta.get(CAPABILITIES_KEY), dict):
        message = f"params._meta must have {VERSION_KEY} and {CAPABILITIES_KEY}"
        raise request.refuse(400, INVALID_PARAMS, message)
    if meta[VERSION_KEY] != MODERN:
        raise request.refuse(400, HEADER_MISMATCH, "mcp-protocol-version header does not match the body")
    if method != request.method:
        raise request.refuse(400, HEADER_MISMATCH, "mcp-method header does not match the body")
    key = _NAMED_BY.get(request.method)
    if key is not None and (name is None or decoded(name) != params.get(key)):
        raise request.refuse(400, HEADER_MISMATCH, "mcp-name header does not match the body")


def forwardable(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """The parameters that go on to a server which is at other requests too.

    Its log messages do not tell whom they are for, so they are dropped, and it is not asked for any.
    """
    if params is None or log_level_of(params) is None:
        return params
    meta = members(params.get("_meta"))
    return {**params, "_meta": {key: value for key, value in meta.items() if key != LOG_LEVEL_KEY}}


def log_level_of(params: dict[str, Any] | None) -> str | None:
    """The least urgent log message that a request asks for; None when it asks for none."""
    level = members(members(params).get("_meta")).get(LOG_LEVEL_KEY)
    return level if isinstance(level, str) else None


def status_of(response: Message) -> int:
    """The HTTP status for a response."""
    code = members(response.get("error")).get("code")
    if code == METHOD_NOT_FOUND:
        return 404
    return 400 if isinstance(code, int) and code in _BAD_REQUEST else 200
