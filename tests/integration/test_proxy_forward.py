"""The transparent proxy, between a client and a server that both do strange things."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
from contextlib import AsyncExitStack

import pytest
from tests.support.aio import run, stopwatch, until
from tests.support.raw_http import chunks, raw_client, raw_server, request
from tests.support.runners import routed

from workloads.config import MiddlewareConfig
from workloads.proxyrunner.exchange import Exchange
from workloads.proxyrunner.pool import Visit
from workloads.proxyrunner.record import Record
from workloads.proxyrunner.turn import Turn

MODERN = ("mcp-protocol-version", "2026-07-28")
DISCOVER = ("mcp-method", "server/discover")


async def answer_ok(exchange):
    await exchange.answer(200, b'{"ok":true}', ("content-type", "application/json"))


def through(body, handle=answer_ok, **fields):
    """Run a test body with a client, the server and the runner between them."""

    async def whole():
        async with (
            raw_server(handle) as server,
            routed(server.port, **fields) as runner,
            raw_client(runner.port) as client,
        ):
            await body(client, server, runner)

    run(whole())


def test_MCP_T1_a_request_reaches_the_server_as_it_was_sent():
    """MCP-T1: modern call through the proxy: body bytes and `Mcp-*` reach the backend unchanged."""
    headers = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        MODERN,
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?w6TDtg==?="),
        ("mcp-param-region", "eu"),
        ("x-utf8", "ä".encode().decode("latin-1")),
        ("x-twice", "1"),
        ("cookie", "a=1; b=2"),
        ("x-twice", "2"),
        ("authorization", "Bearer token"),
    ]
    message = b'{ "jsonrpc": "2.0",\n "id": 1, "method": "tools/call", "params": {"x": 1.10, "y": "\\u00e4"} }'

    async def body(client, server, runner):
        await client.ask("POST", "/mcp", *headers, body=message)
        (seen,) = server.seen
        assert seen.body == message
        sent = {name.encode(): value.encode("latin-1") for name, value in headers}
        assert [item for item in seen.headers if item[0].lower() in sent] == [
            (name.encode(), value.encode("latin-1")) for name, value in headers
        ]
        assert seen.get("host") == f"127.0.0.1:{server.port}"
        added = {name.lower().decode() for name, _ in seen.headers} - {name for name, _ in headers}
        assert added == {"host", "content-length", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
        assert seen.get("x-forwarded-host") == f"127.0.0.1:{runner.port}"
        assert seen.get("x-forwarded-for") == "127.0.0.1"

    through(body)


@pytest.mark.parametrize(
    "path",
    ["/mcp", "/", "/a//b/../c", "/%2F%7e%e4", "/mcp?q=a+b&&=%zz&%c3%a4", "/a;b=c?d=e?f", "/x?%23"],
)
def test_the_path_and_the_query_are_not_normalised(path):
    async def body(client, server, runner):
        await client.ask("GET", path)
        (seen,) = server.seen
        assert seen.start.split(b" ")[1] == path.encode()

    through(body)


def test_a_response_reaches_the_client_as_it_was_sent():
    packed = gzip.compress(b"x" * 100)

    async def handle(exchange):
        await exchange.answer(
            299, packed, ("content-encoding", "gzip"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("date", "never"),
            ("server", "mine"), ("x-latin", "\xe4"),
        )  # fmt: skip

    async def body(client, server, runner):
        answer = await client.ask("GET", "/mcp")
        assert (answer.status, answer.body) == (299, packed)
        assert answer.all("set-cookie") == ["a=1", "b=2"]
        assert (answer.get("date"), answer.get("server"), answer.get("x-latin")) == ("never", "mine", "\xe4")
        assert {name.lower() for name, _ in answer.headers} == {
            b"content-encoding", b"set-cookie", b"date", b"server", b"x-latin", b"content-length",
        }  # fmt: skip

    through(body, handle)


@pytest.mark.parametrize(
    ("method", "status", "headers", "length"),
    [("HEAD", 200, (("content-length", "500"),), "500"), ("GET", 204, (), None),
     ("GET", 304, (("content-length", "500"),), None), ("DELETE", 204, (), None)],
)  # fmt: skip
def test_responses_without_a_body_are_complete_and_the_connection_lives_on(method, status, headers, length):
    async def handle(exchange):
        if exchange.request.start.startswith(b"POST"):
            await answer_ok(exchange)
        else:
            await exchange.start(status, *headers)

    async def body(client, server, runner):
        answer = await client.ask(method, "/mcp")
        assert (answer.status, answer.get("content-length")) == (status, length)
        assert (await client.post(request())).status == 200

    through(body, handle)


def test_MCP_T19_a_stream_is_passed_on_part_by_part_comments_and_large_events_included():
    """MCP-T19: SSE not compressed, comments kept, one event just under 1 MiB passes whole."""
    large = b"data: " + b"x" * (2**20 - 10) + b"\n\n"
    parts = [b": hello\n\n", b"event: message\nda", b"ta: 1\n\n", large, b": ping\n\n"]

    async def whole():
        taken = asyncio.Event()

        async def handle(exchange):
            await exchange.start(
                200,
                ("content-type", "text/event-stream"),
                ("transfer-encoding", "chunked"),
                ("x-accel-buffering", "no"),
            )
            for part in parts:
                await exchange.chunk(part)
                await asyncio.wait_for(taken.wait(), 30)
                taken.clear()
            await exchange.chunk(b"")

        async with raw_server(handle) as server, routed(server.port) as runner, raw_client(runner.port) as client:
            client.write("POST", "/mcp", ("accept-encoding", "gzip"), body=b"{}")
            head = await client.head()
            assert head.get("x-accel-buffering") == "no"
            assert head.get("content-encoding") is None
            got, wanted = b"", iter(parts)
            expected = next(wanted)
            async for chunk in chunks(client.reader):
                got += chunk
                if got == expected:
                    expected += next(wanted, b"")
                    taken.set()
            assert got == b"".join(parts)

    run(whole())


def test_MCP_T13_a_client_that_leaves_a_silent_call_ends_it_at_the_server_within_a_second():
    """MCP-T13: client closes during a silent modern call: upstream closed < 1 s; the legacy twin keeps running."""

    async def whole():
        arrived, ended = asyncio.Event(), asyncio.Event()

        async def handle(exchange):
            arrived.set()
            await exchange.gone()
            ended.set()

        async with raw_server(handle) as server, routed(server.port) as runner:
            async with raw_client(runner.port) as client:
                client.write("POST", "/mcp", MODERN, body=json.dumps(request()).encode())
                await arrived.wait()
            async with stopwatch() as seconds:
                await asyncio.wait_for(ended.wait(), 30)
                assert seconds() < 1

    run(whole())


def test_MCP_T13_a_client_that_leaves_a_stream_ends_it_at_the_server_within_a_second():
    """MCP-T13: client closes during a silent modern call: upstream closed < 1 s; the legacy twin keeps running."""

    async def whole():
        ended = asyncio.Event()

        async def handle(exchange):
            await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
            await exchange.chunk(b": here\n\n")
            await exchange.gone()
            ended.set()

        async with raw_server(handle) as server, routed(server.port) as runner:
            async with raw_client(runner.port) as client:
                client.write("GET", "/mcp")
                await client.head()
                await client.reader.readexactly(5)
            async with stopwatch() as seconds:
                await asyncio.wait_for(ended.wait(), 30)
                assert seconds() < 1

    run(whole())


def test_MCP_T14_the_connection_to_the_server_is_never_half_closed():
    """MCP-T14: proxy never half-closes upstream after the body."""

    async def handle(exchange):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange.reader.read(1), 0.3)
        await answer_ok(exchange)

    async def body(client, server, runner):
        assert (await client.post(request())).status == 200

    through(body, handle)


def test_a_client_that_does_not_read_holds_up_the_server_instead_of_filling_memory():
    size = 64 * 2**20

    async def whole():
        written = 0
        stalled = asyncio.Event()

        async def handle(exchange):
            nonlocal written
            await exchange.start(200, ("content-length", str(size)))
            block = b"x" * 2**16
            while written < size:
                exchange.writer.write(block)
                try:
                    await asyncio.wait_for(exchange.writer.drain(), 0.5)
                except TimeoutError:
                    stalled.set()
                    await exchange.writer.drain()
                written += len(block)

        async with raw_server(handle) as server, routed(server.port) as runner, raw_client(runner.port) as client:
            client.write("GET", "/mcp")
            # A client that does not read: its own buffers are small, those of the kernel are what they are.
            client.writer.transport.pause_reading()
            await asyncio.wait_for(stalled.wait(), 30)
            assert written < size / 2
            client.writer.transport.resume_reading()
            await client.head()
            assert len(await client.reader.readexactly(size)) == size

    run(whole())


@pytest.mark.parametrize("framing", [("transfer-encoding", "chunked"), ("content-length", "1000")])
def test_a_server_that_is_reset_in_the_middle_cuts_the_clients_stream_too(framing):
    async def handle(exchange):
        await exchange.start(200, framing)
        if framing[0] == "content-length":
            exchange.writer.write(b"part")
        else:
            await exchange.chunk(b"part")
        await exchange.writer.drain()
        await asyncio.sleep(0.05)
        exchange.reset()

    async def body(client, server, runner):
        client.write("POST", "/mcp", body=b"{}")
        await client.head()
        rest = await client.ended()
        assert b"part" in rest
        assert not rest.endswith(b"0\r\n\r\n")

    through(body, handle)


def test_MCP_T29_a_call_that_was_reset_is_not_sent_again():
    """MCP-T29: `tools/call` reset after bytes sent: not retried; connect refused: retried once; lists retried."""

    async def handle(exchange):
        exchange.reset()

    async def body(client, server, runner):
        answer = await client.post(request(request_id="seven"))
        assert answer.status == 503
        assert int(answer.get("retry-after")) >= 1
        assert answer.json["id"] == "seven"
        assert len(server.seen) == 1

    through(body, handle)


def test_MCP_T10_a_server_that_cannot_be_reached_gives_an_error_with_the_requests_id():
    """MCP-T10: proxy-made errors echo the request id; unreadable body gives `"id":null`; never no `id`."""

    async def whole():
        async with AsyncExitStack() as stack:
            async with raw_server(answer_ok) as server:
                runner = await stack.enter_async_context(routed(server.port))

            async def answered(message):
                async with raw_client(runner.port) as client:
                    return await client.post(message)

            # At once: each of them waits for the server for as long as one may.
            ids = [7, "7", "ä"]
            messages = [*(request(request_id=each) for each in ids), {"jsonrpc": "2.0", "method": "notifications/x"}]
            *answers, empty = await asyncio.gather(*map(answered, messages))
            for request_id, answer in zip(ids, answers, strict=True):
                assert answer.status == 503
                assert answer.json["id"] == request_id
                assert type(answer.json["id"]) is type(request_id)
            assert (empty.status, empty.body) == (503, b"")

    run(whole())


def test_what_is_no_http_is_a_bad_gateway():
    async def handle(exchange):
        exchange.writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await exchange.writer.drain()

    async def body(client, server, runner):
        answer = await client.post(request(request_id=3))
        assert (answer.status, answer.json["id"]) == (502, 3)

    through(body, handle)


def test_MCP_T21_an_outage_during_discover_is_waited_out():
    """MCP-T21: backend 503 during discover: proxy does not hand 5xx to the probe if it can wait."""
    failures = [503, 500, 502]

    async def handle(exchange):
        if failures:
            await exchange.answer(failures.pop(), b"oops")
        else:
            await answer_ok(exchange)

    async def body(client, server, runner):
        answer = await client.post(request("server/discover"), MODERN, DISCOVER)
        assert answer.status == 200
        assert len(server.seen) == 4

    through(body, handle)


def test_a_discover_that_cannot_be_answered_gets_no_answer_at_all(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.gate.HOLD", 0.3)

    async def handle(exchange):
        await exchange.answer(503, b"oops")

    async def body(client, server, runner):
        client.write("POST", "/mcp", MODERN, DISCOVER, body=json.dumps(request("server/discover")).encode())
        assert await client.ended() == b""

    through(body, handle)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_MCP_T23_a_batch_is_refused_in_either_era_and_never_reaches_the_server(content_type):
    """MCP-T23: batch in either era, also under a wrong content type: 400, backend untouched."""

    async def body(client, server, runner):
        for headers in ((), (MODERN, ("mcp-method", "tools/call"))):
            answer = await client.post(
                b" \n[%s]" % json.dumps(request()).encode(), ("content-type", content_type), *headers
            )
            assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, None, -32600)
        assert server.seen == []

    through(body)


def test_MCP_T22_a_body_beyond_the_limit_is_refused_with_a_length_and_in_chunks():
    """MCP-T22: body beyond the limit, chunked and with length: 413."""
    limit = MiddlewareConfig(type="bodylimit", parameters={"max_bytes": 1000})

    async def body(client, server, runner):
        assert (await client.post(b" " * 1001)).status == 413
        chunked = b"400\r\n" + b" " * 1024 + b"\r\n0\r\n\r\n"
        answer = await client.ask("POST", "/mcp", ("transfer-encoding", "chunked"), body=chunked)
        assert answer.status == 413
        assert (await client.post(b" " * 1000)).status == 200
        assert len(server.seen) == 1

    through(body, middleware_configs=(limit,))


def test_a_large_body_in_chunks_arrives_whole():
    large = b'{"x":"' + b"y" * (3 * 2**20) + b'"}'

    async def body(client, server, runner):
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
        answer = await client.ask("POST", "/mcp", ("transfer-encoding", "chunked"), body=chunked)
        assert answer.status == 200
        assert server.seen[0].body == large
        assert server.seen[0].get("content-length") == str(len(large))

    through(body)


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-name", "mcp-method", "mcp-session-id"])
def test_MCP_T3_repeated_protocol_headers_are_refused_and_never_reach_the_server(name):
    """MCP-T3: repeated, or comma-joined, `MCP-Protocol-Version`, `Mcp-Name`, `Mcp-Session-Id`: 400, backend."""

    async def body(client, server, runner):
        answer = await client.post(request(request_id=9), (name, "2025-11-25"), (name, "2026-07-28"))
        assert (answer.status, answer.json["id"]) == (400, 9)
        assert server.seen == []

    through(body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_MCP_T7_streams_and_sessions_do_not_exist_for_modern_clients(method):
    """MCP-T7: GET, HEAD, DELETE with modern header: 405 `Allow: POST`, backend not contacted."""

    async def body(client, server, runner):
        answer = await client.ask(method, "/mcp", MODERN)
        assert (answer.status, answer.get("allow")) == (405, "POST")
        assert server.seen == []

    through(body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_stateless_server_is_asked_by_post_only(method):
    async def body(client, server, runner):
        answer = await client.ask(method, "/mcp")
        assert (answer.status, answer.get("allow")) == (405, "POST, OPTIONS")
        assert (await client.ask("OPTIONS", "/mcp")).status == 200

    through(body, stateless=True)


def test_MCP_T2_session_headers_of_a_modern_request_go_no_further():
    """MCP-T2: modern request with a bogus `Mcp-Session-Id` and `Last-Event-ID`: served, both stripped upstream."""

    async def body(client, server, runner):
        await client.post(request(), MODERN, ("mcp-session-id", "x"), ("last-event-id", "1"))
        assert server.seen[0].get("mcp-session-id") is None
        assert server.seen[0].get("last-event-id") is None

    through(body)


@pytest.mark.parametrize("path", ["/mcp", "/health", "/anything"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT"])
def test_foreign_hosts_and_origins_are_refused_everywhere_and_never_reach_the_server(method, path):
    async def body(client, server, runner):
        bodies = {"body": json.dumps(request(request_id="x")).encode()} if method == "POST" else {}
        answer = await client.ask(method, path, ("host", "evil.example"), host=False, **bodies)
        assert answer.status == 421
        answer = await client.ask(method, path, ("origin", "http://evil.example"), **bodies)
        assert answer.status == 403
        if method != "HEAD":
            assert answer.json["error"] == {"code": -32600, "message": "Origin not allowed"}
            assert answer.json["id"] == ("x" if method == "POST" else None)
        assert server.seen == []

    through(body)


def test_the_host_of_a_whole_url_is_the_one_that_is_judged_and_told_to_the_server():
    async def body(client, server, runner):
        answer = await client.post(request(), path=f"http://127.0.0.1:{runner.port}/mcp?x=http://evil.example")
        assert answer.status == 200
        (seen,) = server.seen
        assert seen.start == b"POST /mcp?x=http://evil.example HTTP/1.1"
        assert seen.get("x-forwarded-host") == f"127.0.0.1:{runner.port}"
        assert (await client.post(request(), path="http://evil.example/mcp")).status == 421
        own = f"http://localhost:{runner.port}/mcp"
        answer = await client.ask("POST", own, ("host", "evil.example"), host=False, body=b"{}")
        assert (answer.status, server.seen[1].get("x-forwarded-host")) == (200, f"localhost:{runner.port}")

    through(body)


def test_the_health_of_a_ready_workload_is_told():
    async def body(client, server, runner):
        answer = await client.ask("GET", "/health")
        assert (answer.status, answer.json["status"]) == (200, "healthy")
        assert server.seen == []

    through(body)


def test_a_request_head_that_does_not_end_is_not_collected_for_ever():
    async def body(client, server, runner):
        async def flood():
            client.writer.write(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")
            for _ in range(1000):
                client.writer.write(b"x" * 2**16)
                await client.writer.drain()

        with pytest.raises(ConnectionError):
            await flood()
        assert server.seen == []

    through(body)


def test_requests_on_one_connection_are_not_counted_together():
    async def body(client, server, runner):
        for _ in range(20):
            assert (await client.post(b'{"x":"' + b"y" * 2**17 + b'"}')).status == 200

    through(body)


def test_many_clients_at_once_get_their_own_answers():
    async def handle(exchange):
        await exchange.answer(200, exchange.request.body)

    async def body(client, server, runner):
        async def one(number):
            async with raw_client(runner.port) as mine:
                for turn in range(5):
                    message = request(request_id=f"{number}-{turn}")
                    assert (await mine.post(message)).json == message

        await asyncio.gather(*(one(number) for number in range(50)))

    through(body, handle)


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_wish_to_change_the_protocol_is_passed_over_and_neither_body_nor_next_request_is_lost(framing, at_once):
    message = json.dumps(request(request_id="first")).encode()
    wish = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQ")]

    async def handle(exchange):
        await exchange.answer(200, exchange.request.body)

    async def body(client, server, runner):
        if framing == "none":
            client.write("GET", "/mcp", *wish)
        elif framing == "length":
            client.write("POST", "/mcp", *wish, body=message)
        else:
            chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(message), message)
            client.write("POST", "/mcp", *wish, ("transfer-encoding", "chunked"), body=chunked)
        if at_once:
            client.write("POST", "/mcp", body=b'{"id":"second"}')
        answer = await client.head()
        first = await client.reader.readexactly(int(answer.get("content-length")))
        assert first == (b"" if framing == "none" else message)
        if not at_once:
            client.write("POST", "/mcp", body=b'{"id":"second"}')
        answer = await client.head()
        assert await client.reader.readexactly(int(answer.get("content-length"))) == b'{"id":"second"}'
        for seen in server.seen:
            assert seen.get("upgrade") is seen.get("http2-settings") is None

    through(body, handle)


def test_trailers_of_a_request_are_not_its_headers():
    async def body(client, server, runner):
        chunked = b"2\r\n{}\r\n0\r\nMcp-Session-Id: other\r\nHost: evil.example\r\n\r\n"
        assert (await client.ask("POST", "/mcp", ("transfer-encoding", "chunked"), body=chunked)).status == 200
        assert server.seen[0].get("mcp-session-id") is None

    through(body)


def test_a_client_that_sends_requests_ahead_and_leaves_ends_them_all(caplog):
    async def whole():
        async def handle(exchange):
            await exchange.gone()

        async with raw_server(handle) as server, routed(server.port) as runner:
            async with raw_client(runner.port) as client:
                for number in range(3):
                    client.write("POST", "/mcp", body=json.dumps(request(request_id=number)).encode())
                await server.until(lambda self: self.seen)
            await server.gone(len(server.connections))
            assert len(server.seen) == 1

    run(whole())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_nothing_of_a_request_has_to_be_searched_for_when_it_is_over():
    async def body(client, server, runner):
        await client.post(request())
        gc.collect()
        gc.disable()
        try:
            for method in ("tools/call", "tools/list"):
                assert (await client.post(request(method))).status == 200
            await until(lambda: not runner._stage._listener._clients._tasks)
            left = {Turn, Exchange, Visit, Record} & {type(each) for each in gc.get_objects()}
        finally:
            gc.enable()
        assert left == set()

    through(body)
