"""What a modern request must carry."""

from __future__ import annotations

import json

import pytest

from workloads.proxyrunner.bridge.envelope import check_envelope, forwardable, log_level_of, status_of
from workloads.proxyrunner.bridge.request import BridgeRequest, RefusedRequestError
from workloads.proxyrunner.encoded import decoded
from workloads.proxyrunner.jsonrpc import kind_of
from workloads.proxyrunner.protocol import CAPABILITIES_KEY, LEGACY, LOG_LEVEL_KEY, MODERN, VERSION_KEY

META = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}


def check(headers, message):
    """The status, the code and the data of the refusal, if any."""
    message = {"jsonrpc": "2.0", "id": 5, **message}
    scope = {"headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}
    request = BridgeRequest(scope, None, None, None, message, kind_of(message))
    try:
        check_envelope(request)
    except RefusedRequestError as refused:
        body = json.loads(refused.reply.body)
        assert body["id"] == 5
        return refused.reply.status, body["error"]["code"], body["error"].get("data")
    return None


def call(name="echo", **changes):
    return {"method": "tools/call", "params": {"name": name, "_meta": META}, **changes}


def headers(**changes):
    found = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "echo"}
    found.update({name.replace("_", "-"): value for name, value in changes.items()})
    return [(name, value) for name, value in found.items() if value is not None]


def test_a_request_whose_headers_agree_with_its_body_passes():
    assert check(headers(), call()) is None


def test_methods_without_a_name_need_no_name_and_may_have_one():
    listing = {"method": "tools/list", "params": {"_meta": META}}
    assert check(headers(mcp_method="tools/list", mcp_name=None), listing) is None
    assert check(headers(mcp_method="tools/list", mcp_name="whatever"), listing) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp_protocol_version": None},
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_method": "Tools/call"},
        {"mcp_name": None},
        {"mcp_name": "other"},
        {"mcp_name": "=?base64?ZWNobw?="},
        {"mcp_name": "=?base64?!!!?="},
        {"mcp_name": "=?base64?ZWNobw=="},
    ],
)
def test_a_header_that_is_missing_or_differs_is_a_mismatch(wrong):
    assert check(headers(**wrong), call())[:2] == (400, -32020)


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
def test_MCP_T3_a_repeated_header_is_a_mismatch(name):
    """MCP-T3: repeated, or comma-joined, `MCP-Protocol-Version`, `Mcp-Name`, `Mcp-Session-Id`: 400, backend."""
    again = (name, dict(headers())[name])
    assert check([*headers(), again], call())[:2] == (400, -32020)


def test_the_version_in_the_body_must_agree_too():
    other = {**META, VERSION_KEY: "2025-11-25"}
    assert check(headers(), call(params={"name": "echo", "_meta": other}))[:2] == (400, -32020)


@pytest.mark.parametrize("missing", [VERSION_KEY, CAPABILITIES_KEY])
def test_an_envelope_must_be_complete(missing):
    meta = {key: value for key, value in META.items() if key != missing}
    assert check(headers(), call(params={"name": "echo", "_meta": meta}))[:2] == (400, -32602)
    assert check(headers(), call(params={"name": "echo"}))[:2] == (400, -32602)


@pytest.mark.parametrize("version", ["banana", "2025-11-25", "2027-01-01", f"{MODERN}, {MODERN}"])
def test_MCP_T6_a_version_that_is_not_served_is_named_with_those_that_are(version):
    """MCP-T6: `banana` version: modern path, 400, not a legacy session."""
    found = check(headers(mcp_protocol_version=version), call())
    assert found == (400, -32022, {"supported": [MODERN, *LEGACY], "requested": version})


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("plain", "plain"),
        ("=?base64?w6TDtg==?=", "äö"),
        ("=?base64?IHBhZGRlZCA=?=", " padded "),
        ("=?base64?PT9iYXNlNjQ/eD89?=", "=?base64?x?="),
        ("=?BASE64?w6Q=?=", "=?BASE64?w6Q=?="),
        ("=?base64?w6Q?=", None),
        ("=?base64?/w==?=", None),
        ("=?base64?", None),
    ],
)
def test_MCP_T11_encoded_names_are_read_and_malformed_ones_are_none(value, meaning):
    """MCP-T11: `=?base64?..?=` names with non-ASCII, padded, sentinel-looking values; malformed sentinel = 400."""
    assert decoded(value) == meaning


def test_an_encoded_name_agrees_with_a_body_that_is_not_ascii():
    assert check(headers(mcp_name="=?base64?w6TDtg==?="), call("äö")) is None


def test_MCP_T44_a_shared_server_is_not_asked_for_logs():
    """MCP-T44: logs on a shared pipe are not delivered to the wrong client (dropped)."""
    params = {"name": "x", "_meta": {**META, LOG_LEVEL_KEY: "debug"}}
    assert forwardable(params) == {"name": "x", "_meta": META}
    assert LOG_LEVEL_KEY in params["_meta"]
    assert forwardable(None) is None
    assert (log_level_of(params), log_level_of({"_meta": META}), log_level_of(None)) == ("debug", None, None)


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ({"result": {}}, 200),
        ({"error": {"code": -32601}}, 404),
        ({"error": {"code": -32602}}, 400),
        ({"error": {"code": -32020}}, 400),
        ({"error": {"code": -32021}}, 400),
        ({"error": {"code": -32603}}, 200),
        ({"error": {"code": 5}}, 200),
        ({"error": None}, 200),
        ({"error": {"code": []}}, 200),
    ],
)
def test_errors_of_the_protocol_have_their_status(response, status):
    assert status_of(response) == status
