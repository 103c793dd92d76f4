"""How a stream that does not end by itself is ended."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.streams import LongStream


class Client:
    lost = done = False


@pytest.mark.parametrize("done", [False, True])
def test_a_stream_that_is_ended_gets_its_end_once(done):
    sent, client = [], Client()

    async def send(message):
        sent.append(message)

    async def body():
        exchanges = Exchanges()
        exchanges.begin()
        server = asyncio.get_running_loop().create_future()
        stream = LongStream(exchanges, client, send)

        async def relay():
            await server

        async def drain():
            await asyncio.sleep(0)
            if done:
                # The server ends it, and before the loop comes round the proxy shall end.
                client.done = True
                server.set_result(None)
            stream.end()

        draining = asyncio.ensure_future(drain())
        await stream.run(relay())
        await draining

    run(body())
    assert sent == ([] if done else [{"type": "http.response.body", "body": b""}])
