"""What the transparent proxy does not collect: bodies, in both directions; and what it sends again."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest
from tests.support.aio import run, until
from tests.support.raw_http import chunks, raw_client, raw_server, request
from tests.support.runners import routed

from workloads.config import MiddlewareConfig

MODERN = ("mcp-protocol-version", "2026-07-28")
SESSION = ("mcp-session-id", "s1")
CHUNKED = ("transfer-encoding", "chunked")
SMALL = MiddlewareConfig(type="bodylimit", parameters={"max_bytes": 2**17})


def through(body, handle, *, bodies=True, **fields):
    """Run a test body with a client, the server and the runner between them."""

    async def whole():
        async with (
            raw_server(handle, bodies=bodies) as server,
            routed(server.port, **fields) as runner,
            raw_client(runner.port) as client,
        ):
            await body(client, server)

    run(whole())


async def answer_ok(exchange):
    await exchange.answer(200, b'{"ok":true}', ("content-type", "application/json"))


def arriving():
    """Where parts of bodies come up as they reach the server, and that server, which answers at their end."""
    parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(exchange):
        async for part in chunks(exchange.reader):
            parts.put_nowait(part)
        await answer_ok(exchange)

    return parts, handle


@pytest.mark.parametrize("header", [MODERN, SESSION])
def test_a_large_body_reaches_the_server_while_it_still_comes(header):
    async def whole():
        parts, handle = arriving()
        async with (
            raw_server(handle, bodies=False) as server,
            routed(server.port) as runner,
            raw_client(runner.port) as client,
        ):
            first = b'{"id":1,' + b" " * 2**16
            client.write("POST", "/mcp", header, CHUNKED, body=b"%x\r\n%s\r\n" % (len(first), first))
            got = b""
            while len(got) < len(first):
                got += await parts.get()
            client.writer.write(b"3\r\nend\r\n")
            assert (got, await parts.get()) == (first, b"end")
            client.writer.write(b"0\r\n\r\n")
            assert (await client.head()).status == 200

    run(whole())


def test_MCP_T22_a_body_that_turns_out_too_large_on_its_way_is_refused_and_never_ends_at_the_server():
    """MCP-T22: body 4 MiB + 1, chunked and with length: 413."""
    ended = []

    async def handle(exchange):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            ended.extend([part async for part in chunks(exchange.reader)])
        raise ConnectionResetError

    async def body(client, server):
        part = b"10000\r\n" + b" " * 2**16 + b"\r\n"
        client.write("POST", "/mcp", SESSION, CHUNKED, body=part + part + part)
        answer = await client.head()
        assert answer.status == 413
        await server.gone(1)
        assert ended == []

    through(body, handle, bodies=False, middleware_configs=(SMALL,))


def test_the_limit_of_a_body_is_eight_mebibytes():
    async def body(client, server):
        assert (await client.post(b" " * 2**23)).status == 200
        client.write("POST", "/mcp", ("content-length", str(2**23 + 1)))
        assert (await client.head()).status == 413
        assert len(server.seen) == 1

    through(body, answer_ok)


def test_a_client_that_stops_in_the_middle_of_a_body_ends_the_request_at_the_server():
    async def body(client, server):
        part = b"10001\r\n" + b" " * (2**16 + 1) + b"\r\n"
        client.write("POST", "/mcp", SESSION, CHUNKED, body=part)
        await server.until(lambda self: self.seen)
        client.close()
        await server.gone(1)

    async def handle(exchange):
        await exchange.gone()

    through(body, handle, bodies=False)


def test_a_server_that_refuses_a_large_body_at_once_is_heard():
    async def handle(exchange):
        await exchange.answer(401, b"who are you?", ("connection", "close"))
        raise ConnectionResetError

    async def body(client, server):
        part = b"10001\r\n" + b" " * (2**16 + 1) + b"\r\n"
        client.write("POST", "/mcp", SESSION, CHUNKED, body=part)
        answer = await client.head()
        assert answer.status == 401
        assert await client.reader.readexactly(12) == b"who are you?"

    through(body, handle, bodies=False)


def test_TH_13_37_a_line_of_an_event_stream_may_be_longer_than_a_mebibyte():
    """TH-13.37: SSE lines over 1 MB break."""
    line = b"data: " + b"x" * 3 * 2**20 + b"\n\n"

    async def handle(exchange):
        await exchange.start(200, ("content-type", "text/event-stream"), CHUNKED)
        await exchange.chunk(line)
        await exchange.chunk(b"")

    async def body(client, server):
        client.write("GET", "/mcp", SESSION, ("last-event-id", "41"))
        await client.head()
        assert b"".join([part async for part in chunks(client.reader)]) == line
        assert server.seen[0].get("last-event-id") == "41"

    through(body, handle)


@pytest.mark.parametrize("method", ["tools/list", "resources/read", "prompts/get"])
def test_MCP_T29_what_only_asks_is_sent_again_when_its_connection_is_reset_but_once(method):
    """MCP-T29: tools/call reset after bytes sent: not retried; connect refused: retried once; lists retried."""
    resets = 1

    async def handle(exchange):
        nonlocal resets
        if resets:
            resets -= 1
            exchange.reset()
        else:
            await exchange.answer(200, exchange.request.body)

    async def body(client, server):
        nonlocal resets
        assert (await client.post(request(method))).json == request(method)
        assert len(server.seen) == 2
        resets = 2
        assert (await client.post(request(method))).status == 503
        assert len(server.seen) == 4

    through(body, handle)


def test_a_large_body_whose_server_cannot_be_reached_is_read_for_the_id_of_its_error():
    async def whole():
        async with AsyncExitStack() as stack:
            async with raw_server(answer_ok) as server:
                runner = await stack.enter_async_context(routed(server.port))
            client = await stack.enter_async_context(raw_client(runner.port))
            message = {"jsonrpc": "2.0", "params": {"filler": "x" * 2**17}, "method": "tools/call", "id": "last"}
            answer = await client.post(message, SESSION)
            assert (answer.status, answer.json["id"]) == (503, "last")

    run(whole())


def test_a_client_that_stops_to_read_releases_the_server_and_holds_no_drain_up():
    async def whole():
        sent = ended = 0

        async def endless(exchange):
            nonlocal sent, ended
            await exchange.start(200, CHUNKED)
            try:
                while True:
                    await exchange.chunk(b"x" * 2**16)
                    sent += 2**16
            finally:
                ended += 1

        async with raw_server(endless) as server, AsyncExitStack() as clients:
            async with routed(server.port, stall_timeout=0.2) as runner:
                for number in (1, 2):
                    client = clients.enter_context(socket.create_connection(("127.0.0.1", runner.port)))
                    client.sendall(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    await server.until(lambda self, number=number: len(self.seen) == number)
                    if number == 1:
                        await until(lambda: ended)
            await until(lambda: ended == 2)
        assert sent < 2**26

    run(whole())
