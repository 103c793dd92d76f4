"""A proxy runner inside another server, without one."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.body import has_body, read_body
from workloads.proxyrunner.hosted import Hosted
from workloads.proxyrunner.replies import plain


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("body", [b"{}", b""])
def test_a_body_comes_through_without_a_header_that_tells_of_it(version, body):
    received = []

    async def front(scope, receive, send):
        assert has_body(scope["headers"])
        received.append(await read_body(scope["headers"], receive, 100))
        await respond(send, plain(200, "fine"))

    async def whole():
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if not messages:
                await asyncio.Event().wait()
            return messages.pop()

        async def send(_message):
            return None

        scope = {"type": "http", "http_version": version, "method": "POST", "path": "/mcp", "headers": []}
        await Hosted(None, entered=lambda: True, front=lambda _port: front)(scope, receive, send)

    run(whole())
    assert received == [body]
