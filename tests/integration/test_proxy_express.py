"""Requests on the short way: no task is made for them, and a client notices nothing of that, whatever happens."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.support.aio import run
from tests.support.raw_http import raw_client, raw_server, read_body, request
from tests.support.runners import routed

OK = b'{"ok":true}'


def served_by_tasks() -> int:
    """How many requests are being answered by a task of the proxy, in this loop."""
    return sum(task.get_coro().__qualname__ == "Turn.run" for task in asyncio.all_tasks())  # type: ignore[union-attr]


async def answer_ok(exchange):
    await exchange.answer(200, OK)


def proxied(handle, body):
    """Run a test body with a client of a proxy that has a connection to its server."""

    async def whole():
        async with raw_server(answer_ok) as server, routed(server.port) as runner, raw_client(runner.port) as client:
            assert (await client.post(request("ping"))).status == 200
            server.handle = handle
            await body(client, server, runner)

    run(whole())


def test_a_small_request_that_is_answered_as_small_needs_no_task():
    tasks = []

    async def handle(exchange):
        tasks.append(served_by_tasks())
        await exchange.answer(200, OK, ("x-said", "yes"))

    async def body(client, server, _):
        for _ in range(3):
            answer = await client.post(request(), ("x-asked", "yes"))
            assert (answer.status, answer.body, answer.get("x-said")) == (200, OK, "yes")
        assert [each.get("x-asked") for each in server.seen[1:]] == ["yes"] * 3
        assert len({id(each) for each in server.connections}) == len(server.connections)

    proxied(handle, body)
    assert tasks == [0, 0, 0]


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (request("initialize"), ()),
        (request("server/discover"), (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover"))),
        (request(text="x" * 2**17), ()),
    ],
)
def test_what_needs_more_is_left_to_a_task(message, headers):
    tasks = []

    async def handle(exchange):
        tasks.append(served_by_tasks())
        await exchange.answer(200, OK)

    async def body(client, _, __):
        assert (await client.post(message, *headers)).status == 200

    proxied(handle, body)
    assert tasks == [1]


def test_an_answer_in_parts_arrives_part_by_part():
    async def handle(exchange):
        await exchange.start(200, ("transfer-encoding", "chunked"), ("content-type", "text/event-stream"))
        await exchange.chunk(b"data: 1\n\n")
        await asked.wait()
        await exchange.chunk(b"data: 2\n\n")
        await exchange.chunk(b"")

    async def body(client, _, __):
        client.write("POST", "/mcp", body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
        assert (await client.head()).status == 200
        assert await client.reader.readuntil(b"data: 1\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"
        assert served_by_tasks() == 0
        asked.set()
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"

    asked = asyncio.Event()
    proxied(handle, body)


def test_a_large_answer_holds_up_its_server_while_nobody_reads_it_and_every_byte_is_counted(caplog):
    caplog.set_level(logging.INFO, "workloads.access")
    block, count, written = b"x" * 2**16, 640, []

    async def handle(exchange):
        await exchange.start(200, ("transfer-encoding", "chunked"))
        for number in range(count):
            exchange.writer.write(b"10000\r\n%s\r\n" % block)
            try:
                await asyncio.wait_for(exchange.writer.drain(), 0.5)
            except TimeoutError:
                written.append(number)
                stalled.set()
                await exchange.writer.drain()
        await exchange.chunk(b"")

    async def body(client, _, __):
        client.write("POST", "/mcp", body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
        client.writer.transport.pause_reading()
        await asyncio.wait_for(stalled.wait(), 20)
        assert served_by_tasks() == 0
        client.writer.transport.resume_reading()
        assert await read_body(client.reader, await client.head()) == block * count

    stalled = asyncio.Event()
    proxied(handle, body)
    assert written[0] < count / 2
    accesses = [record.bytes for record in caplog.records if record.name == "workloads.access"]  # type: ignore[attr-defined]
    assert accesses == [len(OK), count * len(block)]


@pytest.mark.parametrize(("method", "status", "times"), [("ping", 200, 2), ("tools/call", 503, 1)])
def test_of_a_connection_that_is_reset_only_what_does_no_harm_is_sent_again(method, status, times):
    async def handle(exchange):
        exchange.server.handle = answer_ok
        exchange.reset()

    async def body(client, server, _):
        assert (await client.post(request(method))).status == status
        assert len(server.seen) == 1 + times
        assert (await client.post(request())).status == 200

    proxied(handle, body)


def test_an_answer_that_is_cut_off_is_cut_off():
    async def handle(exchange):
        await exchange.start(200, ("content-length", "5"))
        exchange.writer.write(b"abc")
        await exchange.writer.drain()
        exchange.writer.close()

    async def body(client, _, __):
        client.write("POST", "/mcp", body=b"{}")
        assert (await client.head()).get("content-length") == "5"
        assert await client.ended() == b"abc"

    proxied(handle, body)


@pytest.mark.parametrize("answered", [False, True])
def test_when_the_client_leaves_its_server_hears_of_it(caplog, answered):
    caplog.set_level(logging.INFO, "workloads.access")

    async def handle(exchange):
        if answered:
            await exchange.start(200, ("content-length", "5"))
        asked.set()
        await exchange.gone()
        gone.set()

    async def body(client, server, runner):
        client.write("POST", "/mcp", body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
        if answered:
            assert (await client.head()).status == 200
        else:
            await asked.wait()
        client.close()
        await asyncio.wait_for(gone.wait(), 20)
        server.handle = answer_ok
        async with raw_client(runner.port) as other:
            assert (await other.post(request())).status == 200

    asked, gone = asyncio.Event(), asyncio.Event()
    proxied(handle, body)
    accesses = [record for record in caplog.records if record.name == "workloads.access"]
    assert [(each.status, each.bytes, each.mcp_method) for each in accesses] == [  # type: ignore[attr-defined]
        (200, len(OK), "ping"),
        (200 if answered else 0, 0, "tools/call"),
        (200, len(OK), "tools/call"),
    ]


def test_requests_sent_ahead_are_answered_one_after_the_other():
    async def handle(exchange):
        await exchange.answer(200, exchange.request.body)

    async def body(client, _, __):
        for number in range(5):
            client.write("POST", "/mcp", body=b'{"id":%d}' % number)
        for number in range(5):
            assert (await client.head()).status == 200
            assert await client.reader.readexactly(8) == b'{"id":%d}' % number

    proxied(handle, body)


def test_the_last_request_of_a_connection_ends_it():
    async def body(client, _, __):
        answer = await client.post(request(), ("connection", "close"))
        assert (answer.status, answer.get("connection")) == (200, "close")
        assert await client.ended() == b""

    proxied(answer_ok, body)


def test_a_modern_call_needs_no_task_where_no_other_proxy_is_to_be_told_of_its_answer():
    tasks = []

    async def handle(exchange):
        tasks.append(served_by_tasks())
        await exchange.answer(200, b'{"result":{"requestState":"here"}}')

    async def body(client, _, __):
        modern = ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call")
        assert (await client.post(request(), *modern)).status == 200

    proxied(handle, body)
    assert tasks == [0]
