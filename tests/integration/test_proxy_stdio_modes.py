"""Stdio servers that all sessions share, and such that give each session a process: who hears and is asked what."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import psutil
import pytest
from tests.support.bridges import JSON_ONLY, bridged, words
from tests.support.raw_http import raw_client, request

ASKABLE = {"elicitation": {}, "sampling": {}, "roots": {}}


@pytest.fixture
def trail(tmp_path):
    return tmp_path / "trail"


# One process for all.


@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list"])
def test_a_question_reaches_the_client_whose_call_it_is_about_and_its_answer_the_server(trail, method):
    async def body(subject):
        async with subject.session(ASKABLE) as one, subject.session(ASKABLE) as two, two.stream() as other:
            async with one.calling("question", 4, method=method) as heard:
                asked = await anext(heard)
                assert asked["method"] == method
                await two.answer(asked, result={"forged": True})
                await one.answer(asked, result={"mine": True})
                answer = await anext(heard)
                assert json.loads(answer["result"]["content"][0]["text"]) == {"mine": True}
            await one.call("change")
            # Nothing of the question was said to the other client.
            assert (await anext(other))["method"] == "notifications/tools/list_changed"

    bridged(body, trail)


def test_a_question_with_calls_of_two_clients_in_flight_is_declined(trail):
    async def body(subject):
        async with subject.session(ASKABLE) as one, subject.session(ASKABLE) as two:
            waiting = asyncio.create_task(one.call("wait", text="x"))
            await subject.heard("tools/call", 1)
            answer = await two.call("question", 2)
            assert json.loads(words(answer))["error"]["code"] == -32601
            await two.call("release", 3)
            assert words(await waiting) == "x"

    bridged(body, trail)


def test_a_question_with_two_calls_of_one_client_in_flight_is_its_question(trail):
    async def body(subject):
        async with subject.session(ASKABLE) as session:
            waiting = asyncio.create_task(session.call("wait", text="x"))
            await subject.heard("tools/call", 1)
            async with session.calling("question", 2) as heard:
                await session.answer(await anext(heard), result={"action": "accept"})
                assert (await anext(heard))["id"] == 2
            await session.call("release", 3)
            assert words(await waiting) == "x"

    bridged(body, trail)


def test_a_client_that_declared_nothing_or_reads_no_stream_is_not_asked(trail):
    async def body(subject):
        async with subject.session() as session:
            assert json.loads(words(await session.call("question")))["error"]["code"] == -32601
        async with subject.session(ASKABLE) as session:
            answer = await session.call("question", headers=(JSON_ONLY,))
            assert json.loads(words(answer))["error"]["code"] == -32601
            async with session.stream() as stream:
                waiting = asyncio.create_task(session.call("question", 2, headers=(JSON_ONLY,)))
                await session.answer(await anext(stream), error={"code": -1, "message": "no"})
                assert json.loads(words(await waiting)) == {"error": {"code": -1, "message": "no"}}

    bridged(body, trail)


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_question_that_nobody_will_answer_is_answered_for_its_client(trail, how):
    async def body(subject):
        async with subject.session(ASKABLE) as session, session.calling("question", 4) as heard:
            await anext(heard)
            if how == "delete":
                await session.client.ask("DELETE", "/mcp", session.header)
            else:
                cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}}
                await session.post(cancel)
            assert (await anext(heard))["error"]["code"] == -32800
        async with asyncio.timeout(30):
            # Nothing announces what the server has heard.
            while not (answered := [each for each in await subject.heard() if "error" in each]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert answered[0]["error"]["code"] == -32603

    bridged(body, trail)


def test_a_log_message_reaches_the_client_whose_call_is_the_only_one_and_as_much_as_it_wants(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two, two.stream() as other:
            async with one.calling("log", text="of one") as heard:
                assert (await anext(heard))["params"] == {"level": "info", "data": "of one"}
                assert (await anext(heard))["id"] == 1
            assert (await one.post(request("logging/setLevel", level="error"))).json["result"] == {}
            assert (await one.call("log", text="too little")).get("content-type") == "application/json"
            # The other wants to hear more, and gets it.
            assert (await two.post(request("logging/setLevel", level="debug"))).json["result"] == {}
            assert (await one.call("log", text="too little")).get("content-type") == "application/json"
            async with two.calling("log", text="of two") as heard:
                assert (await anext(heard))["params"]["data"] == "of two"
            await one.call("change")
            assert (await anext(other))["method"] == "notifications/tools/list_changed"
        levels = [message["params"]["level"] for message in await subject.heard("logging/setLevel")]
        assert levels == ["error", "debug"]

    bridged(body, trail)


def test_a_modern_client_gets_the_log_messages_that_it_asked_for(trail):
    async def body(subject):
        level = "io.modelcontextprotocol/logLevel"
        for wanted, count in (("info", 1), ("error", 0), (None, 0)):
            meta = {} if wanted is None else {level: wanted}
            answer = await subject.modern("tools/call", meta=meta, name="log", arguments={"text": "x"})
            assert answer.body.count(b"notifications/message") == count

    bridged(body, trail, "modern")


# A process for each session.


def test_each_session_has_its_own_process_which_ends_with_it(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            pids = [words(await session.call("pid")) for session in (one, two, one, two)]
            assert pids[:2] == pids[2:]
            assert len({*pids, words(await subject.call("pid"))}) == 3
            assert subject.told.ready[-1] == (3, 1)
            assert (await one.client.ask("DELETE", "/mcp", one.header)).status == 204
            await subject.told.until(lambda told: told.ready[-1] == (2, 1))
            assert not psutil.pid_exists(int(pids[0]))
            assert (await one.call("pid")).status == 404
            assert words(await two.call("pid")) == pids[1]

    bridged(body, trail, stdio_mode="per-session")


def test_a_process_of_its_own_hears_what_its_client_says_of_itself_and_completes_the_opening(trail):
    async def body(subject):
        async with subject.session({"roots": {"listChanged": True}}) as session:
            await session.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
            opened = (await subject.heard("initialize", 2))[1]["params"]
            assert opened["capabilities"] == {"roots": {"listChanged": True}}
            assert opened["clientInfo"] == {"name": "old"}
            # The first is of the process that serves clients without sessions.
            assert len(await subject.heard("notifications/initialized", 2)) == 2
            assert len(await subject.heard("notifications/roots/list_changed", 1)) == 1

    bridged(body, trail, stdio_mode="per-session")


def test_with_processes_of_their_own_two_clients_are_asked_and_told_at_the_same_time(trail):
    async def body(subject):
        async def client(name):
            async with subject.session(ASKABLE) as session, session.calling("question", 1, times=2) as heard:
                first = await anext(heard)
                await both.wait()
                await session.answer(first, result={"action": "accept", "content": {"name": "?"}})
                await session.answer(await anext(heard), result={"action": "accept", "content": {"name": name}})
                answer = await anext(heard)
                assert json.loads(answer["result"]["content"][0]["text"])["content"] == {"name": name}
                async with session.calling("log", 2, text=name) as logs:
                    assert (await anext(logs))["params"]["data"] == name

        both = asyncio.Barrier(2)
        await asyncio.gather(client("one"), client("two"))

    bridged(body, trail, stdio_mode="per-session")


def test_a_process_that_dies_ends_its_session_only(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two, one.stream() as stream:
            pid = int(words(await one.call("pid")))
            waiting = asyncio.create_task(one.call("wait", 3, text="x"))
            await subject.heard("tools/call", 2)
            os.kill(pid, signal.SIGKILL)
            answer = await waiting
            assert (answer.status, answer.json["id"]) == (502, 3)
            assert [message async for message in stream] == []
            assert (await one.call("pid")).status == 404
            assert words(await two.call("echo", text="here")) == "here"

    bridged(body, trail, stdio_mode="per-session")


def test_there_are_only_so_many_processes_and_one_that_ends_makes_room(trail, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.bridge.children.Children.__init__.__kwdefaults__", {"limit": 1})

    async def body(subject):
        async with raw_client(subject.port) as client:
            async with subject.session() as session:
                full = await client.post(request("initialize", "full", protocolVersion="2025-06-18"))
                assert (full.status, full.json["id"]) == (503, "full")
                assert int(full.get("retry-after")) >= 1
                await session.client.ask("DELETE", "/mcp", session.header)
            await subject.told.until(lambda told: told.ready[-1] == (1, 1))
            async with subject.session() as session:
                assert words(await session.call("echo", text="x")) == "x"

    bridged(body, trail, stdio_mode="per-session")


def test_a_process_whose_session_nobody_uses_is_ended(trail):
    async def body(subject):
        async with subject.session() as idle, subject.session() as busy, busy.stream():
            await subject.told.until(lambda told: told.ready[-1] == (2, 1) and len(told.pids) == 3)
            assert (await idle.call("echo", text="x")).status == 404
            assert (await busy.call("echo", text="x")).status == 200

    bridged(body, trail, stdio_mode="per-session", session_ttl="1s")


def test_a_client_that_leaves_while_its_process_starts_leaves_none_behind(trail):
    async def body(subject):
        starting = asyncio.create_task(subject.session().__aenter__())
        await subject.told.until(lambda told: len(told.pids) == 2)
        starting.cancel()
        await subject.told.until(lambda told: told.ready[-1] == (1, 1))

    bridged(body, trail, env={"SLOW_INITIALIZE": "1"}, stdio_mode="per-session")


def test_a_server_of_the_new_era_needs_no_process_for_a_session(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            pids = {words(await session.call("pid")) for session in (one, two)}
            assert pids == {words(await subject.call("pid"))}

    bridged(body, trail, "modern", stdio_mode="per-session")


def test_a_server_of_both_eras_serves_modern_clients_with_one_process(trail):
    async def body(subject):
        async with subject.session() as one, subject.session() as two:
            mine = [words(await session.call("pid")) for session in (one, two)]
            shared = {words(await subject.call("pid")) for _ in range(3)}
            assert len({*mine, *shared}) == 3

    bridged(body, trail, "both", stdio_mode="per-session")


def test_a_drain_ends_every_process(trail):
    async def body(subject):
        async with subject.session() as session, session.stream():
            await session.call("echo", text="x")
        told.append(subject.told)

    told = []
    bridged(body, trail, stdio_mode="per-session")
    assert told[0].ready[-1] == (0, 0)
    assert not any(psutil.pid_exists(pid) for pid in told[0].pids)
