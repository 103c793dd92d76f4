"""What one era says in the words of the other."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.bridge import lowering, raising

INFO = {"name": "x", "version": "1"}
META = "io.modelcontextprotocol/"
INTRODUCTION = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {"listChanged": True}, "logging": {}, "tasks": {}, "resources": {"subscribe": True}},
    "serverInfo": INFO,
    "instructions": "Use it.",
}


def test_what_an_old_server_says_of_itself_is_discovered():
    result = raising.discovered(INTRODUCTION)
    assert result["supportedVersions"][0] == "2026-07-28"
    assert result["capabilities"].keys() == {"tools", "resources"}
    assert result["instructions"] == "Use it."
    assert result["_meta"] == {META + "serverInfo": INFO}
    assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")


def test_a_request_loses_what_only_the_new_era_knows_and_keeps_the_rest():
    meta = {
        META + "protocolVersion": "2026-07-28",
        META + "clientCapabilities": {},
        META + "clientInfo": {},
        META + "logLevel": "info",
        "progressToken": 1,
        "traceparent": "t",
        META + "related-task": {},
    }
    params = {"name": "x", "requestState": "s", "inputResponses": {}, "_meta": meta}
    kept = {"progressToken": 1, "traceparent": "t", META + "related-task": {}}
    assert raising.stripped(params) == {"name": "x", "_meta": kept}
    assert raising.stripped({"name": "x", "_meta": {META + "clientInfo": {}}}) == {"name": "x"}
    assert raising.stripped(None) is None


@pytest.mark.parametrize(("code", "raised"), [(-32002, -32602), (-32042, -32603), (-32601, -32601), (5, 5), ([], [])])
def test_codes_that_the_new_era_has_not_become_those_that_it_has(code, raised):
    response = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "m"}}
    assert raising.raised(response, "resources/read", INTRODUCTION)["error"] == {"code": raised, "message": "m"}


def test_a_subscription_is_honoured_as_far_as_an_old_server_tells():
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["a", 5]}
    lists, methods, uris = raising.honoured(wanted, INTRODUCTION)
    assert lists == {"toolsListChanged": True}
    assert methods == {"notifications/tools/list_changed"}
    assert uris == ["a"]
    assert raising.honoured({"resourceSubscriptions": "a"}, {"capabilities": {}})[2] == []


def test_a_question_of_an_old_server_is_a_result_without_what_the_new_era_has_not():
    message = {"method": "elicitation/create", "params": {"mode": "url", "url": "u", "elicitationId": "e"}}
    result = raising.input_required(message, "state", "key", INTRODUCTION)
    asked = {"method": "elicitation/create", "params": {"mode": "url", "url": "u"}}
    assert (result["inputRequests"], result["requestState"]) == ({"key": asked}, "state")


def test_what_a_new_server_says_of_itself_is_an_introduction():
    discovered = {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}, "extensions": {}},
        "instructions": "Use it.",
        "_meta": {META + "serverInfo": INFO},
    }
    assert lowering.introduction(discovered, "2025-03-26") == {
        "protocolVersion": "2025-03-26",
        "capabilities": {"tools": {}, "logging": {}},
        "serverInfo": INFO,
        "instructions": "Use it.",
    }


def test_MCP_T42_a_result_loses_what_only_the_new_era_knows():
    """MCP-T42: `resultType`, `ttlMs`, `cacheScope`, reserved `_meta` absent from what the client sees."""
    result = {
        "tools": [],
        "resultType": "complete",
        "ttlMs": 5,
        "cacheScope": "public",
        "_meta": {META + "serverInfo": INFO, "vendor": 1},
    }
    lowered = lowering.lowered({"jsonrpc": "2.0", "id": 1, "result": result})
    assert lowered["result"] == {"tools": [], "_meta": {"vendor": 1}}
    bare = lowering.lowered({"jsonrpc": "2.0", "id": 1, "result": {"_meta": {META + "serverInfo": INFO}}})
    assert bare["result"] == {}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ({"error": {"code": -32021, "message": "m", "data": {}}}, -32600),
        ({"error": {"code": -32602, "message": "m"}}, -32602),
        ({"result": {"resultType": "task"}}, -32603),
    ],
)
def test_what_the_old_era_cannot_understand_is_an_error_that_it_can(outcome, code):
    lowered = lowering.lowered({"jsonrpc": "2.0", "id": 1, **outcome})
    assert (lowered["id"], lowered["error"]["code"]) == (1, code)


def test_a_round_follows_with_the_answers_and_the_state_as_it_was():
    params = {"name": "x", "_meta": {}}
    asked = {"result": {"resultType": "input_required", "inputRequests": {"k": {}}, "requestState": "s"}}
    assert lowering.questions(asked) == {"k": {}}
    assert lowering.questions({"result": {"resultType": "complete"}}) is None
    assert lowering.retried(params, asked, {"k": 1}) == {**params, "inputResponses": {"k": 1}, "requestState": "s"}
    stateless = {"result": {"resultType": "input_required", "inputRequests": {"k": {}}}}
    assert lowering.retried(params, stateless, {"k": 1}) == {**params, "inputResponses": {"k": 1}}


def test_a_question_by_url_has_the_id_that_the_old_era_wants():
    asked = lowering.question({"method": "elicitation/create", "params": {"mode": "url", "url": "u"}})
    assert asked["params"]["elicitationId"]
    assert lowering.question({"method": "roots/list"}) == {"jsonrpc": "2.0", "method": "roots/list", "params": {}}
