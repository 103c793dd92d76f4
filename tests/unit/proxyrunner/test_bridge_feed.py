"""One subscription to a server of the new era, for all sessions."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support import virtual_time
from tests.support.aio import run, until
from tests.support.bridge_client import Client
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.call import Call
from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.feed import Feed
from workloads.proxyrunner.bridge.modern_sessions import ModernSessions
from workloads.proxyrunner.bridge.sessions import Sessions

KEY = "io.modelcontextprotocol/subscriptionId"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


def acknowledge(peer, listen, **notifications):
    peer.notify(ACKNOWLEDGED, notifications=notifications, _meta={KEY: listen["id"]})


def test_a_server_may_say_with_null_that_it_tells_of_no_resources():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            feed = Feed(calls, lambda message: None, set)
            covering = asyncio.create_task(feed.cover(None))
            acknowledge(peer, await peer.hear(), toolsListChanged=True, resourceSubscriptions=None)
            assert await covering
            feed.close()

    run(body())


@pytest.mark.parametrize("how", ["result", "cancelled"])
def test_a_subscription_that_the_server_ends_together_with_its_beginning_is_opened_again(monkeypatch, how):
    monkeypatch.setattr("workloads.proxyrunner.bridge.feed._PAUSE", 0)

    async def body():
        heard = []
        calls = Calls(heard.append)
        async with connected(calls) as peer:
            feed = Feed(calls, heard.append, set)
            feed.start()
            listen = await peer.hear()
            acknowledge(peer, listen, toolsListChanged=True)
            if how == "result":
                peer.answer(listen, result={"resultType": "complete"})
            else:
                peer.notify("notifications/cancelled", requestId=listen["id"])
            again = await peer.hear()
            assert again["method"] == "subscriptions/listen"
            acknowledge(peer, again, toolsListChanged=True)
            peer.notify("notifications/tools/list_changed", _meta={KEY: again["id"]}, mark=1)
            await until(lambda: any("mark" in message.get("params", {}) for message in heard))
            feed.close()

    run(body())


class Refusing:
    """Requests in flight to a server that ends each subscription as soon as it has acknowledged it."""

    def __init__(self):
        self.asked = 0

    def open(self, method, params, request_id, *, endless):
        assert method == "subscriptions/listen"
        self.asked += 1
        return Call(request_id, f"w{self.asked}", None, {}, endless=endless)

    async def submit(self, call):
        call.notify({"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": {"notifications": {}}})
        call.resolve({"jsonrpc": "2.0", "id": 0, "result": {}})

    def cancel(self, call, reason):
        pass


def test_a_server_that_ends_every_subscription_is_asked_ever_less_often_and_clients_are_not_told_all_the_time():
    async def body():
        heard = []
        calls = Refusing()
        feed = Feed(calls, heard.append, set)
        feed.start()
        await asyncio.sleep(3600)
        feed.close()
        await virtual_time.settle()
        assert calls.asked < 100
        assert len(heard) < 300

    virtual_time.run(body())


def test_what_no_session_wants_to_hear_of_any_more_is_not_subscribed_to_again():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            sessions = Sessions(ttl=60.0, clock=time.monotonic)
            subject = ModernSessions(calls, {}, sessions)
            sessions.on_end = subject.ended
            for number in range(3):
                session, uri = sessions.create(), f"res://{number}"
                client = Client("resources/subscribe", number, uri=uri)
                subscribing = asyncio.create_task(subject.request(client.request, session))
                while (listen := await peer.hear())["method"] != "subscriptions/listen":
                    pass
                assert listen["params"]["notifications"]["resourceSubscriptions"] == [uri]
                acknowledge(peer, listen, resourceSubscriptions=[uri])
                await subscribing
                assert b"error" not in client.body
                sessions.end(session)
            subject.close()

    run(body())
