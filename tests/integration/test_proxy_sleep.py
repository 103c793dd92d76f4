"""A workload that sleeps while nobody uses it, with servers that really end and start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest
from tests.support.aio import run
from tests.support.control import unix_client
from tests.support.lives import BOTH, FREEZING, LIFE, OPENING, asleep, post, seen, sleeper, state_of
from tests.support.raw_http import chunks, raw_client, request
from tests.support.runners import Recorder, served
from tests.support.sse_client import streaming
from tests.support.waiting import wait_until

from workloads import RunConfig, RunConfigError
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ControlSocket, ProxyRunner, ReplicaAddress

DISCOVER = (("mcp-method", "server/discover"), ("mcp-protocol-version", "2026-07-28"))


@BOTH
def test_it_sleeps_when_idle_and_the_first_request_wakes_it(transport):
    async def body():
        told = Recorder()
        async with sleeper(transport, told=told) as runner:
            await asleep(told)
            assert told.ready == [(1, 0), (1, 1), (0, 0)]
            answer = await post(runner.port, OPENING)
            assert answer.status == 200
            assert answer.json["result"]["protocolVersion"] == "2025-11-25"
            await asleep(told, 2)
            assert len(told.pids) == 2
        assert seen(told) == [
            "starting", "running", "running asleep", "running waking", "running", "running asleep",
            "stopping", "stopped",
        ]  # fmt: skip

    run(body())


def test_an_idle_timeout_that_is_over_before_the_server_is_started_starts_it_once():
    async def body():
        told = Recorder()
        async with sleeper(told=told, idle_timeout="1ns"):
            await asleep(told)
            assert seen(told) == ["starting", "running", "running asleep"]
            assert told.ready == [(1, 0), (1, 1), (0, 0)]

    run(body())


@BOTH
def test_a_health_check_and_what_is_refused_wake_nothing(transport):
    async def body():
        told = Recorder()
        async with sleeper(transport, told=told) as runner:
            await asleep(told)
            async with raw_client(runner.port) as client:
                health = await client.ask("GET", "/health")
                assert (health.status, health.json["status"]) == (200, "healthy")
                assert (await client.post([OPENING])).status == 400
                assert (await client.post(OPENING, ("Origin", "http://evil.example"))).status == 403
            assert len(told.pids) == 1
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, "asleep")

    run(body())


@BOTH
def test_a_hundred_first_requests_start_one_server(transport):
    """S2Z-T65: 100 simultaneous first requests -> 1 wake call, all forwarded after readiness."""

    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, idle_timeout="300ms") as runner:
            await asleep(told)
            answers = await asyncio.gather(*(post(runner.port, OPENING | {"id": number}) for number in range(100)))
            assert [answer.status for answer in answers] == [200] * 100
            assert [answer.json["id"] for answer in answers] == list(range(100))
            assert len(told.pids) == 2

    run(body())


def test_a_body_that_is_too_large_wakes_nothing():
    """S2Z-T65: body limit -> 413."""

    async def body():
        told = Recorder()
        async with sleeper(told=told) as runner:
            await asleep(told)
            async with raw_client(runner.port) as client:
                client.write("POST", "/mcp", ("content-length", str(9 * 2**20)), ("content-type", "application/json"))
                assert (await client.head()).status == 413
            assert len(told.pids) == 1

    run(body())


@BOTH
def test_a_wake_that_fails_fails_for_all_who_wait_and_is_tried_again(transport, tmp_path):
    """S2Z-T66: wake fails -> every waiter gets the same error once; the next request retries after backoff."""
    spoilt = tmp_path / "spoilt"

    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, spoilt=spoilt, spoil={"exit": 3}) as runner:
            await asleep(told)
            spoilt.touch()
            answers = await asyncio.gather(*(post(runner.port, OPENING) for _ in range(5)))
            assert {answer.status for answer in answers} == {503}
            assert {answer.get("retry-after") for answer in answers} == {"1"}
            (reason,) = {answer.json["error"]["message"] for answer in answers}
            assert reason == "The server could not be woken: exited with code 3 before it was ready"
            # One wake; a stdio server that ends when it is asked for the new era is asked once more for the old one.
            assert len(told.pids) == (2 if transport == "streamable-http" else 3)
            assert told.statuses[-1][0] is WorkloadStatus.UNHEALTHY
            async with raw_client(runner.port) as client:
                assert (await client.ask("GET", "/health")).status == 503
            spoilt.unlink()
            before = len(told.statuses)
            begun = asyncio.get_running_loop().time()
            assert (await post(runner.port, OPENING)).status == 200
            assert asyncio.get_running_loop().time() - begun > 0.3
            assert (WorkloadStatus.RUNNING, "") in told.statuses[before:]

    run(body())


def test_a_client_that_goes_does_not_cancel_the_wake_of_others():
    """S2Z-T66: waiter that disconnects does not cancel the wake for the others."""

    async def body():
        told = Recorder()
        async with sleeper(told=told, life={"ready_after": 0.3}, idle_timeout="500ms") as runner:
            await asleep(told)
            async with raw_client(runner.port) as impatient:
                patient = asyncio.create_task(post(runner.port, OPENING))
                impatient.write("POST", "/mcp", ("content-type", "application/json"), body=json.dumps(OPENING).encode())
                await told.until(lambda told: told.statuses[-1][1] == "waking")
            assert (await patient).status == 200
            assert len(told.pids) == 2

    run(body())


def test_a_server_that_is_never_ready_is_not_sent_anything(tmp_path):
    """S2Z-T67: process listens but is not ready (connect OK, 503) -> not forwarded; deadline -> 504 with the reason."""
    spoilt = tmp_path / "spoilt"

    async def body():
        told = Recorder()
        runner = sleeper(told=told, spoilt=spoilt, spoil={"status": 503}, ready_timeout="2s")
        async with runner:
            await asleep(told)
            spoilt.touch()
            answer = await post(runner.port, OPENING)
            assert answer.status == 504
            assert "not ready after 2 s; last answer: POST /mcp" in answer.json["error"]["message"]

    run(body())


def test_a_request_that_ends_the_server_it_woke_is_not_sent_again(tmp_path):
    """S2Z-T68: workload dies right after "ready" -> non-idempotent request is not replayed."""
    trail = tmp_path / "trail"

    async def body():
        told = Recorder()
        async with sleeper(told=told, life={"trail": str(trail)}) as runner:
            await asleep(told)
            answer = await post(runner.port, request("crash"))
            assert answer.status == 503
            assert trail.read_text().split().count("started") == 2

    run(body())


@BOTH
def test_a_probe_of_the_era_is_held_while_it_wakes(transport):
    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, life={"ready_after": 0.2}) as runner:
            await asleep(told)
            answer = await post(runner.port, request("server/discover"), *DISCOVER)
            assert answer.status == 200 if transport == "streamable-http" else answer.status < 500

    run(body())


@pytest.mark.parametrize(
    ("transport", "place"), [("streamable-http", "sender"), ("stdio", "bridge.app")], ids=["http", "stdio"]
)
def test_a_probe_of_the_era_never_learns_that_waking_took_too_long(transport, place, monkeypatch):
    """The connection is closed instead: any answer would make the client speak the old protocol for good."""
    monkeypatch.setattr(f"workloads.proxyrunner.{place}.HOLD", 0.2)

    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, life={"ready_after": 1.0}, idle_timeout="2s") as runner:
            await asleep(told)
            async with raw_client(runner.port) as client:
                client.write(
                    "POST", "/mcp", ("content-type", "application/json"), *DISCOVER,
                    body=json.dumps(request("server/discover")).encode(),
                )  # fmt: skip
                assert await client.ended() == b""
            await told.running(4)  # running, asleep, waking, running: nobody waits, and it is woken all the same

    run(body())


@BOTH
def test_a_drain_while_it_sleeps_ends_at_once(transport):
    async def body():
        told = Recorder()
        async with served(sleeper(transport, told=told)) as (shutdown, task):
            await asleep(told)
            shutdown.set()
            await asyncio.wait_for(task, 20)
        assert seen(told)[-3:] == ["running asleep", "stopping", "stopped"]

    run(body())


@BOTH
def test_a_drain_while_it_wakes_refuses_who_waits(transport, tmp_path):
    spoilt = tmp_path / "spoilt"

    async def body():
        told = Recorder()
        subject = sleeper(transport, told=told, spoilt=spoilt, spoil={"ready_after": 30})
        async with served(subject) as (shutdown, task):
            await asleep(told)
            spoilt.touch()
            waiting = asyncio.create_task(post(told.port, OPENING))
            await told.until(lambda told: len(told.pids) == 2)
            shutdown.set()
            answer = await waiting
            assert (answer.status, answer.get("connection")) == (503, "close")
            assert answer.json["error"]["message"] == "The proxy is shutting down"
            await asyncio.wait_for(task, 30)
        assert seen(told)[-2:] == ["stopping", "stopped"]

    run(body())


def test_a_drain_while_it_falls_asleep_ends_the_server(tmp_path):
    trail = tmp_path / "trail"
    deaf = f"trap 'echo asked >> {trail}' TERM; {sys.executable} {LIFE} & while true; do wait; done"

    async def body():
        told = Recorder()
        subject = sleeper(told=told, command=("sh", "-c", deaf), stop_grace=lambda: 0.1)
        async with served(subject) as (shutdown, task):
            await told.running()
            await asyncio.to_thread(wait_until, trail.exists)
            assert told.ready[-1] == (1, 1)
            shutdown.set()
            await asyncio.wait_for(task, 20)
        assert seen(told) == ["starting", "running", "stopping", "stopped"]

    run(body())


def test_several_replicas_sleep_and_wake_together():
    async def body():
        told = Recorder()
        async with sleeper(told=told, backend_replicas=3) as runner:
            await asleep(told)
            assert told.ready[-1] == (0, 0)
            assert (await post(runner.port, OPENING)).status == 200
            await asleep(told, 2)
            assert len(told.pids) == 6

    run(body())


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_stream_of_the_old_sse_transport_wakes_it_and_keeps_it_awake_while_open(replicas):
    async def body():
        told = Recorder()
        server = (sys.executable, str(LIFE.with_name("sse.py")))
        async with sleeper("sse", told=told, command=server, backend_replicas=replicas) as runner:
            for times in (1, 2):
                await asleep(told, times)
                async with streaming(runner.port) as stream, raw_client(runner.port) as poster:
                    pid, _ = await stream.call(poster)
                    # Nobody sends anything for ten times as long as it may be idle.
                    assert await stream.call(poster, 2, seconds=0.5) == (pid, 2)
                    assert await stream.call(poster, 3) == (pid, 3)
                    assert told.statuses.count((WorkloadStatus.RUNNING, "asleep")) == times
            await asleep(told, 3)
            async with raw_client(runner.port) as poster:
                gone = await poster.post(request("tools/call"), path=stream.endpoint)
                assert gone.status == 404

    run(body())


BROWSER = (("accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("sec-fetch-mode", "navigate"))


def test_a_person_sees_a_page_that_lasts_until_it_is_woken_and_loads_again():
    async def body():
        told = Recorder()
        async with sleeper(told=told, life={"ready_after": 1.2}, idle_timeout="500ms") as runner:
            await asleep(told)
            async with raw_client(runner.port) as client:
                client.write("GET", "/", *BROWSER)
                head = await client.head()
                assert (head.status, head.get("cache-control")) == (503, "no-store")
                assert head.get("content-type") == "text/html; charset=utf-8"
                parts = [part.decode() async for part in chunks(client.reader)]
            assert "sleeper is waking" in parts[0]
            assert "Waking for 1 s" in parts[1]
            assert "location.reload()" in parts[-1]
            assert len(told.pids) == 2
            async with raw_client(runner.port) as client:
                client.write("GET", "/", *BROWSER)
                assert (await client.head()).get("content-type") == "text/event-stream"

    run(body())


def test_a_person_is_told_why_it_could_not_be_woken(tmp_path):
    spoilt = tmp_path / "spoilt"

    async def body():
        told = Recorder()
        async with sleeper(told=told, spoilt=spoilt, spoil={"exit": 3}) as runner:
            await asleep(told)
            spoilt.touch()
            async with raw_client(runner.port) as client:
                client.write("GET", "/", *BROWSER)
                await client.head()
                parts = [part.decode() async for part in chunks(client.reader)]
            assert "could not be woken: exited with code 3 before it was ready." in parts[-1]
            assert "reload" not in "".join(parts)

    run(body())


def test_a_person_who_goes_leaves_nothing_behind_and_a_program_gets_no_page():
    async def body():
        told = Recorder()
        async with sleeper(told=told, life={"ready_after": 0.3}) as runner:
            await asleep(told)
            async with raw_client(runner.port) as client:
                client.write("GET", "/", *BROWSER)
                await client.head()
            await asleep(told, 2)
            async with raw_client(runner.port) as client:
                client.write("GET", "/", ("accept", "text/event-stream, text/html"), ("sec-fetch-mode", "cors"))
                assert (await client.head()).status == 200

    run(body())


@BOTH
def test_the_operator_sees_who_keeps_it_awake_and_may_do_so_himself(transport, tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, control=ControlSocket(path)):
            await asleep(told)
            async with unix_client(path) as operator:
                status = (await operator.ask("GET", "/scaletozero")).json
                assert (status["sleep"], len(told.pids)) == ("allowed", 1)
                assert (await operator.ask("POST", "/scaletozero/disable?name=demo")).status == 204
                assert told.statuses[-1] == (WorkloadStatus.RUNNING, "")
                status = (await operator.ask("GET", "/scaletozero")).json
                assert [each["name"] for each in status["disables"]] == ["demo"]
                assert (await operator.ask("POST", "/scaletozero/enable?name=demo")).status == 204
                await asleep(told, 2)

    run(body())


@FREEZING
@BOTH
@pytest.mark.parametrize("replicas", [1, 2])
def test_suspended_servers_are_frozen_and_go_on_with_what_they_knew(transport, replicas):
    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, sleep_mode="suspend", backend_replicas=replicas) as runner:
            await asleep(told)
            pids = list(told.pids)
            assert len(pids) == replicas
            await asyncio.to_thread(wait_until, lambda: {state_of(pid) for pid in pids} == {"T"})
            assert told.ready[-1] == (replicas, 0)
            answers = await asyncio.gather(*(post(runner.port, OPENING) for _ in range(20)))
            assert {answer.status for answer in answers} == {200}
            await asleep(told, 2)
            assert told.pids[:replicas] == pids
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, "asleep")
        assert seen(told)[-2:] == ["stopping", "stopped"]

    run(body())


@FREEZING
def test_a_session_outlives_a_sleep_in_which_its_server_is_frozen():
    async def body():
        told = Recorder()
        async with sleeper("stdio", told=told, sleep_mode="suspend") as runner:
            opened = await post(runner.port, OPENING)
            session = opened.get("mcp-session-id")
            assert session is not None
            await asleep(told)
            answer = await post(runner.port, request("tools/list"), ("mcp-session-id", session))
            assert answer.status == 200

    run(body())


@FREEZING
@BOTH
def test_a_server_that_is_killed_while_it_is_frozen_is_started_by_the_next_request(transport):
    async def body():
        told = Recorder()
        async with sleeper(transport, told=told, sleep_mode="suspend", idle_timeout="200ms") as runner:
            await asleep(told)
            (pid,) = told.pids
            os.kill(pid, signal.SIGKILL)
            await told.until(lambda told: told.ready[-1] == (0, 0))
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, "asleep")
            assert (await post(runner.port, OPENING)).status == 200
            assert pid not in told.pids[1:]

    run(body())


@FREEZING
@BOTH
def test_a_drain_while_it_is_frozen_lets_the_server_end_by_itself(transport, tmp_path):
    trail = tmp_path / "trail"

    async def body():
        told = Recorder()
        subject = sleeper(transport, told=told, sleep_mode="suspend", life={"trail": str(trail)})
        async with served(subject) as (shutdown, task):
            await asleep(told)
            shutdown.set()
            await asyncio.wait_for(task, 20)
        assert trail.read_text().split("\n")[1] == ("terminated" if transport == "streamable-http" else "end of input")

    run(body())


def test_whoever_only_routes_puts_nobody_to_sleep():
    async def body():
        config = RunConfig(name="w", transport="streamable-http", idle_timeout="1s")
        with pytest.raises(RunConfigError, match="idle_timeout: this proxy runner only routes"):
            await ProxyRunner(config, replicas=[ReplicaAddress("127.0.0.1", 9)]).serve()

    run(body())
