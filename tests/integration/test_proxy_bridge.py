"""The bridge from a stdio server to streamable HTTP, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import pytest
from tests.support.aio import run, stopwatch
from tests.support.bridges import JSON_ONLY, LINES, META, VERSION, Session, bridged, events, events_of, words
from tests.support.raw_http import chunks, raw_client, request
from tests.support.runners import Recorder, served

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner


@pytest.fixture
def trail(tmp_path):
    return tmp_path / "trail"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)


def test_MCP_T37_the_server_is_initialized_once_and_every_client_gets_its_answer_with_their_own_id(trail):
    """MCP-T37: legacy child, second client: `initialize` answered from cache with its own id."""

    async def body(subject):
        async with raw_client(subject.port) as client:
            answers = [
                await client.post(
                    request("initialize", request_id, protocolVersion="2025-11-25"), ("mcp-session-id", "mine")
                )
                for request_id in (0, "zero", 5)
            ]
            for answer, request_id in zip(answers, (0, "zero", 5), strict=True):
                assert answer.json["id"] == request_id
                assert answer.json["result"]["protocolVersion"] == "2025-06-18"
            sessions = {answer.get("mcp-session-id") for answer in answers}
            assert len(sessions) == 3
            assert "mine" not in sessions
            header = ("mcp-session-id", sessions.pop())
            for _ in range(2):
                initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
                assert (await client.post(initialized, header)).status == 202
            assert (await client.post(request("tools/list"), header)).status == 200
        heard = [message["method"] for message in await subject.heard()]
        assert heard == ["server/discover", "initialize", "notifications/initialized", "tools/list"]

    bridged(body, trail)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("2025-11-25", "2025-06-18"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("1999-01-01", "2025-06-18"),
    ],
)
def test_a_client_is_told_of_no_newer_version_than_it_asked_for(trail, asked, told):
    """A client that is older than the server would go, if it were told the server's version; they speak its own."""

    async def body(subject):
        async with raw_client(subject.port) as client:
            answer = await client.post(request("initialize", 1, protocolVersion=asked))
            assert answer.json["result"]["protocolVersion"] == told
            header = ("mcp-session-id", answer.get("mcp-session-id")), ("mcp-protocol-version", told)
            assert (await client.post(request("tools/list"), *header)).status == 200

    bridged(body, trail)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_MCP_T33_fifty_clients_with_the_same_ids_each_get_their_own_result(trail, era):
    """MCP-T33: 50 concurrent clients all using id 1, `"1"` and progressToken `"p"`: each gets its own result."""

    async def body(subject):
        async def client(number):
            request_id = 1 if number % 2 else "1"
            text = f"client {number}"
            if era == "legacy":
                async with subject.session() as session:
                    answer = await session.call("echo", request_id, "p", text=text)
            else:
                answer = await subject.modern(
                    "tools/call", request_id, meta={"progressToken": "p"}, name="echo", arguments={"text": text}
                )
            assert answer.get("content-type") == "text/event-stream"
            *progress, response = events_of(answer)
            said = [{"progressToken": "p", "progress": step, "message": text} for step in (1, 2)]
            assert [message["params"] for message in progress] == said
            assert response["id"] == request_id
            assert type(response["id"]) is type(request_id)
            assert response["result"]["content"][0]["text"] == text

        await asyncio.gather(*(client(number) for number in range(50)))

    bridged(body, trail, era)


def test_MCP_T34_cancelling_one_call_leaves_the_others_with_its_id_alive(trail):
    """MCP-T34: cancel of one id-1 call leaves the others alive."""

    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            first = asyncio.create_task(one.call("wait", 1, text="one"))
            second = asyncio.create_task(two.call("wait", 1, text="two"))
            sent = await subject.heard("tools/call", 2)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "x"}}
            assert (await one.post(cancel)).status == 202
            answer = await first
            assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, 1, -32800)
            (cancelled,) = await subject.heard("notifications/cancelled", 1)
            (meant,) = [message for message in sent if message["params"]["arguments"]["text"] == "one"]
            assert cancelled["params"] == {"requestId": meant["id"], "reason": "x"}
            assert not second.done()
            await two.call("release", 2)
            assert words(await second) == "two"

    bridged(body, trail)


def test_a_cancel_means_the_id_with_its_type_and_nobody_elses_session(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            waiting = asyncio.create_task(one.call("wait", 7, text="here"))
            await subject.heard("tools/call", 1)
            for session, request_id in ((one, "7"), (two, 7), (one, None), (one, [7])):
                cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
                assert (await session.post(cancel)).status == 202
            await one.call("release", 8)
            assert words(await waiting) == "here"
            assert await subject.heard("notifications/cancelled") == []

    bridged(body, trail)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_MCP_T13_a_client_that_leaves_cancels_in_the_new_era_only(trail, era):
    """MCP-T13: client closes during a silent modern call: upstream closed < 1 s; the legacy twin keeps running."""

    async def body(subject):
        async with raw_client(subject.port) as client:
            if era == "legacy":
                opened = await client.post(request("initialize"))
                headers = [("mcp-session-id", opened.get("mcp-session-id"))]
                message = request(name="wait", arguments={"text": "x"})
            else:
                headers = [VERSION, ("mcp-method", "tools/call"), ("mcp-name", "wait")]
                message = request(name="wait", arguments={"text": "x"}, _meta=META)
            body = json.dumps(message).encode()
            client.write("POST", "/mcp", ("content-type", "application/json"), *headers, body=body)
            (sent,) = await subject.heard("tools/call", 1)
        if era == "modern":
            async with stopwatch() as seconds:
                (cancelled,) = await subject.heard("notifications/cancelled", 1)
                assert seconds() < 1
            assert cancelled["params"]["requestId"] == sent["id"]
            return
        # It may still be cancelled by name, from another connection.
        await asyncio.sleep(0.1)
        assert await subject.heard("notifications/cancelled") == []
        session = Session(subject.port, opened.get("mcp-session-id"), None)
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await session.post(cancel)).status == 202
        assert len(await subject.heard("notifications/cancelled", 1)) == 1

    bridged(body, trail, era)


@pytest.mark.parametrize(
    ("body_", "status", "request_id", "code"),
    [
        (b"{", 400, None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1e999}}', 400, None, -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, None, -32600),
        (b'{"jsonrpc":"1.0","id":4,"method":"ping"}', 400, 4, -32600),
        (b'{"jsonrpc":"2.0","id":"x"}', 400, "x", -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, None, -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[1]}', 400, 5, -32600),
        (b'"text"', 400, None, -32600),
        (b"", 400, None, -32700),
    ],
)
def test_MCP_T35_what_is_no_message_is_refused_and_never_reaches_the_server(trail, body_, status, request_id, code):
    """MCP-T35: invalid line never reaches the pipe; a request the child drops ends with an error, frees its slot."""

    async def body(subject):
        async with subject.session() as session:
            before = await subject.heard(count=3)
            answer = await session.post(body_)
            assert answer.status == status
            assert answer.json["id"] == request_id
            assert answer.json["error"]["code"] == code
            assert await subject.heard() == before

    bridged(body, trail)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_MCP_T35_a_request_that_the_server_drops_ends_with_an_error_and_frees_its_place(trail, era):
    """MCP-T35: invalid line never reaches the pipe; a request the child drops ends with an error, frees its slot."""

    async def body(subject):
        for _ in range(2):
            if era == "legacy":
                async with subject.session() as session:
                    answer = await session.call("drop", 3)
            else:
                answer = await subject.modern("tools/call", 3, name="drop", arguments={})
            assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (504, 3, -32603)
        assert len(await subject.heard("notifications/cancelled", 2)) == 2

    bridged(body, trail, era, request_timeout=1)


def test_MCP_T36_two_subscriptions_with_one_id_are_two_and_leaving_one_cancels_it_once(trail):
    """MCP-T36: two listens with the same client-side id on one pipe: closing one sends exactly one `cancelled`."""
    key = "io.modelcontextprotocol/subscriptionId"

    @asynccontextmanager
    async def listening(subject, uri):
        async with raw_client(subject.port) as client:
            message = request(
                "subscriptions/listen", "same", notifications={"resourceSubscriptions": [uri]}, _meta=META
            )
            headers = [("content-type", "application/json"), VERSION, ("mcp-method", "subscriptions/listen")]
            client.write("POST", "/mcp", *headers, body=json.dumps(message).encode())
            assert (await client.head()).get("content-type") == "text/event-stream"
            heard = events(client)
            ack = await anext(heard)
            assert ack["method"] == "notifications/subscriptions/acknowledged"
            assert ack["params"] == {
                "notifications": {"resourceSubscriptions": [uri]},
                "_meta": {key: "same"},
            }
            yield heard

    async def body(subject):
        async with listening(subject, "a") as one:
            async with listening(subject, "b") as two:
                await subject.modern("tools/call", name="touch", arguments={"uri": "u"})
                for heard in (one, two):
                    assert (await anext(heard))["params"] == {"uri": "u", "_meta": {key: "same"}}
            (cancelled,) = await subject.heard("notifications/cancelled", 1)
            sent = await subject.heard("subscriptions/listen")
            assert cancelled["params"]["requestId"] == sent[1]["id"]
            await subject.modern("tools/call", name="touch", arguments={"uri": "v"})
            assert (await anext(one))["params"]["uri"] == "v"
        assert len(await subject.heard("notifications/cancelled", 2)) == 2

    bridged(body, trail, "modern")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_MCP_T18_a_subscription_needs_a_client_that_reads_streams(trail, accept):
    """MCP-T18: `subscriptions/listen` with JSON-only Accept: 406."""

    async def body(subject):
        answer = await subject.modern("subscriptions/listen", 4, ("accept", accept), notifications={})
        assert (answer.status, answer.json["id"]) == (406, 4)
        assert await subject.heard("subscriptions/listen") == []

    bridged(body, trail, "modern")


def test_MCP_T44_a_log_message_reaches_no_client(trail):
    """MCP-T44: logs on a shared pipe are not delivered to the wrong client (dropped)."""

    async def body(subject):
        async with subject.session() as one, subject.session() as two, one.stream() as stream:
            await two.call("log", text="of two")
            await two.call("change")
            assert (await anext(stream))["method"] == "notifications/tools/list_changed"

    bridged(body, trail)


def test_what_changes_is_told_to_everybody_and_a_resource_only_to_its_subscribers(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two, one.stream() as first, two.stream() as second:
            assert (await one.post(request("resources/subscribe", uri="res://a"))).json["result"] == {}
            assert (await two.post(request("resources/subscribe", uri="res://a"))).json["result"] == {}
            await one.call("touch", uri="res://a")
            for stream in (first, second):
                assert (await anext(stream))["params"] == {"uri": "res://a"}
            assert (await one.post(request("resources/unsubscribe", uri="res://a"))).json["result"] == {}
            await one.call("touch", uri="res://a/part")
            await one.call("change")
            assert (await anext(second))["params"] == {"uri": "res://a/part"}
            for stream in (first, second):
                assert (await anext(stream))["method"] == "notifications/tools/list_changed"
            # The server is told only when nobody is left.
            assert await subject.heard("resources/unsubscribe") == []
            assert (await two.client.ask("DELETE", "/mcp", two.header)).status == 204
            assert len(await subject.heard("resources/unsubscribe", 1)) == 1

    bridged(body, trail)


def test_what_happens_while_a_client_has_no_stream_is_told_when_it_opens_one(trail):
    async def body(subject):
        async with subject.session() as session:
            await session.call("change")
            await session.call("change")
            async with session.stream() as stream:
                assert (await anext(stream))["method"] == "notifications/tools/list_changed"
                await session.call("touch", uri="nobody's")
                await session.call("change")
                assert (await anext(stream))["method"] == "notifications/tools/list_changed"

    bridged(body, trail)


def test_a_session_has_one_stream_at_a_time(trail):
    async def body(subject):
        async with subject.session() as session:
            async with session.stream():
                again = await session.client.ask("GET", "/mcp", session.header, ("accept", "text/event-stream"))
                assert again.status == 409
            async with asyncio.timeout(30):
                while True:
                    async with raw_client(subject.port) as client:
                        client.write("GET", "/mcp", session.header, ("accept", "text/event-stream"))
                        if (await client.head()).status == 200:
                            return

    bridged(body, trail)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_sessions_that_are_missing_or_unknown_are_told_apart(trail, method):
    async def body(subject):
        async with raw_client(subject.port) as client:

            async def ask(*headers):
                if method == "POST":
                    return await client.post(request("tools/list", 6), *headers)
                return await client.ask(method, "/mcp", ("accept", "text/event-stream"), *headers)

            missing = await ask()
            assert (missing.status, missing.json["error"]["code"]) == (400, -32600)
            unknown = await ask(("mcp-session-id", "nope"))
            assert (unknown.status, unknown.json["error"]) == (404, {"code": -32001, "message": "Session not found"})
            assert unknown.json["id"] == (6 if method == "POST" else None)
            twice = await ask(("mcp-session-id", "a"), ("mcp-session-id", "a"))
            assert twice.status == 400
            if method == "POST":
                gone = await client.post({"jsonrpc": "2.0", "method": "notifications/x"}, ("mcp-session-id", "nope"))
                assert (gone.status, gone.body) == (404, b"")
        assert await subject.heard("tools/list") == []

    bridged(body, trail)


def test_a_deleted_session_is_over_its_stream_ends_and_its_calls_are_cancelled(trail):
    async def body(subject):
        async with subject.session() as session, session.stream() as stream:
            waiting = asyncio.create_task(session.call("wait", 5, text="x"))
            await subject.heard("tools/call", 1)
            answer = await session.client.ask("DELETE", "/mcp", session.header)
            assert (answer.status, answer.body) == (204, b"")
            assert [message async for message in stream] == []
            assert (await waiting).json["error"]["code"] == -32800
            assert len(await subject.heard("notifications/cancelled", 1)) == 1
            assert (await session.call("echo")).status == 404

    bridged(body, trail)


def test_MCP_T45_a_server_that_dies_fails_who_waits_forgets_its_sessions_and_is_started_again(trail):
    """MCP-T45: child dies mid-call: every waiter gets an error, listens end without result, legacy sessions 404."""

    async def body(subject):
        async with subject.session() as session, session.stream() as stream:
            waiting = [asyncio.create_task(session.call("wait", number, text="x")) for number in range(3)]
            await subject.heard("tools/call", 3)
            streaming = asyncio.create_task(session.call("echo", 9, "p", text="x", steps=1))
            await streaming
            crashed = await session.call("crash", 8)
            assert (crashed.status, crashed.json["id"]) == (502, 8)
            assert "exited with code 3" in crashed.json["error"]["message"]
            for number, answer in enumerate(await asyncio.gather(*waiting)):
                assert (answer.status, answer.json["id"]) == (502, number)
            assert [message async for message in stream] == []
            assert (await session.call("echo")).status == 404
        async with subject.session() as session:
            assert words(await session.call("echo", text="again")) == "again"
        assert len(subject.told.pids) == 2

    bridged(body, trail)


def test_MCP_T45_a_server_that_dies_ends_a_stream_of_progress_with_an_error_and_a_subscription_without_result(trail):
    """MCP-T45: child dies mid-call: every waiter gets an error, listens end without result, legacy sessions 404."""

    async def body(subject):
        async with raw_client(subject.port) as listener, raw_client(subject.port) as caller:
            message = request("subscriptions/listen", 1, notifications={}, _meta=META)
            kind = ("content-type", "application/json")
            headers = [kind, VERSION, ("mcp-method", "subscriptions/listen")]
            listener.write("POST", "/mcp", *headers, body=json.dumps(message).encode())
            await listener.head()
            heard = events(listener)
            await anext(heard)
            call = request("tools/call", 2, name="wait", arguments={}, _meta=META)
            caller.write("POST", "/mcp", kind, VERSION, ("mcp-method", "tools/call"), ("mcp-name", "wait"),
                         body=json.dumps(call).encode())  # fmt: skip
            await subject.heard("tools/call", 1)
            os.kill(subject.told.pids[0], signal.SIGKILL)
            assert [message async for message in heard] == []
            answer = await caller.head()
            assert answer.status == 502

    bridged(body, trail, "modern")


def test_MCP_T46_a_server_that_ends_when_it_is_discovered_gets_a_second_process(trail):
    """MCP-T46: child that exits on `server/discover` (rmcp style): bridge respawns and uses `initialize`."""

    async def body(subject):
        async with subject.session() as session:
            assert words(await session.call("echo", text="here")) == "here"
        assert len(subject.told.pids) == 2
        assert [message["method"] for message in await subject.heard()] == [
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call",
        ]
        os.kill(subject.told.pids[1], signal.SIGKILL)
        await subject.told.running(2)
        assert len(subject.told.pids) == 3

    bridged(body, trail, env={"EXIT_ON_DISCOVER": "1"})


def test_a_server_known_to_be_modern_is_not_initialized_again(trail):
    async def body(subject):
        os.kill(subject.told.pids[0], signal.SIGKILL)
        await subject.told.running(2)
        assert words(await subject.modern("tools/call", name="echo", arguments={"text": "x"})) == "x"
        assert await subject.heard("initialize") == []
        assert len(await subject.heard("server/discover")) == 2

    bridged(body, trail, "modern")


def test_MCP_T20_a_discover_waits_for_the_next_process_and_never_gets_an_error_status(trail):
    """MCP-T20: cold start: discover held < 9 s or served from cache; client ends up at `2026-07-28`."""

    async def body(subject):
        os.kill(subject.told.pids[0], signal.SIGKILL)
        await asyncio.sleep(0)
        answer = await subject.modern("server/discover")
        assert answer.status == 200
        assert answer.json["result"]["supportedVersions"] == ["2026-07-28"]

    bridged(body, trail, "modern")


def test_a_discover_that_cannot_be_answered_gets_no_answer_at_all(trail, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.gate.HOLD", 0.3)
    env = {"ERA": "legacy", "TRAIL": str(trail), "LIFE": json.dumps({"silent": True})}

    async def body():
        told = Recorder()
        command = (sys.executable, str(LINES.with_name("life.py")))
        config = RunConfig(name="lines", command=command, transport="stdio", env_vars=env)
        async with served(ProxyRunner(config, observer=told)):
            await told.until(lambda self: self.pids)
            async with raw_client(told.port) as client:
                body = json.dumps(request("server/discover", _meta=META)).encode()
                client.write("POST", "/mcp", ("content-type", "application/json"), VERSION, body=body)
                assert await client.ended() == b""

    run(body())


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "PUT", "OPTIONS"])
def test_a_modern_server_is_asked_by_post_only(trail, method):
    async def body(subject):
        async with raw_client(subject.port) as client:
            answer = await client.ask(method, "/mcp", VERSION)
            assert answer.status == 405
            assert "POST" in answer.get("allow")
            if method in ("GET", "DELETE", "HEAD"):
                assert answer.get("allow") == "POST"

    bridged(body, trail, "modern")


def test_errors_of_a_modern_server_have_their_status_and_notifications_are_taken_and_dropped(trail):
    async def body(subject):
        unknown = await subject.modern("fail", "f")
        assert (unknown.status, unknown.json["id"], unknown.json["error"]["code"]) == (404, "f", -32601)
        assert unknown.get("mcp-session-id") is None
        async with raw_client(subject.port) as client:
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "w1"}}
            assert (await client.post(cancel, VERSION, ("mcp-method", "notifications/cancelled"))).status == 202
            posted = await client.post({"jsonrpc": "2.0", "id": 1, "result": {}}, VERSION)
            assert (posted.status, posted.json["error"]["code"]) == (400, -32600)
        assert await subject.heard("notifications/cancelled") == []

    bridged(body, trail, "modern")


def test_a_client_that_reads_only_json_gets_the_answer_without_progress(trail):
    async def body(subject):
        async with subject.session() as session:
            answer = await session.call("echo", 1, "p", headers=(JSON_ONLY,), text="x")
            assert (answer.status, answer.get("content-type")) == (200, "application/json")
            assert words(answer) == "x"
            stream = await session.call("echo", 2, headers=(("accept", "text/event-stream"),), text="y")
            assert stream.get("content-type") == "text/event-stream"
            assert words(stream) == "y"
            rather = (("accept", "text/event-stream, application/json"),)
            assert (await session.call("echo", 2, headers=rather, text="y")).get("content-type") == "text/event-stream"
            neither = await session.call("echo", 3, headers=(("accept", "text/html"),), text="z")
            assert (neither.status, neither.json["id"]) == (406, 3)

    bridged(body, trail)


def test_what_the_server_writes_beside_messages_and_asks_of_clients_disturbs_nobody(trail):
    async def body(subject):
        async with subject.session() as session:
            assert words(await session.call("noise", text="a")) == "a"
            assert words(await session.call("ask", text="b")) == "b"
            answer = [message for message in await subject.heard() if message.get("id") == 99]
            assert answer[0]["error"]["code"] == -32601
            posted = await session.post({"jsonrpc": "2.0", "id": 99, "result": {}})
            assert (posted.status, posted.body) == (202, b"")
            assert (await session.post(request("ping"))).json["result"] == {}

    bridged(body, trail)


def test_a_silent_answer_becomes_a_stream_that_says_it_lives(trail, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.bridge.answers.KEEP_ALIVE", 0.1)
    monkeypatch.setattr("workloads.proxyrunner.bridge.session_http.KEEP_ALIVE", 0.1)

    async def body(subject):
        async with subject.session() as session, raw_client(subject.port) as streaming:
            waiting = asyncio.create_task(session.call("wait", 1, text="x"))
            await subject.heard("tools/call", 1)
            streaming.write("GET", "/mcp", session.header, ("accept", "text/event-stream"))
            await streaming.head()
            assert await anext(chunks(streaming.reader)) == b": ping\n\n"
            await session.call("release", 2)
            answer = await waiting
            assert answer.get("content-type") == "text/event-stream"
            assert answer.body.startswith(b": ping\n\n")
            assert words(answer) == "x"

    bridged(body, trail)


def test_other_paths_and_content_types_are_told_where_to_go(trail):
    async def body(subject):
        async with raw_client(subject.port) as client:
            lost = await client.post(request("ping", "lost"), path="/other")
            assert (lost.status, lost.json["id"]) == (404, "lost")
            form = await client.post(request("ping", 1), ("content-type", "application/x-www-form-urlencoded"))
            assert (form.status, form.json["id"]) == (415, 1)
            assert (await client.ask("GET", "/health")).json["transport"] == "stdio"

    bridged(body, trail)


def test_large_messages_pass_in_both_directions(trail):
    text = "ä" * 500_000

    async def body(subject):
        async with subject.session() as session:
            answers = await asyncio.gather(*(session.call("echo", number, text=text) for number in range(4)))
            assert [words(answer) for answer in answers] == [text] * 4

    bridged(body, trail)


def test_there_are_only_so_many_sessions_subscriptions_and_requests_in_flight(trail, monkeypatch):
    """TH-13.35: the queue of what is pending is unbounded."""
    monkeypatch.setattr("workloads.proxyrunner.bridge.sessions.Sessions.__init__.__kwdefaults__", {"limit": 2})
    monkeypatch.setattr("workloads.proxyrunner.bridge.calls.Calls.__init__.__kwdefaults__", {"limit": 2})
    monkeypatch.setattr("workloads.proxyrunner.bridge.legacy.MAX_SUBSCRIPTIONS", 1)

    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            third = await two.client.post(request("initialize", "third"))
            assert (third.status, third.json["id"]) == (503, "third")
            assert int(third.get("retry-after")) >= 1
            assert (await one.post(request("resources/subscribe", uri="a"))).json["result"] == {}
            more = await one.post(request("resources/subscribe", "more", uri="b"))
            assert (more.json["id"], more.json["error"]["code"]) == ("more", -32600)
            waiting = [asyncio.create_task(session.call("wait", text="x")) for session in (one, two)]
            await subject.heard("tools/call", 2)
            full = await one.call("echo", "full", text="x")
            assert (full.status, full.json["id"]) == (503, "full")
            await one.client.ask("DELETE", "/mcp", one.header)
            assert words(await two.call("release")) == "done"
            assert [words(answer) for answer in await asyncio.gather(*waiting) if "result" in answer.json] == ["x"]

    bridged(body, trail)


def test_a_session_that_nobody_uses_expires_and_one_in_use_does_not(trail):
    async def body(subject):
        async with subject.session() as idle, subject.session() as busy, busy.stream():
            await asyncio.sleep(1.3)
            assert (await idle.call("echo", text="x")).status == 404
            assert (await busy.call("echo", text="x")).status == 200

    bridged(body, trail, session_ttl="1s")


def test_a_progress_stream_that_takes_too_long_ends_with_an_error_in_it(trail):
    async def body(subject):
        async with subject.session() as session:
            answer = await session.call("mumble", 4, "p")
            assert answer.status == 200
            *progress, last = events_of(answer)
            assert [message["method"] for message in progress] == ["notifications/progress"]
            assert (last["id"], last["error"]["code"]) == (4, -32603)

    bridged(body, trail, request_timeout=1)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_progress_stream_whose_server_dies_ends_with_an_error_in_it(trail, era):
    async def body(subject):
        if era == "legacy":
            async with subject.session() as session:
                mumbling = asyncio.create_task(session.call("mumble", 4, "p"))
                await subject.heard("tools/call", 1)
                await asyncio.sleep(0.1)
                os.kill(subject.told.pids[0], signal.SIGKILL)
                answer = await mumbling
        else:
            meta = {"progressToken": "p"}
            mumbling = asyncio.create_task(subject.modern("tools/call", 4, name="mumble", arguments={}, meta=meta))
            await subject.heard("tools/call", 1)
            await asyncio.sleep(0.1)
            os.kill(subject.told.pids[0], signal.SIGKILL)
            answer = await mumbling
        *_, last = events_of(answer)
        assert (answer.status, last["id"], last["error"]["code"]) == (200, 4, -32603)
        assert "SIGKILL" in last["error"]["message"]

    bridged(body, trail, era)


def test_a_subscription_that_the_server_answers_with_an_error_gets_it_with_its_status(trail):
    async def body(subject):
        answer = await subject.modern("subscriptions/listen", 3, notifications="none")
        assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, 3, -32602)

    bridged(body, trail, "modern")
