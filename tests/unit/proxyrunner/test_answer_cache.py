"""Which answers are kept, for whom, and how long."""

from __future__ import annotations

import pytest
from tests.support.idle import ManualClock

from workloads.proxyrunner.answer_cache import MAX_ANSWERS, AnswerCache

META = {"_meta": {"x": 1}}


@pytest.fixture
def clock():
    return ManualClock(0.0)


@pytest.fixture
def cache(clock):
    return AnswerCache(clock)


def result(text="x", *, ttl=1000, scope="public", kind="complete"):
    return {"resultType": kind, "ttlMs": ttl, "cacheScope": scope, "tools": [text]}


def test_MCP_T30_private_answers_are_never_shared_and_public_ones_are(cache):
    """MCP-T30: cache: two tokens, `private` never shared, `public` shared."""
    cache.keep("tools/list", META, "one", result("mine", scope="private"))
    assert cache.find("tools/list", META, "one")["tools"] == ["mine"]
    assert cache.find("tools/list", META, "two") is None
    assert cache.find("tools/list", META, "") is None
    cache.keep("prompts/list", META, "one", result("all"))
    assert cache.find("prompts/list", {"_meta": {"x": 2}}, "two")["tools"] == ["all"]
    # Of somebody of whom nothing is known, nobody can tell that he is the same again.
    cache.keep("resources/list", META, "", result("whose", scope="private"))
    assert cache.find("resources/list", META, "") is None


def test_MCP_T30_cursor_and_uri_are_part_of_what_was_asked(cache):
    """MCP-T30: `cursor` and `uri` in the key."""
    cache.keep("tools/list", {"cursor": ""}, "", result("page"))
    assert cache.find("tools/list", {}, "") is None
    assert cache.find("tools/list", {"cursor": "2"}, "") is None
    assert cache.find("tools/list", {"cursor": "", **META}, "")["tools"] == ["page"]
    cache.keep("resources/read", {"uri": "res://a"}, "", result("a"))
    assert cache.find("resources/read", {"uri": "res://b"}, "") is None


@pytest.mark.parametrize(
    ("method", "params", "kept"),
    [
        ("tools/list", {}, result(kind="input_required")),
        ("resources/read", {"requestState": "s"}, result()),
        ("resources/read", {"inputResponses": {}}, result()),
        ("tools/list", {}, result(ttl=0)),
        ("tools/list", {}, result(ttl=-5)),
        ("tools/list", {}, result(ttl=True)),
        ("tools/list", {}, result(ttl="9")),
        ("tools/list", {}, result(scope="everybody")),
        ("tools/list", {}, {"tools": []}),
        ("tools/list", {}, {"tools": [], "ttlMs": 1000, "cacheScope": "public"}),
        ("tools/call", {}, result()),
    ],
)
def test_MCP_T30_what_may_not_be_kept_is_not(cache, method, params, kept):
    """MCP-T30: `input_required` and seeded retries not stored; `ttlMs:0` and negative not stored."""
    cache.keep(method, params, "who", kept)
    assert cache.find(method, params, "who") is None


@pytest.mark.parametrize(
    ("event", "gone"),
    [
        ({"method": "notifications/tools/list_changed"}, {"tools/list"}),
        ({"method": "notifications/prompts/list_changed"}, {"prompts/list"}),
        ({"method": "notifications/resources/list_changed"}, {"resources/list", "resources/templates/list"}),
        ({"method": "notifications/resources/updated", "params": {"uri": "res://a"}}, {"resources/read"}),
        ({"method": "notifications/resources/updated", "params": {"uri": "res://a/part"}}, {"resources/read"}),
        ({"method": "notifications/resources/updated", "params": {"uri": "res://ab"}}, set()),
        ({"method": "notifications/progress"}, set()),
        ({}, set()),
    ],
)
def test_MCP_T30_an_event_ends_what_was_kept_of_that(cache, event, gone):
    """MCP-T30: listen event evicts."""
    methods = {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "server/discover"}
    asked = {method: {} for method in methods} | {"resources/read": {"uri": "res://a"}}
    for method, params in asked.items():
        cache.keep(method, params, "", result())
    cache.heard(event)
    assert {method for method, params in asked.items() if cache.find(method, params, "") is None} == gone


def test_an_answer_is_kept_as_long_as_its_server_says_but_a_day_at_most(cache, clock):
    cache.keep("tools/list", {}, "", result(ttl=2000))
    clock.now = 1.5
    assert cache.find("tools/list", {}, "")["ttlMs"] == 500
    clock.now = 2.0
    assert cache.find("tools/list", {}, "") is None
    cache.keep("tools/list", {}, "", result(ttl=10**12))
    clock.now += 24 * 3600 + 1
    assert cache.find("tools/list", {}, "") is None


def test_only_so_many_answers_are_kept(cache):
    for number in range(MAX_ANSWERS + 1):
        cache.keep("tools/list", {"cursor": str(number)}, "", result())
    assert cache.find("tools/list", {"cursor": "0"}, "") is None
    assert cache.find("tools/list", {"cursor": str(MAX_ANSWERS)}, "") is not None
    cache.clear()
    assert cache.find("tools/list", {"cursor": str(MAX_ANSWERS)}, "") is None
