"""The life of a proxy runner and of the server it owns, from the start to the end of the drain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading

import pytest
from tests.support.aio import run
from tests.support.lives import BOTH, living
from tests.support.processes import is_there
from tests.support.raw_http import chunks, raw_client, request
from tests.support.runners import Recorder, routed, served
from tests.support.waiting import wait_until

from workloads import CommandNotFoundError, PortInUseError, RunConfigError, WorkloadFailedError
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner, ReplicaAddress
from workloads.runtimes.process.runtime import ProcessRuntime

STUBBORN = """
import json, signal, sys, time
trail = open(sys.argv[1], "a")
say = lambda word: (trail.write(word + "\\n"), trail.flush())
signal.signal(signal.SIGTERM, lambda *_: say("SIGTERM"))
for line in sys.stdin:
    if "id" in (request := json.loads(line)):
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"protocolVersion": "2025-11-25"}}
        print(json.dumps(answer), flush=True)
say("end of input")
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def quick_restarts(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)
    monkeypatch.setattr("workloads.proxyrunner.backoff.LAST_DELAY", 0.02)


def runner(*args, observer=None, **fields):
    options = {key: fields.pop(key) for key in ("secrets", "log", "folder") if key in fields}
    return ProxyRunner(living(*args, **fields), observer=observer, **options)


@BOTH
def test_a_server_is_started_served_and_ended_and_everybody_is_told(transport):
    async def body():
        told = Recorder()
        subject = runner(transport, observer=told)
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = subject.port
        async with subject:
            assert subject.port == told.port
            assert subject.url == f"http://127.0.0.1:{subject.port}/mcp"
            assert told.statuses == [(WorkloadStatus.STARTING, ""), (WorkloadStatus.RUNNING, "")]
            assert told.ready == [(1, 0), (1, 1)]
            (pid,) = told.pids
            assert is_there(pid)
            async with raw_client(subject.port) as client:
                assert (await client.ask("GET", "/health")).status == 200
        assert told.statuses[2:] == [(WorkloadStatus.STOPPING, ""), (WorkloadStatus.STOPPED, "")]
        assert told.ready[-1] == (0, 0)
        assert not is_there(pid)
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = subject.url

    run(body())


def test_a_runner_serves_once():
    async def body():
        subject = runner("stdio")
        async with subject:
            with pytest.raises(RuntimeError, match="once"):
                await subject.serve()

    run(body())


def test_a_taken_port_is_an_error_that_names_it_and_nothing_is_started(tmp_path):
    """TH-13.36: a bind error is only logged, and the start reports success."""

    async def body():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PortInUseError) as caught:
                await runner(port=port, life={"trail": str(tmp_path / "trail")}).serve()
            assert caught.value.port == port
        assert not (tmp_path / "trail").exists()

    run(body())


def test_the_port_that_was_asked_for_is_used_again_at_once():
    async def body():
        async with runner() as first:
            port = first.port
            async with raw_client(port) as client:
                assert (await client.post(request())).status == 200
        async with runner(port=port) as second:
            assert second.port == port

    run(body())


def test_an_address_of_another_machine_cannot_be_listened_on():
    async def body():
        with pytest.raises(WorkloadFailedError, match=r"cannot listen on 192\.0\.2\.1"):
            await runner(host="192.0.2.1", insecure_bind=True).serve()

    run(body())


def test_a_run_config_that_cannot_be_done_is_refused_before_anything_happens():
    async def body():
        told = Recorder()
        with pytest.raises(RunConfigError, match="insecure_bind"):
            await runner(host="0.0.0.0", observer=told).serve()
        assert told.statuses == []

    run(body())


@BOTH
def test_a_server_that_ends_before_it_was_ready_ends_the_runner_with_its_last_words(transport, tmp_path):
    async def body():
        told = Recorder()
        subject = runner(
            transport,
            {"print": "cannot open database with pa55word", "exit": 7},
            observer=told,
            secrets={"DB": "pa55word"},
            log=lambda index: tmp_path / f"{index}.log",
        )
        with pytest.raises(WorkloadFailedError) as caught:
            await subject.serve()
        assert caught.value.reason == "exited with code 7 before it was ready"
        # A server on a pipe that ends at its first request may only have disliked that: it gets a second one.
        assert caught.value.logs == ("cannot open database with ***",) * (2 if transport == "stdio" else 1)
        assert "pa55word" not in str(caught.value)
        assert told.statuses[-1] == (WorkloadStatus.ERROR, caught.value.reason)

    run(body())


def test_a_server_that_does_not_become_ready_in_time_ends_the_runner_with_its_last_answer():
    async def ends(transport, life, answer):
        told = Recorder()
        with pytest.raises(WorkloadFailedError, match=f"not ready after 4 s; last answer: .*{answer}"):
            await runner(transport, life, ready_timeout="4s", observer=told).serve()
        assert not any(is_there(pid) for pid in told.pids)

    async def body():
        # At once, and with time enough for each to start.
        await asyncio.gather(
            ends("streamable-http", {"ready_after": 100}, "Cannot connect"),
            ends("streamable-http", {"status": 401}, "401 Unauthorized"),
            ends("streamable-http", {"status": 404}, "404 Not Found"),
            ends("streamable-http", {"status": 503}, "503 Service Unavailable"),
            ends("stdio", {"silent": True}, "no answer to its opening request"),
        )

    run(body())


def test_an_error_of_the_context_manager_is_that_of_the_start():
    async def body():
        with pytest.raises(WorkloadFailedError, match="code 7"):
            async with runner("stdio", {"exit": 7}):
                pytest.fail("it never became ready")

    run(body())


@BOTH
def test_a_server_that_crashes_is_started_again_and_requests_wait_for_it(transport, quick_restarts):
    async def body():
        told = Recorder()
        async with runner(transport, observer=told) as subject, raw_client(subject.port) as client:
            os.kill(told.pids[0], signal.SIGKILL)
            await told.until(lambda self: self.count(WorkloadStatus.STARTING) >= 2)
            assert (WorkloadStatus.STARTING, "Container exited, restarting") in told.statuses
            opening = request("initialize", protocolVersion="2025-11-25", capabilities={})
            answer = await client.post(opening)
            assert answer.status == 200
            await told.running(2)
            assert len(told.pids) == 2

    run(body())


def test_a_server_that_never_stays_up_is_given_up_after_ten_attempts(quick_restarts, tmp_path):
    async def body():
        told = Recorder()
        trail = tmp_path / "trail"
        with pytest.raises(WorkloadFailedError, match=r"Failed to restart after container exit: exited with code 9"):
            await runner("stdio", {"exit_after": 0.1, "code": 9, "trail": str(trail)}, observer=told).serve()
        assert trail.read_text().split() == ["started"] * 10
        assert told.statuses[-1][0] is WorkloadStatus.ERROR

    run(body())


@pytest.mark.parametrize(
    ("restart", "code", "outcome"),
    [("no", 0, "ended"), ("no", 4, "failed"), ("on-failure", 0, "ended"), ("always", 0, "restarted"),
     ("on-failure", 4, "restarted")],
)  # fmt: skip
def test_a_server_that_ends_by_itself_is_restarted_as_the_run_config_says(restart, code, outcome, quick_restarts):
    async def body():
        told = Recorder()
        subject = runner("stdio", {"exit_after": 0.2, "code": code}, observer=told, restart=restart)
        async with served(subject) as (shutdown, task):
            if outcome == "restarted":
                await told.running(2)
                shutdown.set()
                await task
            elif outcome == "ended":
                await asyncio.wait_for(task, 20)
                assert told.statuses[-1] == (WorkloadStatus.STOPPED, "")
            else:
                with pytest.raises(WorkloadFailedError, match="exited with code 4"):
                    await asyncio.wait_for(task, 20)

    run(body())


def test_a_shutdown_before_the_start_starts_nothing():
    async def body():
        told = Recorder()
        shutdown = asyncio.Event()
        shutdown.set()
        await runner(observer=told).serve(shutdown)
        assert told.statuses == []

    run(body())


@BOTH
def test_a_shutdown_while_the_server_starts_ends_it_and_those_who_wait_are_told(transport):
    async def body():
        told = Recorder()
        async with served(runner(transport, {"ready_after": 100}, observer=told)) as (shutdown, task):
            await told.until(lambda self: self.pids)
            async with raw_client(told.port) as client, raw_client(told.port) as other:
                assert (await other.ask("GET", "/health")).status == 503
                waiting = asyncio.create_task(client.post(request(request_id="held")))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                shutdown.set()
                answer = await waiting
                assert (answer.status, answer.json["id"]) == (503, "held")
            await task
        assert not is_there(told.pids[0])
        assert told.statuses[-1] == (WorkloadStatus.STOPPED, "")

    run(body())


def test_a_shutdown_between_two_attempts_ends_the_wait(monkeypatch):
    """TH-13.20: the sleep in the retry loop ignores cancellation."""
    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 1000.0)

    async def body():
        told = Recorder()
        async with served(runner(life={"exit_after": 0.2}, observer=told)) as (shutdown, task):
            await told.until(lambda self: self.count(WorkloadStatus.STARTING) >= 2)
            shutdown.set()
            await asyncio.wait_for(task, 20)

    run(body())


@BOTH
def test_a_drain_lets_requests_finish_refuses_new_ones_and_ends_streams(transport, tmp_path):
    """TH-13.39: the container is stopped before the proxy is drained."""
    trail, enough = tmp_path / "trail", tmp_path / "enough"

    async def body():
        told = Recorder()
        async with served(runner(transport, {"trail": str(trail)}, observer=told)) as (shutdown, task):
            await told.running()
            async with (
                raw_client(told.port) as slow,
                raw_client(told.port) as stream,
                raw_client(told.port) as late,
                raw_client(told.port) as probe,
                raw_client(told.port) as discovering,
            ):
                headers = []
                if transport == "stdio":
                    opened = await late.post(request("initialize"))
                    headers = [("mcp-session-id", opened.get("mcp-session-id"))]
                stream.write("GET", "/mcp", ("accept", "text/event-stream"), *headers)
                assert (await stream.head()).status == 200
                finishing = asyncio.create_task(slow.post(request(until=str(enough)), *headers))
                await asyncio.to_thread(wait_until, lambda: "called" in trail.read_text())
                shutdown.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))
                refused = await late.post(request(request_id="late"), *headers)
                assert (refused.status, refused.json["id"]) == (503, "late")
                assert (refused.get("connection"), refused.get("retry-after")) == ("close", "1")
                assert await late.ended() == b""
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", told.port)
                assert (await probe.ask("GET", "/health")).status == 503
                discovering.write("POST", "/mcp", ("content-type", "application/json"),
                                  ("mcp-method", "server/discover"),
                                  body=json.dumps(request("server/discover")).encode())  # fmt: skip
                assert await discovering.ended() == b""
                assert not task.done()
                shutdown.set()
                enough.touch()
                answer = await finishing
                assert (answer.status, answer.json["result"]["pid"]) == (200, told.pids[0])
                assert answer.get("connection") == "close"
                _ = [chunk async for chunk in chunks(stream.reader)]
            await task
        assert trail.read_text().split("\n")[:3] == [
            "started",
            "called",
            "end of input" if transport == "stdio" else "terminated",
        ]

    run(body())


def test_MCP_T47_a_stdio_server_is_told_to_end_by_its_input_then_by_a_signal_then_killed(tmp_path, monkeypatch):
    """MCP-T47: EOF of the bridge: stdin closed first, then wait, then kill."""
    monkeypatch.setattr("workloads.proxyrunner.supervisor._INPUT_GRACE", 1.5)
    monkeypatch.setattr("workloads.proxyrunner.supervisor.STOP_GRACE", 1.5)

    async def body():
        told = Recorder()
        command = (sys.executable, "-c", STUBBORN, str(tmp_path / "trail"))
        async with runner("stdio", observer=told, command=command):
            pass
        assert not is_there(told.pids[0])

    run(body())
    assert (tmp_path / "trail").read_text().split("\n")[:2] == ["end of input", "SIGTERM"]


def test_a_stdio_server_that_ends_with_its_input_gets_no_signal(tmp_path):
    trail = tmp_path / "trail"

    async def body():
        async with runner("stdio", {"trail": str(trail)}):
            pass

    run(body())
    assert trail.read_text() == "started\nend of input\n"


def test_cancelling_drains_and_is_then_cancelled(tmp_path):
    trail, enough = tmp_path / "trail", tmp_path / "enough"

    async def body():
        told = Recorder()
        task = asyncio.create_task(runner(life={"trail": str(trail)}, observer=told).serve())
        await told.running()
        async with raw_client(told.port) as client:
            finishing = asyncio.create_task(client.post(request(until=str(enough))))
            await asyncio.to_thread(wait_until, lambda: "called" in trail.read_text())
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            await told.until(lambda told: told.count(WorkloadStatus.STOPPING))
            enough.touch()
            assert (await finishing).status == 200
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told.statuses[-1] == (WorkloadStatus.STOPPED, "")
        assert not is_there(told.pids[0])

    run(body())


@pytest.mark.parametrize("how", ["cancel", "the server ends"])
def test_the_delay_before_a_drain_is_no_longer_than_it_must_be(how):
    async def body():
        told = Recorder()
        subject = ProxyRunner(living(restart="no"), observer=told, pre_stop_delay=1000)
        async with served(subject) as (shutdown, task):
            await told.running()
            shutdown.set()
            async with raw_client(told.port) as client:
                while (await client.ask("GET", "/health")).status == 200:
                    pass
                assert (await client.post(request())).status == 200
            if how == "cancel":
                task.cancel()
            else:
                os.kill(told.pids[0], signal.SIGKILL)
            await asyncio.wait_for(asyncio.wait({task}), 30)
            assert task.cancelled() is (how == "cancel")
        assert told.statuses[-1] == (WorkloadStatus.STOPPED, "")
        assert not is_there(told.pids[0])

    run(body())


@BOTH
def test_cancelling_waits_for_requests_no_longer_than_the_drain_timeout(transport):
    async def body():
        told = Recorder()
        task = asyncio.create_task(runner(transport, observer=told, drain_timeout="300ms").serve())
        await told.running()
        async with raw_client(told.port) as client:
            headers = []
            if transport == "stdio":
                headers = [("mcp-session-id", (await client.post(request("initialize"))).get("mcp-session-id"))]
            client.write("POST", "/mcp", ("content-type", "application/json"), *headers,
                         body=json.dumps(request(seconds=100)).encode())  # fmt: skip
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 20)
            assert not is_there(told.pids[0])

    run(body())


def test_cancelling_a_drain_under_way_bounds_it():
    async def body():
        told = Recorder()
        async with served(runner(observer=told, drain_timeout="200ms")) as (shutdown, task):
            await told.running()
            async with raw_client(told.port) as client:
                client.write("POST", "/mcp", body=json.dumps(request(seconds=100)).encode())
                await asyncio.sleep(0.2)
                shutdown.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))
                await asyncio.sleep(0.1)
                assert not task.done()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(task, 20)
            assert not is_there(told.pids[0])

    run(body())


def test_a_server_that_crashes_during_a_drain_does_not_hold_it_up(tmp_path):
    trail, never = tmp_path / "trail", tmp_path / "never"

    async def body():
        told = Recorder()
        async with served(runner("stdio", {"trail": str(trail)}, observer=told)) as (shutdown, task):
            await told.running()
            async with raw_client(told.port) as client:
                session = (await client.post(request("initialize"))).get("mcp-session-id")
                waiting = asyncio.create_task(client.post(request(until=str(never)), ("mcp-session-id", session)))
                await asyncio.to_thread(wait_until, lambda: "called" in trail.read_text())
                shutdown.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))
                os.kill(told.pids[0], signal.SIGKILL)
                answer = await waiting
                assert answer.status == 502
                assert "killed by SIGKILL" in answer.json["error"]["message"]
            await asyncio.wait_for(task, 20)
        assert len(told.pids) == 1

    run(body())


def test_without_replicas_it_listens_and_answers_that_there_is_none():
    async def body():
        told = Recorder()
        async with runner(backend_replicas=0, observer=told) as subject, raw_client(subject.port) as client:
            assert told.statuses == [(WorkloadStatus.STOPPED, "")]
            for method in ("POST", "GET", "DELETE"):
                answer = await (client.post(request()) if method == "POST" else client.ask(method, "/mcp"))
                assert answer.status == 503
                assert int(answer.get("retry-after")) >= 1
            assert (await client.ask("GET", "/health")).status == 503
        assert told.pids == []

    run(body())


def test_too_many_requests_do_not_wait_and_those_that_wait_too_long_are_told(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.gate.HOLD", 2.0)

    async def body():
        told = Recorder()
        async with served(runner(life={"ready_after": 100}, observer=told)) as (shutdown, _):
            await told.until(lambda self: self.pids)

            async def ask():
                async with raw_client(told.port) as client:
                    return (await client.post(request())).json["error"]["message"]

            answers = await asyncio.gather(*(ask() for _ in range(140)))
            assert answers.count("The server is starting and too many requests wait for it") == 12
            assert answers.count("The server is not ready yet") == 128
            shutdown.set()

    run(body())


def test_three_runners_live_in_one_process_and_on_one_loop():
    async def body():
        async with runner() as one, runner("stdio") as two, runner() as three:
            assert len({one.port, two.port, three.port}) == 3
            for each in (one, three):
                async with raw_client(each.port) as client:
                    assert (await client.post(request())).status == 200
            async with raw_client(two.port) as client:
                begun = await client.post(request("initialize", protocolVersion="2025-11-25"))
                assert begun.status == 200
            handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(body())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_observer_that_raises_ends_nothing(caplog):
    class Raises:
        def listening(self, *args):
            raise RuntimeError("disk full")

        status = replicas = listening

    async def body():
        async with runner("stdio", observer=Raises()) as subject, raw_client(subject.port) as client:
            assert (await client.ask("GET", "/health")).status == 200

    run(body())
    assert "the observer failed" in caplog.text


def test_a_runner_that_only_routes_stops_nothing_and_needs_a_server_of_http():
    async def body():
        told = Recorder()
        async with runner(observer=told) as owner:
            (address,) = [ReplicaAddress("127.0.0.1", owner.port)]
            async with routed(address.port) as router, raw_client(router.port) as client:
                assert (await client.post(request())).status == 200
            assert is_there(told.pids[0])
        with pytest.raises(RunConfigError, match="stdio"):
            await ProxyRunner(living("stdio"), replicas=[address]).serve()

    run(body())


def test_a_runner_that_only_routes_to_nothing_ready_fails_with_the_last_answer():
    async def body():
        with socket.create_server(("127.0.0.1", 0)) as unanswered:
            address = ReplicaAddress("127.0.0.1", unanswered.getsockname()[1])
        subject = ProxyRunner(living(ready_timeout="300ms"), replicas=[address])
        with pytest.raises(WorkloadFailedError, match=r"not ready after 0\.3 s; last answer: Cannot connect"):
            await subject.serve()

    run(body())


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6_too():
    async def body():
        async with runner(host="::1") as subject:
            assert subject.url == f"http://[::1]:{subject.port}/mcp"
            reader, writer = await asyncio.open_connection("::1", subject.port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: [::1]:%d\r\nConnection: close\r\n\r\n" % subject.port)
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()

    run(body())


def test_cancelling_the_entry_of_the_context_manager_leaves_nothing():
    async def body():
        told = Recorder()

        async def enter():
            async with runner(life={"ready_after": 100}, observer=told):
                pytest.fail("it never became ready")

        task = asyncio.create_task(enter())
        await told.until(lambda self: self.pids)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_there(told.pids[0])

    run(body())


def test_cancelling_the_exit_of_the_context_manager_bounds_the_drain():
    async def body():
        told = Recorder()
        leave = asyncio.Event()

        async def use():
            async with runner(observer=told, drain_timeout="100ms"):
                await leave.wait()

        async with asyncio.timeout(30):
            task = asyncio.create_task(use())
            await told.running()
            async with raw_client(told.port) as client:
                client.write("POST", "/mcp", body=json.dumps(request(seconds=100)).encode())
                await asyncio.sleep(0.2)
                leave.set()
                await told.until(lambda self: self.count(WorkloadStatus.STOPPING))
                task.cancel()
                await asyncio.wait({task})
        assert not is_there(told.pids[0])

    run(body())


@pytest.mark.parametrize("raises", [False, True])
def test_a_workload_that_failed_meanwhile_is_told_at_the_exit_unless_something_else_went_wrong(raises, caplog):
    class MineError(Exception):
        pass

    async def body():
        told = Recorder()

        async def use():
            async with runner("stdio", {"exit_after": 0.2, "code": 4}, observer=told, restart="no"):
                await told.until(lambda self: self.count(WorkloadStatus.ERROR))
                if raises:
                    raise MineError

        with pytest.raises(MineError if raises else WorkloadFailedError):
            await use()

    run(body())
    assert ("the workload failed" in caplog.text) is raises


def test_a_start_that_takes_long_is_waited_for_and_what_it_started_is_ended(tmp_path):
    class Slow(ProcessRuntime):
        begun, released = threading.Event(), threading.Event()
        replica = None

        def start_replica(self, *args, **kwargs):
            self.begun.set()
            self.released.wait(60)
            Slow.replica = super().start_replica(*args, **kwargs)
            return Slow.replica

    async def body():
        subject = ProxyRunner(living("stdio"), runtime=Slow())
        async with served(subject) as (shutdown, task):
            await asyncio.to_thread(Slow.begun.wait, 30)
            shutdown.set()
            await asyncio.sleep(0.1)
            assert not task.done()
            Slow.released.set()
            await asyncio.wait_for(task, 30)
        assert not is_there(Slow.replica.identity.pid)

    run(body())


class Uneven(ProcessRuntime):
    """The first replica is started when it is released, and no sooner."""

    def __init__(self):
        super().__init__()
        self.released, self.replicas = threading.Event(), []

    def start_replica(self, config, index, **kwargs):
        if index == 0:
            self.released.wait(60)
        replica = super().start_replica(config, index, **kwargs)
        self.replicas.append(replica)
        return replica


@pytest.mark.parametrize("forced", [False, True])
def test_a_replica_that_is_still_being_started_when_another_serves_is_ended_too(forced, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.launch.LIMIT", 60.0)

    async def body():
        told, runtime = Recorder(), Uneven()
        config = living(backend_replicas=2, drain_timeout="100ms")
        async with served(ProxyRunner(config, runtime=runtime, observer=told)) as (shutdown, task):
            await told.until(lambda told: (1, 1) in told.ready)
            if forced:
                task.cancel()
            else:
                shutdown.set()
            await asyncio.to_thread(wait_until, lambda: not is_there(runtime.replicas[0].identity.pid))
            runtime.released.set()
            await asyncio.wait({task})
        assert [is_there(replica.identity.pid) for replica in runtime.replicas] == [False, False]

    run(body())


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_start_that_takes_too_long_for_a_forced_end_is_given_up_and_what_it_starts_later_is_ended(
    replicas, monkeypatch, tmp_path
):
    monkeypatch.setattr("workloads.proxyrunner.launch.LIMIT", 0.1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def body():
        told, runtime = Recorder(), Uneven()
        config = living(backend_replicas=replicas, drain_timeout="100ms")
        async with served(ProxyRunner(config, runtime=runtime, observer=told)) as (_, task):
            if replicas > 1:
                await told.until(lambda told: (1, 1) in told.ready)
            else:
                await told.until(lambda told: told.statuses)
            task.cancel()
            await asyncio.wait({task})
            assert len(runtime.replicas) == replicas - 1
        return runtime

    runtime = run(body())
    runtime.released.set()  # the loop is gone
    wait_until(lambda: len(runtime.replicas) == replicas)
    for replica in runtime.replicas:
        replica.wait()
        assert not is_there(replica.identity.pid)
    wait_until(lambda: not list(tmp_path.glob("workloads-*")))


def test_a_server_that_refuses_both_eras_is_told_in_its_own_words():
    refuses = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    error = {'code': -32600, 'message': 'no license'}\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'id': json.loads(line)['id'], 'error': error}), flush=True)\n"
    )

    async def body():
        with pytest.raises(WorkloadFailedError, match="not ready: initialize: error -32600: no license"):
            await runner("stdio", command=(sys.executable, "-c", refuses)).serve()

    run(body())


def test_a_command_that_does_not_exist_is_an_error_that_names_it():
    async def body():
        told = Recorder()
        with pytest.raises(CommandNotFoundError, match="no-such-program"):
            await runner("stdio", command=("no-such-program",), observer=told).serve()
        assert told.statuses[-1][0] is WorkloadStatus.ERROR

    run(body())
