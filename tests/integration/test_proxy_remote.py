"""The proxy in front of a server that runs elsewhere, over TLS with an authority of its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tests.support.aio import LOOPS, run
from tests.support.authority import Authority
from tests.support.raw_http import READY, chunks, raw_client, raw_server, request

from workloads import RunConfig, RunConfigError, WorkloadFailedError
from workloads.config import HeaderForward, MiddlewareConfig
from workloads.proxyrunner import ProxyRunner

CANARY = "canary-41c7"
JSON = ("content-type", "application/json")


@pytest.fixture
def authority(tmp_path, monkeypatch):
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.trusted))
    return made


@asynccontextmanager
async def far(url, *, headers=None, **fields):
    config = RunConfig(**{"name": "far", "remote_url": url, "transport": "streamable-http", **fields})
    async with ProxyRunner(config, headers=headers) as runner:
        yield runner


async def answer_ok(exchange):
    await exchange.answer(200, b'{"ok":true}', JSON)


def through(authority, body, handle=answer_ok, *, path="/v1/mcp", loop="asyncio", server_options=None, **fields):
    async def whole():
        async with raw_server(handle, ssl=authority.server_context(), **(server_options or {})) as server:
            url = f"https://localhost:{server.port}{path}"
            async with far(url, **fields) as runner, raw_client(runner.port) as client:
                await body(client, server, runner)

    run(whole(), loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_requests_reach_it_over_tls_under_its_own_name_path_and_query(authority, loop):
    async def body(client, server, runner):
        assert runner.url == f"http://127.0.0.1:{runner.port}/v1/mcp"
        for path in ("/v1/mcp", "/mcp", "/v1/mcp?b=2"):
            answer = await client.post(request(), path=path)
            assert (answer.status, answer.json) == (200, {"ok": True})
        assert [seen.start.split()[1] for seen in server.seen] == [
            b"/v1/mcp?a=1", b"/v1/mcp?a=1", b"/v1/mcp?a=1&b=2",
        ]  # fmt: skip
        assert {seen.get("host") for seen in server.seen} == {f"localhost:{server.port}"}
        assert server.seen[0].get("x-forwarded-host") == f"127.0.0.1:{runner.port}"

    through(authority, body, path="/v1/mcp?a=1", loop=loop)


def test_streams_come_through_part_by_part(authority):
    go_on = asyncio.Event()

    async def handle(exchange):
        await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await exchange.chunk(b"data: 1\n\n")
        await go_on.wait()
        await exchange.chunk(b"data: 2\n\n")
        await exchange.chunk(b"")

    async def body(client, server, runner):
        client.write("POST", "/v1/mcp", JSON, body=json.dumps(request()).encode())
        await client.head()
        parts = chunks(client.reader)
        assert await anext(parts) == b"data: 1\n\n"
        go_on.set()
        assert await anext(parts) == b"data: 2\n\n"

    through(authority, body, handle)


def test_headers_are_added_to_requests_and_to_the_question_whether_it_is_ready(authority):
    asked = []

    async def handle(exchange):
        asked.append([exchange.request.get(name) for name in ("x-api-key", "x-plain", "x-listed")])
        ready = b"workloads-ready" in exchange.request.body
        await exchange.answer(200, json.dumps(READY).encode() if ready else b"{}", JSON)

    async def body(client, server, runner):
        await client.post(request(), ("x-api-key", "the client's"))
        assert asked == [[CANARY, "1", "2"]] * 2

    through(
        authority,
        body,
        handle,
        server_options={"ready": False},
        header_forward=HeaderForward(
            add_plaintext_headers={"X-Plain": "1"}, add_headers_from_secret={"X-Api-Key": "key"}
        ),
        middleware_configs=(MiddlewareConfig(type="header-forward", parameters={"add_headers": {"X-Listed": "2"}}),),
        headers={"x-api-key": CANARY},
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_on_its_host_are_followed_with_method_and_body(authority, status):
    async def handle(exchange):
        if exchange.request.start.split()[1] == b"/v1/mcp":
            await exchange.answer(status, b"moved", ("location", "/v2/mcp?x=1"))
        else:
            await answer_ok(exchange)

    async def body(client, server, runner):
        answer = await client.post(request("tools/call", name="x"))
        assert (answer.status, answer.json) == (200, {"ok": True})
        first, second = server.seen
        assert second.start == b"POST /v2/mcp?x=1 HTTP/1.1"
        assert second.body == first.body

    through(authority, body, handle)


@pytest.mark.parametrize(
    "location", ["https://evil.example/", "http://localhost:{port}/v2", "https://127.0.0.1:{port}/", "/a\u00e9"]
)
def test_redirects_elsewhere_are_not_followed(authority, location):
    async def handle(exchange):
        await exchange.answer(307, b"", ("location", location.format(port=exchange.server.port)))

    async def body(client, server, runner):
        assert (await client.post(request())).status == 307
        assert len(server.seen) == 1

    through(authority, body, handle)


def test_redirects_without_end_are_given_up(authority):
    async def handle(exchange):
        await exchange.answer(308, b"", ("location", "/again"))

    async def body(client, server, runner):
        assert (await client.post(request())).status == 308
        assert len(server.seen) == 11

    through(authority, body, handle)


def test_a_server_that_wants_to_know_who_asks_is_ready_for_clients_that_say(authority):
    async def handle(exchange):
        known = exchange.request.get("authorization") is not None
        await exchange.answer(200 if known else 401, b"{}", JSON, ("www-authenticate", "Bearer"))

    async def body(client, server, runner):
        refused = await client.post(request())
        assert (refused.status, refused.get("www-authenticate")) == (401, "Bearer")
        assert (await client.post(request(), ("authorization", "Bearer x"))).status == 200

    through(authority, body, handle, server_options={"ready": False})


def test_of_the_old_sse_transport_the_stream_has_the_path_of_the_url(authority):
    async def handle(exchange):
        if exchange.request.start.startswith(b"POST"):
            await exchange.answer(202)
            return
        await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await exchange.chunk(b"event: endpoint\ndata: /v1/messages?session_id=5\n\n")
        await exchange.gone()

    async def body(client, server, runner):
        assert runner.url == f"http://127.0.0.1:{runner.port}/v1/events#far"
        assert (await client.post(request(), path="/v1/messages?session_id=5")).status == 202
        client.write("GET", "/sse", ("accept", "text/event-stream"))
        await client.head()
        assert b"/v1/messages?session_id=5" in await anext(chunks(client.reader))
        assert [seen.start.split()[1] for seen in server.seen] == [
            b"/v1/events", b"/v1/messages?session_id=5", b"/v1/events",
        ]  # fmt: skip

    through(authority, body, handle, path="/v1/events", transport="sse")


def test_a_server_that_nobody_vouches_for_gets_nothing(authority, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    async def body(client, server, runner):
        raise AssertionError("it was ready")

    with pytest.raises(WorkloadFailedError, match="certificate"):
        through(authority, body, ready_timeout="300ms")


def test_without_the_value_of_a_secret_header_nothing_starts(authority):
    async def body(client, server, runner):
        raise AssertionError("it started")

    with pytest.raises(RunConfigError, match=r"header_forward\.add_headers_from_secret\.X-Key"):
        through(authority, body, header_forward=HeaderForward(add_headers_from_secret={"X-Key": "key"}))
