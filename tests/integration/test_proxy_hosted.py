"""A proxy runner inside an ASGI server of somebody else's, and several of them in one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket

import pytest
import uvicorn
from tests.support.aio import run
from tests.support.lives import living
from tests.support.raw_http import chunks, raw_client, raw_server, request

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner, ReplicaAddress


@contextlib.asynccontextmanager
async def hosted(app, *, lifespan="on"):
    """An ASGI server of somebody else's. Yields its port."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan=lifespan, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # those of the process belong to the tests
    task = asyncio.create_task(server.serve([bound]))
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110  # it has no event for that
                await asyncio.sleep(0.01)
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait({task})
        bound.close()


def subject(port, **fields):
    config = RunConfig(**{"name": "hosted", "transport": "streamable-http", **fields})
    return ProxyRunner(config, replicas=[ReplicaAddress("127.0.0.1", port)], listen=False)


def through(body, handle, **options):
    """Run a test body with a client, the server, and between them an ASGI server with the runner in it."""

    async def whole():
        async with raw_server(handle) as server:
            runner = subject(server.port)
            async with hosted(runner.asgi, **options) as port, raw_client(port) as client:
                await body(client, server)
            async with raw_client(server.port):
                with pytest.raises(RuntimeError, match="does not listen"):
                    _ = runner.port

    run(whole())


async def answer_ok(exchange):
    await exchange.answer(200, exchange.request.body)


def test_the_lifespan_of_the_server_starts_and_ends_the_runner():
    async def body(client, server):
        for number in range(3):
            answer = await client.post(request(request_id=number))
            assert (answer.status, answer.json["id"]) == (200, number)
        assert (await client.ask("GET", "/health")).json["status"] == "healthy"
        assert server.seen[0].get("x-forwarded-host") == f"127.0.0.1:{client.port}"
        large = b"x" * 2**20
        assert (await client.post(large)).body == large

    through(body, answer_ok)


def test_a_workload_that_does_not_start_fails_the_start_of_the_server():
    async def body():
        async with raw_server(answer_ok) as server:
            port = server.port
        sent = []

        async def receive():
            return {"type": "lifespan.startup"}

        async def send(message):
            sent.append(message)

        await subject(port, ready_timeout="200ms").asgi({"type": "lifespan"}, receive, send)
        (message,) = sent
        assert message["type"] == "lifespan.startup.failed"
        assert "not ready after 0.2 s" in message["message"]

    run(body())


def test_a_websocket_is_refused():
    async def body(client, server):
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message["type"])

        await subject(server.port).asgi({"type": "websocket"}, receive, send)
        assert sent == ["websocket.close"]

    through(body, answer_ok)


def test_hosts_and_origins_are_checked_there_too():
    async def body(client, server):
        assert (await client.ask("GET", "/mcp", ("host", "evil.example"), host=False)).status == 421
        assert (await client.ask("GET", "/mcp", ("origin", "http://evil.example"))).status == 403
        own = f"http://127.0.0.1:{client.port}"
        assert (await client.ask("GET", "/mcp", ("origin", own))).status == 200
        assert len(server.seen) == 1

    through(body, answer_ok)


def test_a_client_that_leaves_ends_the_request_at_the_server():
    async def whole():
        async def handle(exchange):
            await exchange.gone()

        async with raw_server(handle) as server, hosted(subject(server.port).asgi) as port:
            for method in ("POST", "GET"):
                async with raw_client(port) as client:
                    client.write(method, "/mcp", body=json.dumps(request()).encode() if method == "POST" else b"")
                    await server.until(lambda self: self.seen)
                    server.seen.clear()
                ended = server.ended
                await server.gone(ended + 1)

    run(whole())


def test_a_stream_passes_part_by_part_and_is_cut_when_the_server_cuts_it():
    async def whole():
        more = asyncio.Event()

        async def handle(exchange):
            await exchange.start(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
            await exchange.chunk(b"data: 1\n\n")
            await more.wait()
            exchange.reset()

        async with raw_server(handle) as server, hosted(subject(server.port).asgi) as port, raw_client(port) as client:
            client.write("GET", "/mcp")
            await client.head()
            parts = chunks(client.reader)
            assert await anext(parts) == b"data: 1\n\n"
            more.set()
            with pytest.raises(asyncio.IncompleteReadError):
                await anext(parts)

    run(whole())


def test_a_discover_that_cannot_be_answered_gets_no_whole_answer(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.gate.HOLD", 0.2)

    async def handle(exchange):
        await exchange.answer(503)

    async def body(client, server):
        discover = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")]
        client.write("POST", "/mcp", *discover, body=json.dumps(request("server/discover")).encode())
        head = await client.head()
        assert (head.status, head.get("content-length")) == (200, "1")
        assert await client.ended() == b""

    through(body, handle)


def test_it_can_be_mounted_below_a_path_and_started_by_whoever_mounts_it():
    async def whole():
        async with raw_server(answer_ok) as server:
            runner = subject(server.port)
            inner = runner.asgi

            async def outer(scope, receive, send):
                await inner({**scope, "root_path": "/tools/time"}, receive, send)

            async with hosted(outer, lifespan="off") as port, raw_client(port) as client:
                refused = await client.post(request(), path="/tools/time/mcp")
                assert (refused.status, refused.get("retry-after")) == (503, "1")
                async with runner:
                    for path, seen in (("/tools/time/m%63p?a=%20", b"/m%63p?a=%20"), ("/tools/time", b"/")):
                        assert (await client.post(request(), path=path)).status == 200
                        assert server.seen[-1].start.split()[1] == seen
                assert (await client.post(request(), path="/tools/time/mcp")).status == 503

    run(whole())


def test_three_runners_live_on_one_loop_and_one_of_them_ends_without_the_others():
    def owner(transport, name):
        return ProxyRunner(living(transport, name=name))

    async def whole():
        tasks = asyncio.all_tasks()
        async with raw_server(answer_ok) as server, owner("streamable-http", "one") as one:
            async with (
                owner("stdio", "two") as two,
                subject(server.port) as three,
                hosted(three.asgi, lifespan="off") as hosted_port,
            ):
                ports = {one.port, two.port, hosted_port}
                assert len(ports) == 3
                for port in ports:
                    async with raw_client(port) as client:
                        assert (await client.ask("GET", "/health")).status == 200
            async with raw_client(one.port) as client:
                assert (await client.post(request())).status == 200
        assert asyncio.all_tasks() == tasks

    run(whole())
