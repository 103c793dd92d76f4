"""What keeps a workload awake, asked and changed at the socket of its operator; and workloads that need each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.aio import run
from tests.support.control import unix_client
from tests.support.lives import FREEZING, OPENING, asleep, living, post, sleeper, state_of
from tests.support.raw_http import raw_client, request
from tests.support.runners import Recorder, served
from tests.support.waiting import wait_until

from workloads import RunConfig, RunConfigError
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ControlSocket, ProxyRunner

if TYPE_CHECKING:
    from pathlib import Path

BOTH_MODES = pytest.mark.parametrize("mode", ["stop", "suspend"])


def steady(*, told: Recorder, control: Path, life: dict | None = None, **fields) -> ProxyRunner:
    """A runner whose server never sleeps."""
    return ProxyRunner(living(life=life, name="steady", **fields), observer=told, control=ControlSocket(control))


async def usage_of(path: Path) -> dict:
    async with unix_client(path) as operator:
        return (await operator.ask("GET", "/awake")).json


async def begin_to_hold(operator, owner: str = "me") -> int:
    """Ask for a hold; the status is there when it is held."""
    operator.write("POST", f"/awake?owner={owner}&reason=test")
    return (await operator.head()).status


async def released(path: Path) -> None:
    async with asyncio.timeout(30):
        while (await usage_of(path))["holds"]:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


def test_it_is_held_for_as_long_as_the_answer_is_read(tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        async with sleeper(told=told, control=ControlSocket(path)):
            await asleep(told)
            async with unix_client(path) as operator:
                assert await begin_to_hold(operator) == 200
                assert told.statuses[-1] == (WorkloadStatus.RUNNING, "")
                usage = await usage_of(path)
                assert (usage["sleeps"], usage["asleep"], usage["sleeps_in"]) == (True, False, None)
                assert [(hold["owner"], hold["reason"]) for hold in usage["holds"]] == [("me", "test")]
                async with unix_client(path) as other:
                    refused = await other.ask("DELETE", "/awake")
                assert refused.status == 409
                assert refused.json["users"][0].startswith("held by me (test) since")
            await asleep(told, 2)
            usage = await usage_of(path)
            assert (usage["asleep"], usage["holds"], len(told.pids)) == (True, [], 2)

    run(body())


def test_whoever_goes_while_it_wakes_holds_nothing_and_others_do(tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        async with sleeper(told=told, control=ControlSocket(path), life={"ready_after": 0.5}):
            await asleep(told)
            async with unix_client(path) as patient:
                async with unix_client(path) as impatient:
                    impatient.write("POST", "/awake?owner=impatient")
                    await told.until(lambda told: told.statuses[-1][1] == "waking")
                    patient.write("POST", "/awake?owner=patient")
                assert (await patient.head()).status == 200
                assert [hold["owner"] for hold in (await usage_of(path))["holds"]] == ["patient"]
                assert len(told.pids) == 2

    run(body())


def test_a_drain_does_not_wait_for_who_holds(tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        async with served(sleeper(told=told, control=ControlSocket(path), idle_timeout="1h")) as (shutdown, task):
            await told.running()
            async with unix_client(path) as operator:
                assert await begin_to_hold(operator) == 200
                shutdown.set()
                await asyncio.wait_for(task, 20)
                assert (await operator.ended()).endswith(b"0\r\n\r\n")  # ended in order, not cut

    run(body())


def test_what_never_sleeps_is_held_once_it_is_ready(tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        async with served(steady(told=told, control=path, life={"ready_after": 0.3})):
            await asyncio.to_thread(wait_until, path.exists)
            async with unix_client(path) as operator:
                assert await begin_to_hold(operator) == 200
                assert told.ready[-1] == (1, 1)
                usage = await usage_of(path)
                assert (usage["sleeps"], [hold["owner"] for hold in usage["holds"]]) == (False, ["me"])
            await released(path)
            async with unix_client(path) as operator:
                refused = await operator.ask("DELETE", "/awake")
                assert (refused.status, refused.json["detail"][:15]) == (409, "it never sleeps")
                assert (await operator.ask("PUT", "/awake")).status == 405
                assert (await operator.ask("POST", "/awake", ("origin", "http://evil.example"))).status == 403

    run(body())


@BOTH_MODES
@FREEZING
def test_a_session_that_would_be_lost_is_use(mode, tmp_path):
    path = tmp_path / "x.sock"

    async def body():
        told = Recorder()
        subject = sleeper("stdio", told=told, control=ControlSocket(path), idle_timeout="1h", sleep_mode=mode)
        async with subject as runner:
            session = ("mcp-session-id", (await post(runner.port, OPENING)).get("mcp-session-id") or "")
            assert (await post(runner.port, request("tools/list"), session)).status == 200
            usage = await usage_of(path)
            assert (usage["sessions"], usage["session_idle"] < 10) == (1, True)
            async with unix_client(path) as operator:
                status = (await operator.ask("DELETE", "/awake")).status
                assert status == (409 if mode == "stop" else 204)
                if mode == "suspend":
                    assert (await post(runner.port, request("tools/list"), session)).status == 200
                async with raw_client(runner.port) as client:
                    await client.ask("DELETE", "/mcp", session)
                assert (await usage_of(path))["sessions"] == 0
                assert (await operator.ask("DELETE", "/awake")).status == 204
                assert (await operator.ask("DELETE", "/awake")).status == 204
            assert told.statuses[-1] == (WorkloadStatus.RUNNING, "asleep")

    run(body())


def dependent(path: Path, told: Recorder, **fields) -> ProxyRunner:
    config = living(name="top", depends_on=["base"], **fields)
    return ProxyRunner(config, observer=told, dependencies={"base": path})


@FREEZING
def test_a_frozen_server_stays_frozen_while_what_it_depends_on_cannot_be_woken(tmp_path):
    path, spoilt = tmp_path / "base.sock", tmp_path / "spoilt"

    async def body():
        base_told, told = Recorder(), Recorder()
        base = sleeper(told=base_told, control=ControlSocket(path), spoilt=spoilt, spoil={"exit": 3})
        async with base, dependent(path, told, idle_timeout="50ms", sleep_mode="suspend") as runner:
            await asleep(told)
            (pid,) = told.pids
            await asyncio.to_thread(wait_until, lambda: state_of(pid) == "T")
            await asleep(base_told)
            await base_told.until(lambda seen: seen.statuses[-1] == (WorkloadStatus.RUNNING, "asleep"))
            spoilt.touch()
            answers = await asyncio.gather(*(post(runner.port, OPENING) for _ in range(3)))
            (reason,) = {answer.json["error"]["message"] for answer in answers}
            assert "it depends on base: The server could not be woken: exited with code 3" in reason
            assert told.statuses[-1][0] is WorkloadStatus.UNHEALTHY
            assert state_of(pid) == "T"
            spoilt.unlink()
            assert (await post(runner.port, OPENING)).status == 200
            assert told.pids == [pid]
            async with raw_client(runner.port) as client:
                assert (await client.ask("GET", "/health")).status == 200

    run(body())


def test_what_it_depends_on_must_be_known_and_up(tmp_path):
    async def body():
        told = Recorder()
        config = RunConfig(name="top", command=["x"], transport="streamable-http", depends_on=["base"])
        with pytest.raises(RunConfigError, match="depends_on: this proxy runner was not told where these are: base"):
            await ProxyRunner(config).serve()
        with pytest.raises(Exception, match="it depends on base, which does not run; start it"):
            await dependent(tmp_path / "absent.sock", told).serve()

    run(body())
