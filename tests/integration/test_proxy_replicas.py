"""Several replicas behind one proxy: how requests are divided, where sessions stay, and what a lost replica costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.processes import is_there
from tests.support.raw_http import raw_client, request
from tests.support.runners import Recorder, served
from tests.support.waiting import wait_until

from workloads import RunConfig, WorkloadFailedError
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner

SERVERS = Path(__file__).parents[1] / "servers"
MODERN = ("mcp-protocol-version", "2026-07-28")


@pytest.fixture
def quick_restarts(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)
    monkeypatch.setattr("workloads.proxyrunner.backoff.LAST_DELAY", 0.02)


def runner(observer=None, *, server="sessions.py", transport="streamable-http", replicas=3, **fields):
    options = {key: fields.pop(key) for key in ("log", "folder") if key in fields}
    config = RunConfig(
        name="many",
        command=(sys.executable, str(SERVERS / server)),
        transport=transport,
        backend_replicas=replicas,
        **fields,
    )
    return ProxyRunner(config, observer=observer, **options)


def pid_of(answer):
    """Which process answered."""
    return int(answer.get("x-pid")) if answer.get("x-pid") else answer.json["result"]["pid"]


class Session:
    """A client with a session."""

    def __init__(self, client, header, pid=0):
        self.client = client
        self.header = header
        self.pid = pid

    async def post(self, message):
        return await self.client.post(message, self.header)

    async def call(self, **params):
        return await self.post(request("tools/call", 7, **params))


async def session(client):
    answer = await client.post(request("initialize", 0, protocolVersion="2025-11-25"))
    assert answer.status == 200
    return Session(client, ("mcp-session-id", answer.get("mcp-session-id")), int(answer.get("x-pid") or 0))


@asynccontextmanager
async def sessions(port, count=3):
    """As many clients, each with a connection and a session of its own."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw_client(port)) for _ in range(count)]
        yield [await session(client) for client in clients]


async def assert_unknown(asking, request_id=7):
    answer = await asking
    assert answer.status == 404
    assert answer.json == {
        "jsonrpc": "2.0", "id": request_id, "error": {"code": -32001, "message": "Session not found"},
    }  # fmt: skip


def test_t25_a_hundred_calls_without_session_are_spread_over_all_replicas():
    """MCP-T25: two replicas, modern: 100 calls spread; no pin left behind."""

    async def body():
        told = Recorder()
        async with runner(told) as subject, raw_client(subject.port) as client:
            answers = [await client.post(request("tools/call"), MODERN) for _ in range(100)]
            assert {answer.status for answer in answers} == {200}
            spread = Counter(map(pid_of, answers))
            assert set(spread) == set(told.pids)
            assert sorted(spread.values()) == [33, 33, 34]
            named = await client.post(request("tools/call"), MODERN, ("mcp-session-id", "stale"))
            assert named.status == 200

    run(body())


def test_a_busy_replica_is_spared():
    async def body():
        async with runner(replicas=2) as subject, raw_client(subject.port) as slow, raw_client(subject.port) as client:
            calling = asyncio.create_task(slow.post(request("tools/call", seconds=1), MODERN))
            spread: Counter[int] = Counter()
            while not calling.done():
                spread[pid_of(await client.post(request("tools/call"), MODERN))] += 1
            busy = pid_of(await calling)
            # The first may have overtaken the slow call, and the last have come after it.
            assert spread[busy] <= 2 < spread.total() - spread[busy]

    run(body())


def test_a_workload_runs_once_all_replicas_are_ready_and_ends_them_all():
    async def body():
        told = Recorder()
        async with runner(told):
            assert told.statuses == [(WorkloadStatus.STARTING, ""), (WorkloadStatus.RUNNING, "")]
            assert told.ready[-1] == (3, 3)
            assert len(told.pids) == 3
            assert all(map(is_there, told.pids))
        assert told.statuses[2:] == [(WorkloadStatus.STOPPING, ""), (WorkloadStatus.STOPPED, "")]
        assert told.ready[-1] == (0, 0)
        assert not any(map(is_there, told.pids))

    run(body())


def test_t24_every_verb_of_a_session_reaches_the_replica_that_began_it():
    """MCP-T24: two replicas, legacy: all verbs of a session hit the minting replica."""

    async def body():
        async with runner() as subject, sessions(subject.port, 4) as opened:
            assert len({one.pid for one in opened}) == 3
            for one in opened:
                stream = await one.client.ask("GET", "/mcp", one.header, ("accept", "text/event-stream"))
                answers = [
                    await one.call(),
                    await one.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
                    await one.post({"jsonrpc": "2.0", "id": 1, "result": {}}),
                    stream,
                    await one.client.ask("DELETE", "/mcp", one.header),
                ]
                assert [answer.status for answer in answers] == [200, 202, 202, 200, 200]
                assert {pid_of(answer) for answer in answers} == {one.pid}
                await assert_unknown(one.call())

    run(body())


def test_the_sessions_of_a_lost_replica_are_begun_again_at_another_and_it_comes_back(quick_restarts):
    async def body():
        told = Recorder()
        async with runner(told) as subject, sessions(subject.port) as (lost, *others):
            os.kill(lost.pid, signal.SIGKILL)
            await told.until(lambda self: any(ready == 2 for _, ready in self.ready[self.ready.index((3, 3)) :]))
            moved = {pid_of(answer) for answer in [await lost.call() for _ in range(5)]}
            assert len(moved) == 1
            assert moved <= {*told.pids} - {lost.pid}  # the one in its place may be there already
            assert [pid_of(await other.call()) for other in others] == [other.pid for other in others]
            await told.until(lambda self: len(self.pids) == 4 and self.ready[-1] == (3, 3))
            context = "2 of 3 replicas are ready; replica "
            assert any(
                status is WorkloadStatus.RUNNING and text.startswith(context) and "restarting" in text
                for status, text in told.statuses
            )
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, "")
            assert told.count(WorkloadStatus.STARTING) == 1
            assert {pid_of(await lost.call())} == moved
            assert [pid_of(await other.call()) for other in others] == [other.pid for other in others]
            assert (await lost.client.ask("DELETE", "/mcp", lost.header)).status == 200
            await assert_unknown(lost.call())

    run(body())


def test_requests_of_no_session_do_not_notice_a_lost_replica(quick_restarts):
    async def body():
        told = Recorder()
        async with runner(told) as subject, raw_client(subject.port) as client:
            os.kill(told.pids[0], signal.SIGKILL)
            answers = [await client.post(request("tools/call"), MODERN) for _ in range(20)]
            # A connection that was open when the replica died may have carried one request.
            assert sum(answer.status == 200 for answer in answers) >= 19
            assert (await client.ask("GET", "/health")).status == 200
            await told.until(lambda self: len(self.pids) == 4 and self.ready[-1] == (3, 3))

    run(body())


def test_a_session_nobody_knows_is_not_found_with_several_replicas():
    async def body():
        async with runner() as subject, raw_client(subject.port) as client:
            stranger = Session(client, ("mcp-session-id", "stranger"))
            await assert_unknown(stranger.call())
            begun = await stranger.post(request("initialize", 0, protocolVersion="2025-11-25"))
            assert begun.status == 200

    run(body())


def test_one_replica_alone_judges_its_sessions_itself():
    async def body():
        async with runner(replicas=1) as subject, raw_client(subject.port) as client:
            assert (await Session(client, ("mcp-session-id", "stranger")).call()).status == 418

    run(body())


def test_a_server_without_sessions_is_spread_whatever_session_a_client_names():
    async def body():
        async with runner(stateless=True) as subject, raw_client(subject.port) as client:
            stranger = Session(client, ("mcp-session-id", "stranger"))
            answers = [await stranger.call() for _ in range(6)]
            assert len({pid_of(answer) for answer in answers}) == 3

    run(body())


def test_a_drain_lets_what_is_in_flight_at_each_replica_finish(tmp_path):
    logs, enough = [tmp_path / f"{index}.log" for index in range(3)], tmp_path / "enough"

    async def body():
        told = Recorder()
        async with served(runner(told, log=logs.__getitem__)) as (shutdown, task):
            await told.running()
            async with sessions(told.port) as opened, raw_client(told.port) as late:
                calls = [asyncio.create_task(one.call(until=str(enough))) for one in opened]
                await asyncio.to_thread(wait_until, lambda: all("called" in log.read_text() for log in logs))
                shutdown.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))
                assert (await late.post(request("tools/call"), MODERN)).status == 503
                enough.touch()
                answers = await asyncio.gather(*calls)
                assert [(answer.status, pid_of(answer)) for answer in answers] == [(200, one.pid) for one in opened]
            await asyncio.wait_for(task, 30)
        assert not any(map(is_there, told.pids))

    run(body())


def test_a_drain_starts_no_replica_again(tmp_path, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.5)
    logs, enough = [tmp_path / f"{index}.log" for index in range(2)], tmp_path / "enough"

    async def body():
        told = Recorder()
        async with served(runner(told, replicas=2, log=logs.__getitem__)) as (shutdown, task):
            await told.running()
            async with sessions(told.port, 2) as (lost, other):
                calling = asyncio.create_task(other.call(until=str(enough)))
                await asyncio.to_thread(wait_until, lambda: any("called" in log.read_text() for log in logs))
                os.kill(lost.pid, signal.SIGKILL)
                await told.until(lambda self: self.ready[-1] == (1, 1))
                shutdown.set()
                await asyncio.sleep(0.7)  # longer than until it would be started again
                enough.touch()
                assert (await calling).status == 200
            await asyncio.wait_for(task, 30)
        assert len(told.pids) == 2

    run(body())


def test_a_replica_that_never_starts_does_not_end_the_others_and_is_told(tmp_path):
    async def body():
        told = Recorder()
        subject = runner(told, env_vars={"FAILING": "1"}, folder=lambda index: tmp_path / str(index))
        async with subject, raw_client(subject.port) as client:
            reason = "2 of 3 replicas are ready; replica 1: exited with code 3 before it was ready"
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, reason)
            assert told.ready[-1] == (2, 2)
            health = await client.ask("GET", "/health")
            assert (health.status, health.json["status"]) == (200, "degraded")
            assert len({pid_of(await client.post(request("tools/call"), MODERN)) for _ in range(4)}) == 2

    run(body())


def test_the_workload_fails_when_no_replica_is_left(tmp_path):
    async def body():
        told = Recorder()
        subject = runner(told, env_vars={"FAILING": "0 1 2"}, folder=lambda index: tmp_path / str(index))
        with pytest.raises(WorkloadFailedError, match="exited with code 3") as caught:
            await subject.serve()
        assert "failing" in caught.value.logs
        assert told.statuses[-1] == (WorkloadStatus.ERROR, "exited with code 3 before it was ready")

    run(body())


def test_a_workload_whose_replicas_are_never_started_again_ends_with_the_last():
    async def body():
        told = Recorder()
        async with served(runner(told, replicas=2, restart="no")) as (_, task):
            await told.running()
            os.kill(told.pids[0], signal.SIGKILL)
            await told.until(lambda self: self.ready[-1] == (1, 1))
            await told.until(lambda self: "1 of 2 replicas are ready" in self.statuses[-1][1])
            os.kill(told.pids[1], signal.SIGKILL)
            with pytest.raises(WorkloadFailedError, match="SIGKILL"):
                await asyncio.wait_for(asyncio.shield(task), 30)
        assert told.statuses[-1][0] is WorkloadStatus.ERROR

    run(body())


def test_cancelling_while_replicas_start_leaves_none():
    async def body():
        told = Recorder()
        subject = runner(told, server="life.py", env_vars={"LIFE": '{"ready_after": 60}'})
        async with served(subject) as (_, task):
            await told.until(lambda self: len(self.pids) == 3)
            task.cancel()
            await asyncio.wait({task}, timeout=20)
        assert not any(map(is_there, told.pids))

    run(body())


def test_t24_sessions_of_a_stdio_server_are_divided_stay_and_are_lost_with_their_process(quick_restarts):
    """MCP-T24: two replicas, legacy: all verbs of a session hit the minting replica."""

    async def body():
        told = Recorder()
        subject = runner(told, server="life.py", transport="stdio")
        async with subject, sessions(subject.port) as opened:
            for one in opened:
                one.pid = pid_of(await one.call())
                assert [pid_of(await one.call()) for _ in range(3)] == [one.pid] * 3
            assert {one.pid for one in opened} == set(told.pids)
            lost, *others = opened
            os.kill(lost.pid, signal.SIGKILL)
            await told.until(lambda self: len(self.pids) == 4 and self.ready[-1] == (3, 3))
            await assert_unknown(lost.call())
            assert [pid_of(await other.call()) for other in others] == [other.pid for other in others]
            again = await session(lost.client)
            assert pid_of(await again.call()) == told.pids[-1]
            assert (await again.client.ask("DELETE", "/mcp", again.header)).status == 204
            await assert_unknown(again.call())

    run(body())
