"""The era without sessions before several proxy runners: what means something to one replica reaches it from any."""

from __future__ import annotations

import asyncio
import base64

import pytest
from tests.support import redis_server
from tests.support.aio import run
from tests.support.issuer import running_issuer
from tests.support.raw_http import request
from tests.support.replicas import running_replicas
from tests.support.shared_runners import clients, runners

pytestmark = pytest.mark.needs("redis")

PREFIX = "thv:proxy:session:"
MODERN = ("mcp-protocol-version", "2026-07-28")
CALL = (MODERN, ("mcp-method", "tools/call"))
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}


@pytest.fixture(scope="module")
def sdk():
    """Two replicas of a real server, each with a key of its own for its request states."""
    with running_replicas(2, "conformance.py", MCP_TRANSPORT="streamable-http") as replicas:
        yield replicas


@pytest.fixture
def replicas():
    with running_replicas(3) as replicas:
        yield replicas


@pytest.mark.needs("mcp")
@pytest.mark.parametrize("stateless", [False, True])
def test_MCP_T26_a_request_that_goes_on_at_another_runner_reaches_the_replica_that_knows_its_state(
    redis, sdk, stateless
):
    """MCP-T26: MRTR with per-process keys: retry pinned to the minting replica; changed arguments = `-32602`."""
    headers = (*CALL, ("mcp-name", "greet"))
    call = {"name": "greet", "arguments": {}, "_meta": META}

    async def body():
        async with clients(redis, sdk, stateless=stateless) as (one, other):
            for turn in range(6):
                asking, going_on = (one, other) if turn % 2 else (other, one)
                asked = (await asking.post(request(**call), *headers)).json["result"]
                (key,) = asked["inputRequests"]
                given = {
                    "requestState": asked["requestState"],
                    "inputResponses": {key: {"action": "accept", "content": {"name": f"Ann {turn}"}}},
                }
                changed = await going_on.post(request(**{**call, "arguments": {"other": 1}}, **given), *headers)
                assert (changed.status, changed.json["error"]["code"]) == (400, -32602)
                answer = await going_on.post(request(**call, **given), *headers)
                assert answer.json["result"]["content"][0]["text"] == f"Hello Ann {turn}"
            with redis.client() as store:
                kept = [store.get(name).decode() for name in store.keys(f"{PREFIX}*")]
            # Who reads the store learns where a request goes on, and nothing with which to go on.
            assert kept
            assert not any(asked["requestState"] in text for text in kept)

    run(body())


@pytest.mark.needs("mcp")
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
def test_MCP_T27_a_subscription_at_one_runner_hears_of_what_another_changes_at_any_replica(redis, sdk):
    """MCP-T27: listen on B, change on A: event arrives (fan-in) exactly in order ack, event."""
    from mcp import Client

    async def body():
        async with (
            runners(redis, sdk) as (one, other),
            Client(one.url) as listener,
            Client(other.url) as changer,
        ):
            uris = [f"test://{number}" for number in range(4)]
            async with listener.listen(resource_subscriptions=uris) as events:
                for uri in uris:  # at one replica after the other
                    await changer.call_tool("touch", {"uri": uri})
                    async with asyncio.timeout(30):
                        assert str((await anext(events)).uri) == uri

    run(body())


def test_MCP_T28_questions_for_a_task_reach_the_replica_that_made_it_from_any_runner(redis, replicas):
    """MCP-T28: `tasks/get` pinned by `Mcp-Name`."""

    async def body():
        async with clients(redis, replicas) as (one, other):
            made = [(await one.post(request(task={}), *CALL)).json["result"] for _ in range(3)]
            assert len({each["pid"] for each in made}) == 3
            for each in made * 2:
                asked = await ask_for(other, each["taskId"])
                assert asked.json["result"]["pid"] == each["pid"]

    run(body())


def test_a_store_that_is_away_stops_only_who_goes_on_elsewhere(replicas):
    async def body():
        with redis_server.running() as redis:
            async with clients(redis, replicas) as (one, other):
                known = (await one.post(request(task={}), *CALL)).json["result"]
                redis.hang()
                try:
                    made = await one.post(request(task={}), *CALL)
                    assert made.status == 200
                    for each in (known, made.json["result"]):
                        assert (await ask_for(one, each["taskId"])).json["result"]["pid"] == each["pid"]
                    refused = await ask_for(other, known["taskId"])
                    assert (refused.status, refused.get("retry-after")) == (503, "1")
                    assert (await other.post(request(), *CALL)).status == 200
                finally:
                    redis.go_on()

    run(body())


@pytest.mark.needs("auth")
def test_a_task_of_somebody_else_is_not_told_apart_from_one_that_is_not_known(redis, replicas):
    async def body():
        with running_issuer() as issuer:
            ana, bea = issuer.bearer("ana"), issuer.bearer("bea")
            async with clients(redis, replicas, oidc_config=issuer.oidc) as (one, other):
                made = (await one.post(request(task={}), *CALL, ana)).json["result"]
                assert {(await ask_for(other, made["taskId"], ana)).json["result"]["pid"] for _ in range(4)} == {
                    made["pid"]
                }
            async with clients(redis, replicas, oidc_config=issuer.oidc) as (one, other):
                made = (await one.post(request(task={}), *CALL, ana)).json["result"]
                spread = {(await ask_for(other, made["taskId"], bea)).json["result"]["pid"] for _ in range(6)}
                assert len(spread) == 3

    run(body())


async def ask_for(client, task, *headers):
    name = ("mcp-name", f"=?base64?{base64.b64encode(task.encode()).decode()}?=")
    return await client.post(request("tasks/get", taskId=task), MODERN, ("mcp-method", "tasks/get"), name, *headers)
