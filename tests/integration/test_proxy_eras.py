"""Clients of one era of the protocol with stdio servers of the other."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest
from tests.support.bridges import JSON_ONLY, bridged, words
from tests.support.raw_http import raw_client, request

ELICITS = {"elicitation": {"form": {}}}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
SERVER_INFO = "io.modelcontextprotocol/serverInfo"


@pytest.fixture
def trail(tmp_path):
    return tmp_path / "trail"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)


@pytest.mark.parametrize("first", ["modern", "legacy"])
def test_MCP_T38_a_server_of_both_eras_serves_each_client_in_its_own(trail, first):
    """MCP-T38: modern client first, then legacy client on one dual-era child: both served."""

    async def body(subject):
        async def modern():
            discovered = await subject.modern("server/discover")
            assert discovered.json["result"]["supportedVersions"] == ["2026-07-28"]
            return words(await subject.call("pid"))

        async def legacy():
            async with subject.session() as session:
                return words(await session.call("pid"))

        for client in (modern, legacy) if first == "modern" else (legacy, modern):
            await client()
        assert await modern() == await modern()
        assert len({await modern(), await legacy(), await legacy()}) == 2
        assert len(subject.told.pids) == 2
        assert subject.told.ready[-1] == (2, 1)

    bridged(body, trail, "both")


def test_a_second_process_ends_when_nobody_has_used_it_for_a_while_and_comes_back(trail):
    async def body(subject):
        async with subject.session() as session:
            assert words(await session.call("echo", text="x")) == "x"
        await subject.told.until(lambda told: told.ready[-1] == (1, 1))
        async with subject.session() as session:
            assert words(await session.call("echo", text="y")) == "y"
        assert len(subject.told.pids) == 3

    bridged(body, trail, "both", session_ttl="500ms")


def test_sessions_of_a_second_process_end_with_it_and_new_ones_begin_in_another(trail):
    async def body(subject):
        async with subject.session() as session, session.stream() as stream:
            crashed = await session.call("crash", 8)
            assert (crashed.status, crashed.json["id"]) == (502, 8)
            assert [message async for message in stream] == []
            assert (await session.call("echo")).status == 404
            async with subject.session() as other:
                assert words(await other.call("echo", text="x")) == "x"
            assert words(await subject.call("echo", text="main")) == "main"
            assert len(subject.told.pids) == 3

    bridged(body, trail, "both")


# Clients of the new era, a server of the old one.


def test_a_modern_client_of_a_legacy_server_is_served_in_its_own_words(trail):
    async def body(subject):
        discovered = await subject.modern("server/discover", "d")
        assert discovered.json == {
            "jsonrpc": "2.0",
            "id": "d",
            "result": {
                "resultType": "complete",
                "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"],
                "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {SERVER_INFO: {"name": "lines", "version": "1"}},
            },
        }
        listed = (await subject.modern("tools/list")).json["result"]
        assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == ("complete", 0, "private")
        called = (await subject.call("echo", text="hi")).json["result"]
        assert called["content"] == [{"type": "text", "text": "hi"}]
        assert called["resultType"] == "complete"
        assert "ttlMs" not in called
        unknown = await subject.modern("fail", 4)
        assert (unknown.status, unknown.json["error"]["code"]) == (404, -32601)
        for gone in ("ping", "initialize", "logging/setLevel", "resources/subscribe"):
            assert (await subject.modern(gone, 5)).status == 404
        (sent,) = await subject.heard("tools/call")
        assert sent["params"] == {"name": "echo", "arguments": {"text": "hi"}}
        heard = [message["method"] for message in await subject.heard(count=6)]
        assert heard[1:3] == ["initialize", "notifications/initialized"]
        assert len(subject.told.pids) == 1

    bridged(body, trail)


def test_a_modern_client_that_leaves_cancels_its_call_at_a_legacy_server(trail):
    async def body(subject):
        waiting = asyncio.create_task(subject.call("wait", text="x"))
        (sent,) = await subject.heard("tools/call", 1)
        waiting.cancel()
        (cancelled,) = await subject.heard("notifications/cancelled", 1)
        assert cancelled["params"]["requestId"] == sent["id"]

    bridged(body, trail)


def test_a_modern_subscription_to_a_legacy_server_hears_what_it_asked_for(trail):
    async def body(subject):
        wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["res://a"]}
        async with subject.listening("one", **wanted) as one, subject.listening("two", toolsListChanged=True) as two:
            for stream, name in ((one, "one"), (two, "two")):
                ack = await anext(stream)
                assert ack["method"] == "notifications/subscriptions/acknowledged"
                assert ack["params"]["_meta"] == {SUBSCRIPTION: name}
                # The server says nothing of prompts.
                honoured = {"toolsListChanged": True}
                honoured |= {"resourceSubscriptions": ["res://a"]} if name == "one" else {}
                assert ack["params"]["notifications"] == honoured
            await subject.call("touch", uri="res://a")
            await subject.call("touch", uri="res://b")
            await subject.call("change")
            assert (await anext(one))["params"] == {"uri": "res://a", "_meta": {SUBSCRIPTION: "one"}}
            for stream, name in ((one, "one"), (two, "two")):
                said = await anext(stream)
                assert said["method"] == "notifications/tools/list_changed"
                assert said["params"] == {"_meta": {SUBSCRIPTION: name}}
        assert len(await subject.heard("resources/unsubscribe", 1)) == 1
        bad = await subject.modern("subscriptions/listen", 9)
        assert (bad.status, bad.json["error"]["code"]) == (400, -32602)

    bridged(body, trail)


def test_a_subscription_of_each_era_to_one_resource_is_one_at_the_server(trail):
    async def body(subject):
        async with subject.session() as session, session.stream() as stream:
            await session.post(request("resources/subscribe", uri="res://a"))
            async with subject.listening(resourceSubscriptions=["res://a"]) as heard:
                await anext(heard)
                await session.post(request("resources/unsubscribe", uri="res://a"))
                await subject.call("touch", uri="res://a")
                assert (await anext(heard))["params"]["uri"] == "res://a"
                await session.call("change")
                assert (await anext(stream))["method"] == "notifications/tools/list_changed"
                assert await subject.heard("resources/unsubscribe") == []
            assert len(await subject.heard("resources/unsubscribe", 1)) == 1
        assert len(await subject.heard("resources/subscribe")) == 1

    bridged(body, trail)


def state_of(answer):
    assert answer.status == 200, answer
    result = answer.json["result"]
    assert result["resultType"] == "input_required"
    ((key, asked),) = result["inputRequests"].items()
    return result["requestState"], key, asked


def given(state, key, name="Bob"):
    return {"requestState": state, "inputResponses": {key: {"action": "accept", "content": {"name": name}}}}


def test_MCP_T39_a_question_of_a_legacy_server_is_a_result_and_its_answer_a_retry(trail):
    """MCP-T39: modern client, legacy child, tool elicits, one call in flight: `input_required` -> retry -> result."""

    async def body(subject):
        state, key, asked = state_of(await subject.call("question", 1, capabilities=ELICITS, times=2))
        assert asked["method"] == "elicitation/create"
        assert asked["params"]["message"] == "your name?"
        # Not for another call, not for a guess, and not without the answer.
        for more, arguments in (
            (given(state, key), {"times": 3}),
            (given("guess", key), {"times": 2}),
            (given(state, "other"), {"times": 2}),
            ({"requestState": state}, {"times": 2}),
        ):
            wrong = await subject.call("question", 2, capabilities=ELICITS, more=more, **arguments)
            assert (wrong.status, wrong.json["id"], wrong.json["error"]["code"]) == (400, 2, -32602)
        again = await subject.call("question", 3, capabilities=ELICITS, more=given(state, key), times=2)
        assert again.json["id"] == 3
        next_state, key, _ = state_of(again)
        last = await subject.call("question", 4, capabilities=ELICITS, more=given(next_state, key, "Eve"), times=2)
        assert last.json["id"] == 4
        assert json.loads(words(last)) == {"action": "accept", "content": {"name": "Eve"}}
        # A token is good once.
        replayed = await subject.call("question", 5, capabilities=ELICITS, more=given(next_state, key), times=2)
        assert (replayed.status, replayed.json["error"]["data"]) == (400, {"reason": "invalid_request_state"})
        assert len(await subject.heard("tools/call")) == 1
        assert await subject.heard("notifications/cancelled") == []

    bridged(body, trail)


def test_MCP_T39_after_a_restart_the_state_of_a_parked_call_is_invalid_at_once(trail):
    """MCP-T39: wrong or replayed token `-32602`; bridge restart in between = clean `-32602`, not a hang."""

    async def body(subject):
        state, key, _ = state_of(await subject.call("question", capabilities=ELICITS))
        os.kill(subject.told.pids[0], signal.SIGKILL)
        await subject.told.running(2)
        retry = await subject.call("question", 2, capabilities=ELICITS, more=given(state, key))
        assert (retry.status, retry.json["error"]["code"]) == (400, -32602)

    bridged(body, trail)


def test_MCP_T39_a_parked_call_expires_and_the_server_gets_a_decline(trail, monkeypatch):
    """MCP-T39: parked call expires and the child gets a decline."""
    monkeypatch.setattr("workloads.proxyrunner.bridge.parked.PARKED_FOR", 0.05)

    async def body(subject):
        state, key, _ = state_of(await subject.call("question", capabilities=ELICITS))
        (declined,) = [message for message in await subject.heard(None, 5) if "result" in message]
        assert declined["result"] == {"action": "decline"}
        assert len(await subject.heard("notifications/cancelled", 1)) == 1
        late = await subject.call("question", 2, capabilities=ELICITS, more=given(state, key))
        assert late.status == 400

    bridged(body, trail)


def test_MCP_T40_with_two_calls_in_flight_nobody_is_asked(trail):
    """MCP-T40: same with two calls in flight: child's request refused, no client sees another's question."""

    async def body(subject):
        waiting = asyncio.create_task(subject.call("wait", 1, capabilities=ELICITS, text="other"))
        await subject.heard("tools/call", 1)
        answer = await subject.call("question", 2, capabilities=ELICITS)
        assert json.loads(words(answer))["error"]["code"] == -32601
        await subject.call("release", 3)
        assert words(await waiting) == "other"

    bridged(body, trail)


def test_MCP_T40_a_call_that_was_cancelled_may_still_be_asking(trail):
    """MCP-T40: same with two calls in flight: child's request refused, no client sees another's question."""

    async def body(subject):
        gone = asyncio.create_task(subject.call("wait", 1, capabilities=ELICITS, text="other"))
        await subject.heard("tools/call", 1)
        gone.cancel()
        await subject.heard("notifications/cancelled", 1)
        answer = await subject.call("question", 2, capabilities=ELICITS)
        assert json.loads(words(answer))["error"]["code"] == -32601

    bridged(body, trail)


@pytest.mark.parametrize("capabilities", [{}, {"sampling": {}}, {"elicitation": {"url": {}}}])
def test_MCP_T41_a_client_that_cannot_be_asked_is_told_what_it_lacks(trail, capabilities):
    """MCP-T41: client without elicitation capability: never sent `inputRequests`; gets `-32021` at 400."""

    async def body(subject):
        answer = await subject.call("question", 7, capabilities=capabilities)
        assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, 7, -32021)
        assert answer.json["error"]["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}
        assert len(await subject.heard("notifications/cancelled", 1)) == 1

    bridged(body, trail)


def test_a_server_that_asks_for_roots_meanwhile_does_not_cost_a_client_without_roots_its_call(trail):
    async def body(subject):
        answer = await subject.call("question", 7, capabilities={}, method="roots/list")
        assert answer.status == 200
        assert json.loads(words(answer))["error"]["code"] == -32601

    bridged(body, trail)


def test_only_so_many_calls_are_parked(trail, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.bridge.parked.MAX_PARKED", 0)

    async def body(subject):
        answer = await subject.call("question", capabilities=ELICITS)
        assert json.loads(words(answer))["error"]["code"] == -32601

    bridged(body, trail)


# Clients of the old era, a server of the new one.


def test_a_legacy_client_of_a_modern_server_is_served_in_its_own_words(trail):
    async def body(subject):
        async with subject.session(ELICITS, "2025-03-26") as session:
            assert session.introduction == {
                "protocolVersion": "2025-03-26",
                "capabilities": {"tools": {}, "resources": {"subscribe": True}, "logging": {}},
                "serverInfo": {"name": "server", "version": "unknown"},
            }
            listed = (await session.post(request("tools/list"))).json["result"]
            assert set(listed) == {"tools"}
            called = await session.call("echo", 5, "p", text="hi")
            assert called.get("content-type") == "text/event-stream"
            assert words(called) == "hi"
            sent = (await subject.heard("tools/call"))[0]["params"]["_meta"]
            assert sent.pop("progressToken")
            assert sent == {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "old"},
                "io.modelcontextprotocol/clientCapabilities": ELICITS,
            }
            assert (await session.post(request("fail", 6))).json["error"]["code"] == -32601
        async with subject.session():
            pass
        heard = [message["method"] for message in await subject.heard()]
        # A second process was asked once whether it speaks the old era, which it does not.
        assert heard == ["server/discover", "initialize", "tools/list", "tools/call", "fail"]
        assert len(subject.told.pids) == 2

    bridged(body, trail, "modern")


def test_MCP_T42_a_modern_server_that_needs_input_asks_a_legacy_client_on_the_stream_of_its_call(trail):
    """MCP-T42: legacy client, modern child: `input_required` becomes a request on the POST stream."""

    async def body(subject):
        async with subject.session(ELICITS) as session, session.calling("question", 4, times=2) as heard:
            for name in ("Ann", "Bob"):
                asked = await anext(heard)
                assert asked["method"] == "elicitation/create"
                assert asked["params"]["message"] == "your name?"
                await session.answer(asked, result={"action": "accept", "content": {"name": name}})
            answer = await anext(heard)
            assert set(answer["result"]) == {"content", "isError"}
            assert answer["id"] == 4
            said = json.loads(answer["result"]["content"][0]["text"])
            assert said == {"action": "accept", "content": {"name": "Bob"}}
            assert [message async for message in heard] == []

    bridged(body, trail, "modern")


def test_MCP_T42_four_clients_at_once_are_each_asked_their_own_question(trail):
    """MCP-T42: legacy client, modern child: `input_required` becomes a request on the POST stream."""

    async def body(subject):
        async def client(number):
            async with subject.session(ELICITS) as session, session.calling("question", 1) as heard:
                asked = await anext(heard)
                content = {"name": f"client {number}"}
                await session.answer(asked, result={"action": "accept", "content": content})
                answer = await anext(heard)
                assert json.loads(answer["result"]["content"][0]["text"])["content"] == content

        await asyncio.gather(*(client(number) for number in range(4)))

    bridged(body, trail, "modern")


def test_MCP_T42_a_server_may_ask_ten_times(trail):
    """MCP-T42: 10-round cap."""

    async def body(subject):
        async with subject.session(ELICITS) as session, session.calling("question", 4, times=99) as heard:
            for _ in range(11):
                asked = await anext(heard)
                if "error" in asked:
                    break
                await session.answer(asked, error={"code": -1, "message": "no"})
            last = await anext(heard)
            assert (last["id"], last["error"]["code"]) == (4, -32603)
        assert len(await subject.heard("tools/call")) == 11

    bridged(body, trail, "modern")


def test_a_legacy_client_that_cannot_be_asked_is_said_to_be_unable(trail):
    async def body(subject):
        async with subject.session(ELICITS) as session:
            # It reads no stream.
            answer = await session.call("question", 3, headers=(JSON_ONLY,))
            assert answer.json["error"]["code"] == -32603
            (sent,) = await subject.heard("tools/call")
            assert sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {}
            # Unless it has one open beside the call.
            async with session.stream() as stream:
                waiting = asyncio.create_task(session.call("question", 4, headers=(JSON_ONLY,)))
                asked = await anext(stream)
                await session.answer(asked, result={"action": "decline"})
                assert json.loads(words(await waiting)) == {"action": "decline"}
        async with subject.session() as session:
            answer = await session.call("question", 3)
            assert answer.json["error"]["code"] == -32603

    bridged(body, trail, "modern")


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_call_that_waits_for_its_client_ends_when_that_gives_it_up(trail, how):
    async def body(subject):
        async with subject.session(ELICITS) as session, session.calling("question", 4) as heard:
            asked = await anext(heard)
            if how == "delete":
                await session.client.ask("DELETE", "/mcp", session.header)
            else:
                cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}}
                assert (await session.post(cancel)).status == 202
            last = await anext(heard)
            assert (last["id"], last["error"]["code"]) == (4, -32800)
            if how == "cancel":
                await session.answer(asked, result={})  # too late, and harmless

    bridged(body, trail, "modern")


def test_MCP_T43_what_the_new_era_does_without_is_answered_for_a_modern_server(trail):
    """MCP-T43: legacy `ping`, `logging/setLevel`, `resources/subscribe` against a modern child: answered."""

    async def body(subject):
        async with subject.session() as one, subject.session() as two, one.stream() as first, two.stream() as second:
            assert (await one.post(request("ping", 1))).json == {"jsonrpc": "2.0", "id": 1, "result": {}}
            assert (await one.post(request("logging/setLevel", level="info"))).json["result"] == {}
            assert (await one.post(request("logging/setLevel", level="loud"))).json["error"]["code"] == -32602
            # Growing the set of resources loses no event.
            for number in range(3):
                answer = await one.post(request("resources/subscribe", number, uri=f"res://{number}"))
                assert answer.json == {"jsonrpc": "2.0", "id": number, "result": {}}
                await two.call("touch", uri="res://0")
                assert (await anext(first))["params"] == {"uri": "res://0"}
            assert (await two.post(request("resources/subscribe", uri="res://two"))).json["result"] == {}
            await one.call("touch", uri="res://two")
            assert (await anext(second))["params"] == {"uri": "res://two"}
            await one.post(request("resources/unsubscribe", uri="res://0"))
            await two.call("touch", uri="res://0")
            await two.call("touch", uri="res://1")
            assert (await anext(first))["params"] == {"uri": "res://1"}
        listens = await subject.heard("subscriptions/listen")
        assert listens[-1]["params"]["notifications"]["resourceSubscriptions"] == [
            "res://0", "res://1", "res://2", "res://two",
        ]  # fmt: skip
        # Each wider subscription takes over from the one before.
        cancelled = await subject.heard("notifications/cancelled", len(listens) - 1)
        assert [message["params"]["requestId"] for message in cancelled] == [each["id"] for each in listens[:-1]]

    bridged(body, trail, "modern")


def test_a_modern_server_that_ends_a_subscription_is_subscribed_to_again_and_everything_may_have_changed(
    trail, monkeypatch
):
    monkeypatch.setattr("workloads.proxyrunner.bridge.feed._PAUSE", 0.01)

    async def body(subject):
        async with subject.session() as session, session.stream() as stream:
            await session.post(request("resources/subscribe", uri="res://a"))
            listens = len(await subject.heard("subscriptions/listen"))
            await session.call("hang_up")
            assert {(await anext(stream))["method"] for _ in range(4)} == {
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated",
            }
            assert len(await subject.heard("subscriptions/listen")) == listens + 1
            await session.call("touch", uri="res://a")
            assert (await anext(stream))["params"] == {"uri": "res://a"}

    bridged(body, trail, "modern")


def test_a_modern_server_that_dies_ends_the_sessions_of_legacy_clients(trail):
    async def body(subject):
        async with subject.session(ELICITS) as session, session.stream() as stream:
            await session.post(request("resources/subscribe", uri="res://a"))
            async with session.calling("question", 4) as heard:
                await anext(heard)
                os.kill(subject.told.pids[0], signal.SIGKILL)
                assert [message async for message in stream] == []
                assert (await anext(heard))["error"]["code"] == -32800
            await subject.told.running(2)
            assert (await session.call("echo")).status == 404
        async with subject.session() as session:
            assert words(await session.call("echo", text="again")) == "again"

    bridged(body, trail, "modern")


# What both eras have in common.


def test_an_enveloped_body_without_a_version_header_is_never_taken_for_the_old_era(trail):
    async def body(subject):
        async with raw_client(subject.port) as client:
            meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
            answer = await client.post(request("tools/list", 3, _meta=meta))
            assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, 3, -32020)
        assert await subject.heard("tools/list") == []

    bridged(body, trail)
