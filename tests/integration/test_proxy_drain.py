"""What a drain lets pass: the rest of what is in flight, in every transport, and nothing new."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.aio import run
from tests.support.raw_http import chunks, raw_client, raw_server, request
from tests.support.runners import Recorder, served

from workloads import RunConfig
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner, ReplicaAddress
from workloads.proxyrunner.sse import EventReader

POSTED = {"jsonrpc": "2.0", "id": "asked", "result": {"action": "accept"}}


@asynccontextmanager
async def draining_in_front_of(handle, transport):
    """A runner in front of a server; yields its port and what begins the drain, which must have ended afterwards."""
    async with raw_server(handle) as server:
        told = Recorder()
        config = RunConfig(name="drained", transport=transport)
        subject = ProxyRunner(config, replicas=[ReplicaAddress("127.0.0.1", server.port)], observer=told)
        async with served(subject) as (shutdown, task):
            await told.running()

            async def drain():
                shutdown.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))

            yield told.port, drain
            await asyncio.wait_for(task, 30)


def test_what_a_client_answers_reaches_a_call_in_flight_during_a_drain():
    async def body():
        asking, answered = asyncio.Event(), asyncio.Event()

        async def handle(exchange):
            if exchange.request.json == POSTED:
                answered.set()
                await exchange.answer(202)
                return
            asking.set()
            await answered.wait()
            await exchange.answer(200, b'{"done":true}')

        async with (
            draining_in_front_of(handle, "streamable-http") as (port, drain),
            raw_client(port) as caller,
            raw_client(port) as other,
            raw_client(port) as late,
        ):
            calling = asyncio.create_task(caller.post(request()))
            await asking.wait()
            await drain()
            assert (await late.post(request(request_id="new"))).status == 503
            assert (await other.post(POSTED)).status == 202
            assert (await calling).json == {"done": True}

    run(body())


def test_a_stream_of_the_old_sse_transport_stays_open_until_its_answers_have_come():
    async def body():
        accepted, release = asyncio.Event(), asyncio.Event()

        async def handle(exchange):
            if exchange.request.start.startswith(b"POST"):
                accepted.set()
                await exchange.answer(202, b"Accepted")
                return
            await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
            await exchange.chunk(b"event: endpoint\r\ndata: /messages/?session_id=a\r\n\r\n")
            await release.wait()
            await exchange.chunk(b'event: message\ndata: {"jsonrpc":"2.0","id":5,"result":{}}\n\n')
            await exchange.gone()

        async with (
            draining_in_front_of(handle, "sse") as (port, drain),
            raw_client(port) as stream,
            raw_client(port) as poster,
        ):
            stream.write("GET", "/sse", ("accept", "text/event-stream"))
            assert (await stream.head()).status == 200
            parts = chunks(stream.reader)
            assert b"endpoint" in await anext(parts)
            posted = await poster.post(request(request_id=5), path="/messages/?session_id=a")
            assert posted.status == 202
            await accepted.wait()
            await drain()
            refused = await poster.post(request(request_id=6), path="/messages/?session_id=a")
            assert (refused.status, refused.json["id"]) == (503, 6)
            rest = asyncio.create_task(_read(parts))
            await asyncio.sleep(0.1)
            assert not rest.done()
            release.set()
            assert b'"id":5' in await rest

    run(body())


async def _read(parts):
    return b"".join([part async for part in parts])


def test_a_modern_subscription_ends_without_a_result_and_a_call_with_one():
    lines = Path(__file__).parents[1] / "servers" / "lines.py"
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}

    async def body():
        told = Recorder()
        config = RunConfig(
            name="drained", command=(sys.executable, str(lines)), transport="stdio", env_vars={"ERA": "modern"}
        )
        async with served(ProxyRunner(config, observer=told)) as (shutdown, task):
            await told.running()
            async with raw_client(told.port) as listener, raw_client(told.port) as caller:
                headers = [("content-type", "application/json"), ("mcp-protocol-version", "2026-07-28")]
                listen = request("subscriptions/listen", "l", notifications={}, _meta=meta)
                listener.write("POST", "/mcp", *headers, ("mcp-method", "subscriptions/listen"),
                               body=json.dumps(listen).encode())  # fmt: skip
                await listener.head()
                parts = chunks(listener.reader)
                assert b"acknowledged" in await anext(parts)
                arguments = {"text": "x", "steps": 3}
                call = request("tools/call", "c", name="echo", arguments=arguments, _meta={**meta, "progressToken": 1})
                calling = asyncio.create_task(
                    caller.post(call, *headers, ("mcp-method", "tools/call"), ("mcp-name", "echo"))
                )
                answer = await calling
                shutdown.set()
                assert await _read(parts) == b""
                messages = [json.loads(event.data) for event in EventReader().feed(answer.body)]
                assert messages[-1]["id"] == "c"
            await asyncio.wait_for(task, 30)

    run(body())


def test_a_client_that_does_not_read_its_stream_does_not_hold_up_a_drain():
    async def body():
        stalled = asyncio.Event()

        async def handle(exchange):
            await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
            while True:
                try:
                    await asyncio.wait_for(exchange.chunk(b": " + b"x" * 2**16 + b"\n\n"), 0.5)
                except TimeoutError:
                    stalled.set()

        async with (
            draining_in_front_of(handle, "streamable-http") as (port, drain),
            raw_client(port) as stream,
        ):
            stream.write("GET", "/mcp", ("accept", "text/event-stream"))
            await stream.head()
            stream.writer.transport.pause_reading()
            await asyncio.wait_for(stalled.wait(), 30)
            await drain()

    run(body())
