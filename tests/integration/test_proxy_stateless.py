"""The era without sessions through the transparent proxy."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.raw_http import chunks, raw_client, raw_server, request
from tests.support.runners import routed

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

SERVERS = Path(__file__).parents[1] / "servers"
MODERN = ("mcp-protocol-version", "2026-07-28")
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}
JSON = ("content-type", "application/json")
STREAM = ("content-type", "text/event-stream")
CHUNKED = ("transfer-encoding", "chunked")


def through(handle, body, **fields):
    """Run a body with a client of a proxy in front of a server that answers as it is told."""

    async def whole():
        async with (
            raw_server(handle) as server,
            routed(server.port, **fields) as runner,
            raw_client(runner.port) as client,
        ):
            await body(client, server, runner)

    run(whole())


def replicated(server, replicas=2):
    command = (sys.executable, str(SERVERS / server))
    config = RunConfig(name="many", command=command, transport="streamable-http", backend_replicas=replicas)
    return ProxyRunner(config)


def result(**members):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": members}).encode()


async def answer_all(exchange):
    await exchange.answer(200, result(), JSON)


def test_MCP_T4_an_enveloped_body_without_version_header_is_never_forwarded_as_legacy():
    """MCP-T4: version header absent + enveloped body: 400 `-32020`, never forwarded as legacy."""

    async def body(client, server, runner):
        answer = await client.post(request("tools/list", "four", _meta=META))
        assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, "four", -32020)
        # The key as a text is no envelope.
        assert (await client.post(request(arguments={"text": next(iter(META))}))).status == 200
        assert len(server.seen) == 1

    through(answer_all, body)


def test_MCP_T5_a_legacy_header_outranks_a_stray_key():
    """MCP-T5: legacy header + stray `clientInfo` key: forwarded as legacy."""

    async def body(client, server, runner):
        message = request("tools/list", _meta={"io.modelcontextprotocol/clientInfo": {"name": "x"}})
        session = ("mcp-session-id", "kept")
        assert (await client.post(message, ("mcp-protocol-version", "2025-11-25"), session)).status == 200
        (seen,) = server.seen
        assert (seen.get("mcp-session-id"), seen.json) == ("kept", message)

    through(answer_all, body)


def test_MCP_T8_a_method_that_a_modern_server_does_not_know_is_no_lost_session():
    """MCP-T8: 404 `-32601` from a modern backend: passed through, no re-initialise, no session purge."""
    unknown = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}).encode()

    async def handle(exchange):
        await exchange.answer(404, unknown, JSON)

    async def body(client, server, runner):
        answer = await client.post(request("ping", 1, _meta=META), MODERN, ("mcp-method", "ping"))
        assert (answer.status, answer.body) == (404, unknown)
        assert len(server.seen) == 1

    through(handle, body)


def test_MCP_T12_a_policy_believes_the_body_and_not_the_header():
    """MCP-T12: authorisation uses the body: `Mcp-Name: allowed` with body `forbidden` is refused."""

    async def body(client, server, runner):
        headers = (MODERN, ("mcp-method", "tools/call"), ("mcp-name", "allowed"))
        for name, count in (("forbidden", 0), ("allowed", 1)):
            answer = await client.post(request("tools/call", 1, name=name, arguments={}, _meta=META), *headers)
            assert ("error" in answer.json) == (name == "forbidden")
            assert len(server.seen) == count

    through(answer_all, body, tools_filter=("allowed",))


def test_MCP_T15_a_silent_call_is_waited_for_and_the_pings_of_its_stream_pass_unbuffered():
    """MCP-T15: silent modern tool: pings forwarded unbuffered, result last; response-header timeout does not fire."""
    go_on = asyncio.Event()

    async def handle(exchange):
        await asyncio.sleep(1)  # silence is what is tested
        await exchange.start(200, STREAM, CHUNKED)
        for _ in range(2):
            await exchange.chunk(b": ping\n\n")
            await go_on.wait()
            go_on.clear()
        await exchange.chunk(b"data: " + result(done=True) + b"\n\n")
        await exchange.chunk(b"")

    async def body(client, server, runner):
        body = json.dumps(request("tools/call", 1, name="slow", _meta=META)).encode()
        client.write("POST", "/mcp", JSON, MODERN, ("mcp-method", "tools/call"), ("mcp-name", "slow"), body=body)
        assert (await client.head()).status == 200
        parts = chunks(client.reader)
        for _ in range(2):
            assert await anext(parts) == b": ping\n\n"
            go_on.set()
        assert b'"done": true' in await anext(parts)

    through(handle, body)


def test_MCP_T16_an_error_after_the_stream_began_stays_in_it():
    """MCP-T16: error after 15 s: in-stream inside a 200, not turned into 502."""
    error = b'data: {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}\n\n'

    async def handle(exchange):
        await exchange.start(200, STREAM, CHUNKED)
        await exchange.chunk(b": ping\n\n")
        await exchange.chunk(error)
        await exchange.chunk(b"")

    async def body(client, server, runner):
        answer = await client.post(request(_meta=META), MODERN, ("mcp-method", "tools/call"))
        assert (answer.status, answer.body) == (200, b": ping\n\n" + error)

    through(handle, body)


@pytest.mark.parametrize("end", ["graceful", "crash"])
def test_MCP_T17_a_subscription_begins_with_its_acknowledgement_and_ends_as_the_server_ends_it(end):
    """MCP-T17: listen: ack first; graceful close forwards the result frame; crash = stream ends with NO result."""
    ack = b'data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}\n\n'
    closing = b"data: " + result(resultType="complete") + b"\n\n"

    async def handle(exchange):
        await exchange.start(200, STREAM, CHUNKED)
        await exchange.chunk(ack)
        for _ in range(20):
            await exchange.chunk(b": ping\n\n")
        if end == "crash":
            exchange.reset()
            return
        await exchange.chunk(closing)
        await exchange.chunk(b"")

    async def body(client, server, runner):
        body = json.dumps(request("subscriptions/listen", 1, notifications={}, _meta=META)).encode()
        client.write("POST", "/mcp", JSON, MODERN, ("mcp-method", "subscriptions/listen"), body=body)
        assert (await client.head()).status == 200
        heard = b""
        try:
            async for part in chunks(client.reader):
                heard += part
        except (asyncio.IncompleteReadError, ConnectionError):
            assert end == "crash"
        assert heard.startswith(ack)
        assert heard.count(b": ping\n\n") == 20
        assert heard.endswith(closing) == (end == "graceful")

    through(handle, body)


@pytest.mark.needs("mcp")
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
def test_MCP_T26_a_request_that_goes_on_reaches_the_replica_that_knows_its_state():
    """MCP-T26: MRTR with per-process keys: retry pinned to the minting replica; changed arguments = `-32602`."""
    from mcp import Client
    from mcp_types import ElicitResult

    async def elicit(context, params):
        return ElicitResult(action="accept", content={"name": "Ann"})

    async def body():
        async with replicated("conformance.py") as runner:
            async with Client(runner.url, elicitation_callback=elicit) as client:
                assert client.protocol_version == "2026-07-28"
                for _ in range(8):
                    assert (await client.call_tool("greet", {})).content[0].text == "Hello Ann"
            async with raw_client(runner.port) as client:
                headers = (MODERN, ("mcp-method", "tools/call"), ("mcp-name", "greet"))
                call = {"name": "greet", "arguments": {}, "_meta": META}
                asked = (await client.post(request(**call), *headers)).json["result"]
                (key,) = asked["inputRequests"]
                given = {
                    "requestState": asked["requestState"],
                    "inputResponses": {key: {"action": "accept", "content": {"name": "Eve"}}},
                }
                changed = await client.post(request(**{**call, "arguments": {"other": 1}}, **given), *headers)
                assert (changed.status, changed.json["error"]["code"]) == (400, -32602)
                answer = await client.post(request(**call, **given), *headers)
                assert answer.json["result"]["content"][0]["text"] == "Hello Eve"

    run(body())


def test_MCP_T28_questions_for_a_task_reach_the_replica_that_made_it():
    """MCP-T28: `tasks/get` pinned by `Mcp-Name`."""

    async def body():
        async with replicated("sessions.py", 3) as runner, raw_client(runner.port) as client:
            made = [await client.post(request(task={}), MODERN, ("mcp-method", "tools/call")) for _ in range(3)]
            assert len({answer.json["result"]["pid"] for answer in made}) == 3
            for answer in made * 2:
                task = answer.json["result"]["taskId"]
                name = f"=?base64?{base64.b64encode(task.encode()).decode()}?="
                asked = await client.post(
                    request("tasks/get", taskId=task), MODERN, ("mcp-method", "tasks/get"), ("mcp-name", name)
                )
                assert asked.json["result"]["pid"] == answer.json["result"]["pid"]

    run(body())


def test_MCP_T31_a_modern_request_that_gets_an_old_answer_is_not_sent_again():
    """MCP-T31: response to a modern request without `resultType`: era verdict invalidated, call not repeated."""
    legacy = result(content=[])

    async def handle(exchange):
        await exchange.answer(200, legacy, JSON)

    async def body(client, server, runner):
        for count in (1, 2):
            answer = await client.post(request(name="x", _meta=META), MODERN, ("mcp-method", "tools/call"))
            # There is no verdict to be wrong: the next request is judged by its own headers, as this one was.
            assert (answer.status, answer.body, len(server.seen)) == (200, legacy, count)

    through(handle, body)


def test_MCP_T32_a_server_may_change_its_era_and_an_outage_decides_nothing():
    """MCP-T32: verdict cache: backend swapped from legacy to dual and back; 401/503 on the probe caches nothing."""
    said = []

    async def handle(exchange):
        discovers = exchange.request.get("mcp-method") == "server/discover"
        if discovers and said:
            status, text = said.pop(0)
            await exchange.answer(status, text, JSON)
        else:
            await exchange.answer(200, result(), JSON)

    async def body(client, server, runner):
        async def probe():
            return await client.post(request("server/discover", _meta=META), MODERN, ("mcp-method", "server/discover"))

        legacy = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "?"}}).encode()
        dual = result(supportedVersions=["2026-07-28"], resultType="complete")
        for status, text in ((404, legacy), (200, dual), (401, b""), (200, dual), (404, legacy)):
            said.append((status, text))
            answer = await probe()
            assert (answer.status, answer.body) == (status, text)
        said.extend([(503, b"not now"), (200, dual)])
        assert (await probe()).body == dual

    through(handle, body)


@pytest.mark.needs("mcp")
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
def test_MCP_T27_a_subscription_hears_of_changes_at_every_replica():
    """MCP-T27: listen on B, change on A: event arrives (fan-in) exactly in order ack, event."""
    from mcp import Client

    async def body():
        async with replicated("conformance.py", 3) as runner, Client(runner.url) as client:
            uris = [f"test://{number}" for number in range(6)]
            async with client.listen(resource_subscriptions=uris) as events:
                for uri in uris:  # at one replica after the other
                    await client.call_tool("touch", {"uri": uri})
                    async with asyncio.timeout(30):
                        assert str((await anext(events)).uri) == uri

    run(body())


def test_MCP_T27_a_subscription_ends_when_it_cannot_hear_of_all_any_more(monkeypatch):
    """MCP-T27: listen on B, change on A: event arrives (fan-in)."""
    import os
    import signal

    from tests.support.runners import Recorder

    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)

    async def body():
        told = Recorder()
        command = (sys.executable, str(SERVERS / "listening.py"))
        config = RunConfig(name="many", command=command, transport="streamable-http", backend_replicas=2)
        async with ProxyRunner(config, observer=told) as runner, raw_client(runner.port) as client:

            async def listen():
                body = json.dumps(request("subscriptions/listen", 1, notifications={}, _meta=META)).encode()
                client.write("POST", "/mcp", JSON, MODERN, ("mcp-method", "subscriptions/listen"), body=body)
                assert (await client.head()).status == 200
                parts = chunks(client.reader)
                assert b"acknowledged" in await anext(parts)
                return parts

            for _ in range(2):  # whichever of the two the stream is of
                parts = await listen()
                os.kill(told.pids[-1], signal.SIGKILL)
                rest = b""
                try:
                    async for part in parts:
                        rest += part
                except (asyncio.IncompleteReadError, ConnectionError):
                    return
                assert b"result" not in rest
                pids = len(told.pids)
                await told.until(lambda self, pids=pids: len(self.pids) > pids and self.ready[-1] == (2, 2))

    run(body())


def test_MCP_T30_what_a_server_allows_to_be_kept_is_not_asked_again():
    """MCP-T30: cache: two tokens, `private` never shared, `public` shared; `cursor` and `uri` in the key."""
    scopes = {"tools/list": "public", "prompts/list": "private"}

    async def handle(exchange):
        method = exchange.request.get("mcp-method")
        hints = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": scopes.get(method, "public")}
        await exchange.answer(200, result(who=exchange.request.get("authorization"), **hints), JSON)

    async def body(client, server, runner):
        async def ask(method, token, request_id=1, **params):
            headers = (MODERN, ("mcp-method", method), ("authorization", token))
            return (await client.post(request(method, request_id, _meta=META, **params), *headers)).json

        assert (await ask("tools/list", "Bearer a"))["result"]["who"] == "Bearer a"
        again = await ask("tools/list", "Bearer b", "mine")
        assert (again["id"], again["result"]["who"]) == ("mine", "Bearer a")
        assert again["result"]["ttlMs"] <= 60_000
        assert len(server.seen) == 1
        assert (await ask("tools/list", "Bearer b", cursor=""))["result"]["who"] == "Bearer b"
        for token in ("Bearer a", "Bearer b", "Bearer a", "Bearer b"):
            assert (await ask("prompts/list", token))["result"]["who"] == token
        assert len(server.seen) == 4
        # A request with which something is wrong is the server's to judge.
        headers = (MODERN, ("mcp-method", "tools/list"))
        await client.post(request("tools/list"), *headers)
        await client.post(request("tools/call", _meta=META), *headers)
        assert len(server.seen) == 6

    through(handle, body)


def test_MCP_T20_a_discover_is_answered_while_the_server_is_started_again(monkeypatch):
    """MCP-T20: cold start: discover held < 9 s or served from cache."""
    import os
    import signal

    from tests.support.runners import Recorder

    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 100.0)

    async def body():
        told = Recorder()
        command = (sys.executable, str(SERVERS / "listening.py"))
        config = RunConfig(name="one", command=command, transport="streamable-http")
        async with ProxyRunner(config, observer=told) as runner, raw_client(runner.port) as client:

            async def discover():
                message = request("server/discover", _meta=META)
                return (await client.post(message, MODERN, ("mcp-method", "server/discover"))).json["result"]

            assert (await discover())["supportedVersions"] == ["2026-07-28"]
            os.kill(told.pids[0], signal.SIGKILL)
            await told.until(lambda self: self.ready[-1] == (0, 0))
            assert (await discover())["supportedVersions"] == ["2026-07-28"]

    run(body())
