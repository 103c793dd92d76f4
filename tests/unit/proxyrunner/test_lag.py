"""Whether a client reads what waits for it."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from tests.support.aio import LOOPS, run, until

from workloads.proxyrunner.binding import bind
from workloads.proxyrunner.clients import Clients
from workloads.proxyrunner.connection import Connection
from workloads.proxyrunner.lag import Lag, _arrived
from workloads.proxyrunner.listener import Listener

PATIENCE = 60.0


class Waiting:
    """A transport of which only is known how many bytes wait."""

    def __init__(self, size=0):
        self.size = size
        self.aborted = False

    def get_write_buffer_size(self):
        return self.size

    def get_extra_info(self, name):
        return None

    def set_write_buffer_limits(self, high):
        pass

    def write(self, data):
        self.size += len(data)

    writelines = write

    def abort(self):
        self.aborted = True


def watched():
    """A connection, and its transport."""
    loop = asyncio.get_running_loop()
    connection, transport = Connection(Clients(lambda *_: None, loop, lambda: None)), Waiting()
    connection.connection_made(transport)
    return connection, transport


@pytest.mark.parametrize(
    ("sizes", "given_up"),
    [
        ((0,) * 9, False),
        ((5, 5, 5, 5), True),
        ((5, 5, 5), False),
        ((5, 5, 5, 0, 5, 5, 5), False),
        ((5, 5, 5, 4, 4, 4), False),
        ((9, 8, 7, 6, 5, 4, 3, 2, 1), False),
        ((9, 8, 8, 8, 8), True),
    ],
    ids=str,
)
def test_a_client_is_given_up_that_reads_nothing_for_too_long_though_something_waits(sizes, given_up):
    async def body():
        connection, transport = watched()
        for number, size in enumerate(sizes):
            assert not transport.aborted
            transport.size = size
            connection.give_up(number * PATIENCE / 3, PATIENCE)
        assert transport.aborted is given_up

    run(body())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels tell nothing of what has arrived")
def test_what_arrives_counts_though_no_more_of_it_leaves_this_process():
    async def body():
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()) as client,
            listening.accept()[0] as server,
        ):
            transport = Waiting(100)
            transport.get_extra_info = lambda name: server
            server.sendall(b"a")
            assert client.recv(1) == b"a"
            await until(lambda: _arrived(server))
            lag = Lag(transport, 0.0)
            transport.size += 100  # what is written meanwhile is not read
            assert lag.lasts(1.0) == 1.0
            before = _arrived(server)
            server.sendall(b"a" * 100)
            assert client.recv(100, socket.MSG_WAITALL)
            await until(lambda: _arrived(server) > before)
            assert lag.lasts(2.0) == 0.0

    run(body())


def test_where_a_list_of_parts_would_not_be_held_up_they_are_written_as_one(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.connection._UNPAUSED", True)
    monkeypatch.delattr(Waiting, "writelines")

    async def body():
        connection, transport = watched()
        connection.write_all([b"ab", memoryview(b"c")])
        assert transport.size == 3

    run(body())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("drains", [False, True])
def test_a_client_that_has_stopped_to_read_is_let_go_and_one_with_nothing_to_read_is_not(loop, drains):
    async def body():
        begun, over, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def application(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if scope["path"] == "/quiet":
                await send({"type": "http.response.body", "body": b"a", "more_body": True})
                await go.wait()
                await send({"type": "http.response.body", "body": b"b"})
                return
            begun.set()
            while scope["workloads.connection"].lost is False:
                await send({"type": "http.response.body", "body": b"x" * 2**16, "more_body": True})
            over.set()

        listener = Listener(bind("w", "127.0.0.1", 0), application, patience=0.2)
        port = listener._socket.getsockname()[1]
        await listener.start()
        quiet, to_quiet = await asyncio.open_connection("127.0.0.1", port)
        to_quiet.write(b"GET /quiet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await quiet.readuntil(b"\r\n1\r\na\r\n")
        with socket.create_connection(("127.0.0.1", port)) as stopped:
            stopped.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun.wait()
            if drains:
                closing = asyncio.create_task(listener.close())
            await over.wait()
            go.set()
            assert await quiet.read() == b"1\r\nb\r\n0\r\n\r\n"
        to_quiet.close()
        await (closing if drains else listener.close())

    run(body(), loop=loop)
