"""The control listener of a proxy runner, its metrics and its access log, with real servers behind it."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest
from tests.support.aio import LOOPS, run
from tests.support.control import scrape, unix_client, values
from tests.support.quick import quick
from tests.support.raw_http import raw_client, raw_server, request
from tests.support.runners import Recorder, routed, served

from workloads import RunConfig, WorkloadFailedError
from workloads.config import MiddlewareConfig
from workloads.errors import PortInUseError
from workloads.proxyrunner import ControlPort, ControlSocket, ProxyRunner, ReplicaAddress

TOKEN = "token-1c5ff0"
ALLOWED = ("authorization", f"Bearer {TOKEN}")
EVENTS = ("content-type", "text/event-stream")
INITIALIZE = request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t"})


async def answer_ok(exchange):
    await exchange.answer(200, b'{"ok":true}', ("content-type", "application/json"))


async def begin_session(exchange):
    await exchange.answer(200, b'{"ok":true}', ("content-type", "application/json"), ("mcp-session-id", "s-canary"))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.needs("metrics")
def test_the_socket_is_private_answers_until_the_end_and_is_gone_then(tmp_path, loop):
    path = tmp_path / "x.sock"

    async def whole():
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(exchange):
            begun.set()
            await go_on.wait()
            await answer_ok(exchange)

        async with raw_server(slow) as server:
            config = RunConfig(name="routed", transport="streamable-http")
            recorder = Recorder()
            runner = ProxyRunner(
                config,
                replicas=[ReplicaAddress("127.0.0.1", server.port)],
                control=ControlSocket(path),
                observer=recorder,
            )
            async with served(runner) as (shutdown, task):
                await recorder.running()
                assert runner.control_url == f"unix:{path}"
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                async with raw_client(runner.port) as client:
                    answer = asyncio.create_task(client.post(request()))
                    await begun.wait()
                    shutdown.set()
                    await recorder.until(lambda seen: any(status == "stopping" for status, _ in seen.statuses))
                    # The drain has begun, and can be watched.
                    told = values((await scrape(runner.control_url)).body)
                    assert told["requests_in_flight"] == 1
                    go_on.set()
                    assert (await answer).status == 200
                await task
            assert not path.exists()
            with pytest.raises(RuntimeError, match="operator"):
                _ = runner.control_url

    run(whole(), loop=loop)


def test_control_routes_are_not_on_the_port_of_the_clients(tmp_path):
    async def whole():
        async with (
            raw_server(answer_ok) as server,
            routed(server.port, control=ControlSocket(tmp_path / "x.sock")) as runner,
            raw_client(runner.port) as client,
        ):
            await client.ask("GET", "/metrics")
            assert [seen.start.split()[1] for seen in server.seen] == [b"/metrics"]  # as any path of the server's

    run(whole())


def test_a_client_that_stays_does_not_hold_up_the_end(tmp_path):
    path = tmp_path / "x.sock"

    async def whole():
        async with raw_server(answer_ok) as server:
            async with routed(server.port, control=ControlSocket(path)) as runner, unix_client(path) as client:
                await client.ask("GET", "/metrics")
                client.writer.write(b"GET /metrics HTTP/1.1\r\nHos")
                assert runner.control_url
            assert await client.ended() == b""

    run(whole())


@pytest.mark.needs("metrics")
def test_over_tcp_it_takes_the_token_and_the_right_name():
    async def whole():
        async with (
            raw_server(answer_ok) as server,
            routed(server.port, control=ControlPort("127.0.0.1", 0, TOKEN)) as runner,
        ):
            url = runner.control_url
            assert url.startswith("http://127.0.0.1:")
            assert (await scrape(url, ALLOWED)).status == 200
            assert (await scrape(url)).status == 401
            assert (await scrape(url, ALLOWED, ("origin", url))).status == 403
            async with raw_client(int(url.rpartition(":")[2])) as client:
                foreign = await client.ask("GET", "/metrics", ("Host", "evil.example"), ALLOWED, host=False)
                assert foreign.status == 421

    run(whole())


def test_a_control_address_that_is_taken_ends_the_start_and_nothing_is_left(tmp_path):
    async def whole():
        async with raw_server(answer_ok) as server:
            with pytest.raises(PortInUseError):
                async with routed(server.port, control=ControlPort("127.0.0.1", server.port, TOKEN)):
                    pass
            with pytest.raises(WorkloadFailedError, match=r"missing/x\.sock"):
                async with routed(server.port, control=ControlSocket(tmp_path / "missing" / "x.sock")):
                    pass

    run(whole())


@pytest.mark.needs("metrics")
def test_metrics_tell_what_happened(tmp_path):
    async def handle(exchange):
        if exchange.request.start.startswith(b"GET"):
            await exchange.start(200, EVENTS, ("transfer-encoding", "chunked"))
            await exchange.chunk(b": hello\n\n")
            await exchange.gone()
        elif b"initialize" in exchange.request.body:
            await begin_session(exchange)
        elif b"fail" in exchange.request.body:
            await exchange.answer(500)
        else:
            await begin_session(exchange)  # some servers name the session in every answer

    async def whole():
        async with (
            raw_server(handle) as server,
            routed(server.port, control=ControlSocket(tmp_path / "x.sock")) as runner,
            raw_client(runner.port) as client,
            raw_client(runner.port) as stream,
        ):
            session = ("mcp-session-id", "s-canary")
            await client.post(INITIALIZE)
            await client.post(request(), session)
            await client.post(request("fail"), session)
            await client.ask("GET", "/health")
            await client.ask("GET", "/mcp", ("origin", "http://evil.example"))
            stream.write("GET", "/mcp", session, ("accept", "text/event-stream"))
            await stream.head()
            answer = await scrape(runner.control_url)
            assert answer.get("content-type") == "text/plain; version=0.0.4; charset=utf-8"
            assert b'workload="routed"' in answer.body
            told = values(answer.body)
            assert {name: value for name, value in told.items() if name.startswith("requests_total")} == {
                "requests_total POST 200": 2,
                "requests_total POST 500": 1,
                "requests_total GET 403": 1,
            }
            assert told["request_duration_seconds_count"] == 4
            assert told["request_duration_seconds_bucket +Inf"] == 4
            assert 0 < told["request_duration_seconds_sum"] < 30
            assert (told["requests_in_flight"], told["open_streams"]) == (0, 1)
            assert (told["replicas_ready"], told["replicas_desired"]) == (1, 1)
            assert told["sessions_begun_total"] == 1
            stream.close()
            await server.gone(1)
            async with asyncio.timeout(30):
                while values((await scrape(runner.control_url)).body)["open_streams"]:
                    pass
            told = values((await scrape(runner.control_url)).body)
            assert told["requests_total GET 200"] == 1
            assert told["request_duration_seconds_count"] == 4  # how long the stream was open is no such thing

    run(whole())


@pytest.mark.needs("metrics")
def test_servers_that_end_and_are_started_again_are_counted(tmp_path):
    async def whole():
        recorder = Recorder()
        runner = ProxyRunner(
            quick("w", backend_replicas=2), control=ControlSocket(tmp_path / "x.sock"), observer=recorder
        )
        async with runner:
            told = values((await scrape(runner.control_url)).body)
            assert (told["replicas_ready"], told["replicas_desired"], told["server_restarts_total"]) == (2, 2, 0)
            os.kill(recorder.pids[0], 9)
            await recorder.until(lambda seen: len(seen.pids) == 3 and seen.ready[-1] == (2, 2))
            told = values((await scrape(runner.control_url)).body)
            assert (told["replicas_ready"], told["server_restarts_total"]) == (2, 1)

    run(whole())


@pytest.mark.needs("metrics")
def test_a_server_that_is_woken_was_not_restarted(tmp_path):
    async def whole():
        recorder = Recorder()
        runner = ProxyRunner(
            quick("w", idle_timeout="50ms"), control=ControlSocket(tmp_path / "x.sock"), observer=recorder
        )
        async with runner:
            for number in (1, 2):
                await recorder.until(lambda seen, number=number: sum(each == (0, 0) for each in seen.ready) >= number)
                async with raw_client(runner.port) as client:
                    assert (await client.post(INITIALIZE)).status == 200
            told = values((await scrape(runner.control_url)).body)
            assert (len(recorder.pids), told["server_restarts_total"]) == (3, 0)

    run(whole())


@pytest.mark.needs("metrics")
def test_three_runners_in_one_process_do_not_mix(tmp_path):
    async def whole():
        async with raw_server(answer_ok) as server:
            names = ["a", "b", "c"]
            async with AsyncExitStack() as stack:
                runners = [
                    await stack.enter_async_context(
                        routed(server.port, name=name, control=ControlSocket(tmp_path / name))
                    )
                    for name in names
                ]
                for count, runner in enumerate(runners, 1):
                    for _ in range(count):
                        async with raw_client(runner.port) as client:
                            await client.post(request())
                for count, (name, runner) in enumerate(zip(names, runners, strict=True), 1):
                    answer = await scrape(runner.control_url)
                    assert values(answer.body)["requests_total POST 200"] == count
                    assert answer.body.count(b"workload=") == answer.body.count(b'workload="%s"' % name.encode())

    run(whole())


@pytest.mark.parametrize("enabled", [True, False])
def test_the_access_log_has_what_it_shall_and_no_more(tmp_path, caplog, enabled):
    caplog.set_level(logging.INFO if enabled else logging.WARNING, "workloads.access")

    async def whole():
        async with (
            raw_server(begin_session) as server,
            routed(server.port) as runner,
            raw_client(runner.port) as client,
        ):
            await client.post(INITIALIZE, path="/mcp?key=query-canary")
            modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call")]
            await client.post(request("tools/call"), *modern)
            await client.post(request("tools/list"), ("mcp-session-id", "s-canary"), path="/a%0ab")
            await client.ask("GET", "/health")
            await client.ask("GET", "/mcp", ("host", "evil.example"), host=False)
            return server.port

    port = run(whole())
    records = [record for record in caplog.records if record.name == "workloads.access"]
    if not enabled:
        assert records == []
        return
    assert [(it.method, it.path, it.status, it.mcp_method, it.backend) for it in records] == [
        ("POST", "/mcp", 200, "initialize", f"127.0.0.1:{port}"),
        ("POST", "/mcp", 200, "tools/call", f"127.0.0.1:{port}"),
        ("POST", "/a%0ab", 200, "tools/list", f"127.0.0.1:{port}"),
        ("GET", "/mcp", 421, "", ""),
    ]
    assert all(it.workload == "routed" and 0 < it.seconds < 30 for it in records)
    assert [it.bytes for it in records[:3]] == [11, 11, 11]
    assert records[0].session == records[2].session
    assert len(records[0].session) == 12
    assert "canary" not in str([vars(it) for it in records])


@pytest.mark.needs("opentelemetry")
def test_a_trace_goes_through_to_the_server():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def whole():
        async with (
            raw_server(answer_ok) as server,
            routed(server.port, middleware_configs=[MiddlewareConfig(type="telemetry")]) as runner,
            raw_client(runner.port) as client,
        ):
            assert (await client.post(request(), ("traceparent", trace))).status == 200
            assert server.seen[0].get("traceparent") == trace  # nobody records spans here

    run(whole())


def test_without_its_library_the_metrics_say_what_to_install(tmp_path):
    program = f"""
import asyncio, sys
sys.modules["prometheus_client"] = None
from tests.support.raw_http import raw_server
from tests.support.runners import routed
from workloads.proxyrunner import ControlSocket

PATH = {str(tmp_path / "x")!r}

async def main():
    async with raw_server(None) as server, routed(server.port, control=ControlSocket(PATH)):
        reader, writer = await asyncio.open_unix_connection(PATH)
        writer.write(b"GET /metrics HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n")
        print((await reader.read()).decode())
        writer.close()

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert "501 Not Implemented" in done.stdout
    assert "workloads[metrics]" in done.stdout
