"""Clients of the old era with a server of the old era, played by a test."""

from __future__ import annotations

import asyncio
import time

from tests.support.aio import run
from tests.support.bridge_client import Client
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.interest import Interest
from workloads.proxyrunner.bridge.legacy import LegacySessions
from workloads.proxyrunner.bridge.sessions import Sessions

CHANGED = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "res://a"}}


def test_a_session_that_is_refused_a_subscription_which_it_has_hears_on():
    """As of a server that takes each resource once: it still tells of it."""

    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            sessions = Sessions(ttl=60.0, clock=time.monotonic)
            subject = LegacySessions(calls, {}, sessions, Interest())
            session = sessions.create()
            for outcome in ({"result": {}}, {"error": {"code": -32602, "message": "subscribed already"}}):
                client = Client("resources/subscribe", 1, uri="res://a")
                subscribing = asyncio.create_task(subject.request(client.request, session))
                peer.answer(await peer.hear(), **outcome)
                await subscribing
            subject.notify(CHANGED)
            assert b"res://a" in await asyncio.wait_for(session.outbox.take(), 30)

    run(body())
