"""A drain of one of several proxy runners of the old SSE transport: answers that were asked for at another one."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tests.support.aio import run
from tests.support.raw_http import raw_client, raw_server, request
from tests.support.runners import Recorder, served
from tests.support.shared_runners import runner, runners
from tests.support.sse_client import streaming

from workloads.model import WorkloadStatus
from workloads.proxyrunner import ReplicaAddress

pytestmark = pytest.mark.needs("redis")


class Replica:
    """A server with one stream, which answers when a test says so."""

    def __init__(self):
        self.stream = None
        self.posted = asyncio.Queue()
        self.status = 202
        self.address = None

    async def handle(self, exchange):
        if exchange.request.start.startswith(b"POST"):
            self.posted.put_nowait(exchange.request.json)
            await exchange.answer(self.status)
            return
        self.stream = exchange
        await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await exchange.chunk(b"event: endpoint\r\ndata: /messages?session_id=a\r\n\r\n")
        await exchange.gone()

    async def answer(self, request_id):
        answer = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {}})
        await self.stream.chunk(f"event: message\r\ndata: {answer}\r\n\r\n".encode())


@asynccontextmanager
async def two(redis):
    """A replica, a stream through a runner, connections to another runner and to that one, and what drains it."""
    replica = Replica()
    async with raw_server(replica.handle) as server:
        replica.address = ReplicaAddress("127.0.0.1", server.port)
        told = Recorder()
        async with (
            runners(redis, [replica], 1, transport="sse") as (other,),
            served(runner(redis, [replica], transport="sse", observer=told)) as (shutdown, task),
        ):
            await told.until(lambda self: self.statuses and self.statuses[-1] == (WorkloadStatus.RUNNING, ""))
            async with (
                streaming(told.port) as stream,
                raw_client(other.port) as far,
                raw_client(told.port) as near,
            ):

                async def drain():
                    shutdown.set()
                    await told.until(lambda self: self.statuses[-1][0] is WorkloadStatus.STOPPING)

                yield replica, stream, far, near, drain
                assert shutdown.is_set()
                assert [rest async for rest in stream._parts] == [], "nothing but its end follows"
                async with asyncio.timeout(30):
                    await task


async def posted(replica, stream, poster, message):
    answer = await poster.post(message, path=stream.endpoint)
    if answer.status < 300:
        assert await replica.posted.get() == message
    return answer.status


def test_what_was_posted_to_another_runner_is_answered_before_the_stream_ends(redis):
    async def body():
        async with two(redis) as (replica, stream, poster, _, drain):
            for request_id in (1, "1"):
                assert await posted(replica, stream, poster, request(request_id=request_id)) == 202
            await replica.answer(1)
            assert json.loads(await stream.event())["id"] == 1
            await drain()
            answer = await poster.post(request(request_id="x"), path=stream.endpoint)
            while answer.status == 202:  # the other runner is about to hear that it must not
                await replica.posted.get()
                await replica.answer("x")
                assert json.loads(await stream.event())["id"] == "x"
                answer = await poster.post(request(request_id="x"), path=stream.endpoint)
            assert (answer.status, answer.get("retry-after"), answer.json["id"]) == (503, "1", "x")
            notification = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
            assert await posted(replica, stream, poster, notification) == 202
            await replica.answer("1")
            assert json.loads(await stream.event())["id"] == "1"

    run(body())


@pytest.mark.parametrize("how", ["answered", "not accepted", "cancelled", "cancelled far", "cancelled near"])
def test_what_is_awaited_no_more_holds_no_drain_up(redis, how):
    async def body():
        async with two(redis) as (replica, stream, far, near, drain):
            if how == "not accepted":
                replica.status = 400
            await posted(replica, stream, near if how == "cancelled far" else far, request(request_id=7))
            if how == "answered":
                await replica.answer(7)
                assert json.loads(await stream.event())["id"] == 7
            if how.startswith("cancelled"):
                cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
                assert await posted(replica, stream, near if how == "cancelled near" else far, cancel) == 202
            await drain()

    run(body())
