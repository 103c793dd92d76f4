"""The socket that clients connect to."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.support.aio import LOOPS, run

from workloads.proxyrunner.binding import bind
from workloads.proxyrunner.listener import Listener


def test_a_client_gets_the_body_of_an_answer_without_having_to_acknowledge_its_head():
    with bind("w", "127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()):
            listening.setblocking(True)
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("garbage", [False, True])
def test_a_client_that_sends_all_before_it_reads_gets_the_answer_that_refuses_it(loop, garbage):
    async def refuse(scope, receive, send):
        await send({"type": "http.response.start", "status": 409, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"No."})

    async def body():
        listener = Listener(bind("w", "127.0.0.1", 0), refuse)
        port = listener._socket.getsockname()[1]
        await listener.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if garbage:
                writer.write(b"what is this?\r\n\r\n")
            else:
                writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 2**24)
            try:
                for _ in range(2**8):
                    writer.write(b"x" * 2**16)
                    await writer.drain()
                answer = await reader.read()
            finally:
                writer.close()
            assert answer.startswith(b"HTTP/1.1 400 " if garbage else b"HTTP/1.1 409 ")
        finally:
            await listener.close()

    run(body(), loop=loop)
