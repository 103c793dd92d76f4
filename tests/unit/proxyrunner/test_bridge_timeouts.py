"""Servers that take too long, be it only to read."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.aio import run
from tests.support.bridge_client import Client
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.interest import Interest
from workloads.proxyrunner.bridge.legacy import LegacySessions
from workloads.proxyrunner.bridge.legacy_requests import LegacyRequests
from workloads.proxyrunner.bridge.modern import ModernRequests
from workloads.proxyrunner.bridge.modern_sessions import ModernSessions
from workloads.proxyrunner.bridge.request import RefusedRequestError
from workloads.proxyrunner.bridge.sessions import Sessions

OPTIONS = {"request_timeout": 0.02}


def requests_to_legacy(calls):
    return LegacyRequests(calls, {}, Interest(), **OPTIONS).request


def requests_to_modern(calls):
    return ModernRequests(calls, {}, **OPTIONS).request


def sessions_of_legacy(calls):
    sessions = Sessions(ttl=60.0, clock=time.monotonic)
    subject = LegacySessions(calls, {}, sessions, Interest(), **OPTIONS)
    session = sessions.create()
    return lambda request: subject.request(request, session)


def sessions_of_modern(calls):
    sessions = Sessions(ttl=60.0, clock=time.monotonic)
    subject = ModernSessions(calls, {}, sessions, **OPTIONS)
    session = sessions.create()
    return lambda request: subject.request(request, session)


@pytest.mark.parametrize("serve", [requests_to_legacy, requests_to_modern, sessions_of_legacy, sessions_of_modern])
def test_a_request_that_waits_for_a_server_to_read_takes_too_long_like_one_that_waits_for_its_answer(serve):
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls):
            request = serve(calls)
            for number in range(3):  # the first one fills the pipe
                client = Client("tools/call", number, name="x", arguments={"text": "x" * 300_000})
                with pytest.raises(RefusedRequestError) as refused:
                    await asyncio.wait_for(request(client.request), 30)
                assert refused.value.reply.status == 504
            assert len(calls) == 0

    run(body())
