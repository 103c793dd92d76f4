"""Work in the background holds as long as it takes, and does not begin when nothing can be held."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
from tests.support.aio import run, until
from tests.support.idle import Gate, Toggler
from tests.support.waiting import wait_until

from workloads.errors import ToggleError
from workloads.scaletozero import DebouncedController, aio, hold_process, hold_while, holding

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def toggler():
    return Toggler()


@pytest.fixture
def controller(toggler):
    with DebouncedController(toggler, cooldown=0) as controller:
        yield controller


def start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(SLEEPER)


def never() -> subprocess.Popen[bytes]:
    raise AssertionError("it was started")


@pytest.mark.parametrize("started_before", [False, True])
def test_a_process_holds_until_it_has_ended(controller, toggler, started_before):
    process = hold_process(controller, start() if started_before else start, owner="recorder", reason="show")
    assert [(hold.owner, hold.reason) for hold in controller.status().holds] == [("recorder", "show")]
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: toggler.calls == ["disable", "enable"])  # before anybody has waited for it
    assert process.wait() == -signal.SIGKILL


def test_a_process_that_has_ended_already_holds_nothing(controller, toggler):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert hold_process(controller, process) is process
    assert toggler.calls == ["disable", "enable"]


def test_a_process_that_cannot_be_started_holds_nothing(controller, toggler):
    with pytest.raises(FileNotFoundError):
        hold_process(controller, lambda: subprocess.Popen(["/nowhere/at/all"]))
    assert toggler.calls == ["disable", "enable"]


def test_nothing_begins_when_nothing_can_be_held(controller, toggler):
    toggler.plan("disable", *(OSError("no") for _ in range(3)))
    with pytest.raises(ToggleError):
        hold_process(controller, never)
    with pytest.raises(ToggleError):
        hold_while(controller, never)
    with pytest.raises(ToggleError):
        holding(controller)(never)()
    assert controller.status().holds == ()


def test_what_runs_anyway_releases_nothing(controller, toggler):
    """Not even the hold of another that was taken meanwhile."""
    toggler.plan("disable", OSError("no"), OSError("no"))
    process = hold_process(controller, start, on_failure="run")
    assert hold_while(controller, lambda: "ran", on_failure="run") == "ran"
    with controller.hold("another"):
        process.kill()
        process.wait()
        assert [hold.owner for hold in controller.status().holds] == ["another"]
        assert not toggler.asleep


def test_a_function_holds_while_it_runs(controller, toggler):
    @holding(controller, reason="nightly")
    def work(number: int) -> list[tuple[str, str]]:
        """Work."""
        assert number == 3
        return [(hold.owner, hold.reason) for hold in controller.status().holds]

    assert work(3) == [("test_a_function_holds_while_it_runs.<locals>.work", "nightly")]
    assert (work.__name__, work.__doc__) == ("work", "Work.")
    assert toggler.calls == ["disable", "enable"]
    with pytest.raises(ZeroDivisionError):
        hold_while(controller, lambda: 1 / 0)
    assert toggler.calls == ["disable", "enable"] * 2

    async def other() -> None:
        """Ends before it has begun, as far as a decorator for functions can tell."""

    with pytest.raises(TypeError, match=r"use workloads\.scaletozero\.aio\.holding"):
        holding(controller)(other)


def test_a_process_of_asyncio_holds_until_it_has_ended(toggler):
    def spawn(*command: str) -> asyncio.Task[asyncio.subprocess.Process]:
        # A task of its own: asyncio starts a process on the loop, which is not this library's doing.
        return asyncio.create_task(asyncio.create_subprocess_exec(*command))

    async def body() -> None:
        async with aio.DebouncedController(aio.to_async_toggler(toggler), cooldown=0) as controller:
            process = await aio.hold_process(controller, lambda: spawn(*SLEEPER), owner="r")
            assert [hold.owner for hold in controller.status().holds] == ["r"]
            process.kill()
            assert await process.wait() == -signal.SIGKILL
            await until(lambda: toggler.calls == ["disable", "enable"])
            with pytest.raises(FileNotFoundError):
                await aio.hold_process(controller, lambda: spawn("/nowhere/at/all"))
            assert controller.status().holds == ()

    run(body())


def test_what_is_awaited_holds_while_it_is(toggler):
    async def body() -> None:
        async with aio.DebouncedController(aio.to_async_toggler(toggler), cooldown=0) as controller:

            @aio.holding(controller, owner="job")
            async def work(number: int) -> tuple[int, list[str]]:
                return number, [hold.owner for hold in controller.status().holds]

            assert await work(3) == (3, ["job"])
            assert await aio.hold_while(controller, work(4), owner="outer") == (4, ["outer", "job"])
            assert controller.status().holds == ()

            async def fail() -> None:
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await aio.hold_while(controller, fail)
            assert controller.status().holds == ()

    run(body())


def test_nothing_is_awaited_when_nothing_can_be_held(toggler):
    async def never() -> None:
        raise AssertionError

    async def body() -> None:
        async with aio.DebouncedController(aio.to_async_toggler(toggler), cooldown=0) as controller:
            toggler.plan("disable", *(OSError("no") for _ in range(4)))
            coroutine = never()
            with pytest.raises(ToggleError):
                await aio.hold_while(controller, coroutine)
            assert coroutine.cr_frame is None  # closed, so that nobody is warned of it
            with pytest.raises(ToggleError):
                await aio.hold_process(controller, never)
            ran = []

            async def work() -> None:
                ran.append(len(controller.status().holds))

            await aio.hold_while(controller, work, on_failure="run")
            assert ran == [0]

    run(body())


def test_a_task_that_is_cancelled_while_it_waits_to_hold_begins_nothing(toggler):
    async def never() -> None:
        raise AssertionError

    async def body() -> None:
        gate = Gate()
        toggler.plan("disable", gate)
        async with aio.DebouncedController(aio.to_async_toggler(toggler), cooldown=0) as controller:
            task = asyncio.create_task(aio.hold_while(controller, never()))
            await until(gate.entered.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gate.open()

    run(body())
