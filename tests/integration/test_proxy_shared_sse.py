"""Several proxy runners in front of several replicas of the old SSE transport: to clients one server."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support import redis_server
from tests.support.aio import run
from tests.support.issuer import running_issuer
from tests.support.raw_http import raw_client, raw_server, request
from tests.support.replicas import running_replicas
from tests.support.shared_runners import runners
from tests.support.sse_client import streaming
from tests.support.waiting import wait_until

from workloads.proxyrunner import ReplicaAddress

pytestmark = pytest.mark.needs("redis")

PREFIX = "thv:proxy:session:"


@pytest.fixture
def replicas():
    with running_replicas(2, "sse.py") as replicas:
        yield replicas


def shared(redis, replicas, **fields):
    return runners(redis, replicas, transport="sse", **fields)


async def assert_unknown(poster, endpoint, *headers):
    refused = await poster.post(request("tools/call", "x"), *headers, path=endpoint)
    assert (refused.status, refused.json["error"]["code"], refused.json["id"]) == (404, -32001, "x")


def test_what_is_posted_to_any_runner_reaches_the_replica_that_holds_the_stream(redis, replicas):
    async def body():
        async with (
            shared(redis, replicas) as (one, other),
            streaming(one.port) as first,
            streaming(one.port) as second,
            raw_client(one.port) as near,
            raw_client(other.port) as far,
        ):
            pids = set()
            for stream in (first, second):
                pid, count = await stream.call(far)
                assert count == 1
                assert await stream.call(near) == (pid, 2)
                assert await stream.call(far) == (pid, 3)
                pids.add(pid)
            assert pids == {replica.pid for replica in replicas}
            with redis.client() as store:
                kept = [json.loads(store.get(key)) for key in store.keys(f"{PREFIX}*")]
            assert {each["type"] for each in kept} == {"sse"}
            assert sorted(each["metadata"]["backend_url"] for each in kept) == sorted(
                replica.address.url for replica in replicas
            )

    run(body())


def test_a_session_ends_with_its_stream_and_one_that_never_was_is_not_found(redis, replicas):
    async def body():
        async with shared(redis, replicas) as (one, other), raw_client(other.port) as poster:
            async with streaming(one.port) as stream:
                await stream.call(poster)
            with redis.client() as store:
                await asyncio.to_thread(wait_until, lambda: not store.keys(f"{PREFIX}*"))
            await assert_unknown(poster, stream.endpoint)
            await assert_unknown(poster, "/messages?session_id=forged")

    run(body())


def test_a_session_is_lost_with_its_replica_and_the_others_go_on(redis, replicas):
    async def body():
        async with (
            shared(redis, replicas) as (one, other),
            streaming(one.port) as lost,
            streaming(one.port) as kept,
            raw_client(other.port) as poster,
        ):
            pid, _ = await lost.call(poster)
            (holder,) = (replica for replica in replicas if replica.pid == pid)
            holder.kill()
            with pytest.raises((asyncio.IncompleteReadError, StopAsyncIteration, ConnectionError)):
                await lost.event()
            await assert_unknown(poster, lost.endpoint)
            assert (await kept.call(poster))[1] == 1
            async with streaming(other.port) as again:
                assert (await again.call(poster))[0] != pid

    run(body())


def test_a_stream_keeps_its_session_from_expiring(redis, replicas):
    async def body():
        async with (
            shared(redis, replicas, session_ttl="2s") as (one, other),
            streaming(one.port) as stream,
            raw_client(other.port) as poster,
        ):
            pid, _ = await stream.call(poster, seconds=4)  # longer than a session lives that nobody uses
            assert await stream.call(poster) == (pid, 2)

    run(body())


def test_a_stream_whose_endpoint_another_replica_has_named_is_refused_and_so_is_one_during_an_outage():
    async def handle(exchange):
        await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await exchange.chunk(b"event: endpoint\r\ndata: /messages\r\n\r\n")
        await exchange.gone()

    class Replica:
        def __init__(self, server):
            self.address = ReplicaAddress("127.0.0.1", server.port)

    async def opened(port):
        async with raw_client(port) as client:
            client.write("GET", "/sse", ("accept", "text/event-stream"))
            return await client.head()

    async def body():
        with redis_server.running() as redis:
            async with (
                raw_server(handle) as first,
                raw_server(handle) as second,
                shared(redis, [Replica(first), Replica(second)]) as (one, other),
                streaming(one.port),
            ):
                assert (await opened(other.port)).status == 502
                redis.hang()
                try:
                    away = await opened(other.port)
                finally:
                    redis.go_on()
                assert (away.status, away.get("retry-after")) == (503, "1")

    run(body())


@pytest.mark.needs("auth")
def test_a_stream_belongs_to_who_opened_it_at_every_runner(redis, replicas):
    async def body():
        with running_issuer() as issuer:
            ana, bea = issuer.bearer("ana"), issuer.bearer("bea")
            async with (
                shared(redis, replicas, oidc_config=issuer.oidc) as (one, other),
                streaming(one.port, ana) as stream,
                raw_client(one.port) as near,
                raw_client(other.port) as far,
            ):
                for poster in (near, far):
                    await assert_unknown(poster, stream.endpoint, bea)
                assert (await stream.call(far, 1, ana))[1] == 1

    run(body())
