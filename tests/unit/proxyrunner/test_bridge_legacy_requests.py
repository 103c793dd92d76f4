"""Clients of the new era with a server of the old era, played by a test."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from tests.support.aio import run, until
from tests.support.bridge_client import Client
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.interest import Interest
from workloads.proxyrunner.bridge.legacy_requests import LegacyRequests
from workloads.proxyrunner.exchanges import Exchanges

INTRODUCTION = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "resources": {"subscribe": True}}}


@asynccontextmanager
async def served(**options):
    calls = Calls(lambda message: None, lambda message, call: subject.ask(message, call))  # noqa: PLW0108  # it comes
    async with connected(calls) as peer:
        subject = LegacyRequests(calls, INTRODUCTION, Interest(), **options)
        try:
            yield subject, peer, calls
        finally:
            subject.close()


def test_a_server_that_did_not_wait_for_what_it_asked_answers_whoever_comes_back_late():
    """It gave the client up, as one that asks with a time-out does: its answer is that of the client's next request."""

    async def body():
        async with served() as (subject, peer, calls):
            first = Client("tools/call", 1, name="x", arguments={})
            asking = asyncio.create_task(subject.request(first.request))
            called = await peer.hear()
            peer.say({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": {"message": "?"}})
            await asking
            state = json.loads(first.body)["result"]["requestState"]
            peer.answer(called, result={"content": [], "isError": True})
            await until(lambda: not calls)
            answers = {"input": {"action": "accept", "content": {}}}
            second = Client("tools/call", 2, name="x", arguments={}, requestState=state, inputResponses=answers)
            await asyncio.wait_for(subject.request(second.request), 30)
            answer = json.loads(second.body)
            assert (answer["id"], answer["result"]["isError"]) == (2, True)

    run(body())


def listen(subject, request_id):
    client = Client("subscriptions/listen", request_id, notifications={"resourceSubscriptions": ["res://a"]})
    return client, asyncio.create_task(subject.listen(client.request, Exchanges()))


async def leave(listening):
    listening.cancel()
    await asyncio.wait({listening})


def test_a_subscriber_that_goes_before_the_server_has_agreed_leaves_the_others_subscribed():
    async def body():
        async with served() as (subject, peer, _):
            _, first = listen(subject, "one")
            begun = await peer.hear()
            client, second = listen(subject, "two")
            await asyncio.sleep(0)
            await leave(first)
            heard = [await peer.hear(), await peer.hear()]
            (asked,) = [message for message in heard if message["method"] == "resources/subscribe"]
            (cancelled,) = [message for message in heard if message["method"] == "notifications/cancelled"]
            assert cancelled["params"]["requestId"] == begun["id"]
            assert not client.sent
            peer.answer(asked, result={})
            await until(lambda: b"acknowledged" in client.body)
            await leave(second)

    run(body())


def test_whoever_subscribes_just_when_the_last_subscriber_goes_is_subscribed():
    async def body():
        async with served() as (subject, peer, _):
            client, first = listen(subject, "one")
            peer.answer(await peer.hear(), result={})
            await until(lambda: b"acknowledged" in client.body)
            first.cancel()
            _, second = listen(subject, "two")  # its turn comes as soon as the first has gone
            assert [(await peer.hear())["method"] for _ in range(2)] == [
                "resources/unsubscribe",
                "resources/subscribe",
            ]
            await leave(second)

    run(body())


def test_a_server_that_takes_too_long_to_agree_to_tell_of_a_resource_does_not_tell_of_it():
    async def body():
        async with served(request_timeout=0.02) as (subject, peer, _):
            client, listening = listen(subject, "one")
            begun = await peer.hear()
            assert (await peer.hear())["params"]["requestId"] == begun["id"]
            await until(lambda: b'"notifications":{}' in client.body)
            await leave(listening)

    run(body())
