"""The fixture that fails a test in which library code blocks an event loop really does, on every loop and in every way
that a loop calls code."""

from __future__ import annotations

import asyncio
import os

import pytest
from blockbuster import BlockingError
from tests.support.aio import LOOPS, run

from workloads import LocalManager, Settings

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.fixture
def blocking(state_dir):
    """Library code that reads files, and must not be called where a loop waits for it."""
    manager = LocalManager(settings=Settings(state_dir=state_dir))
    manager.groups.create("tools")
    assert manager.list_workloads_in_group("tools") == []
    return lambda: manager.list_workloads_in_group("tools")


def raised_by(call) -> list[BaseException]:
    try:
        call()
    except BlockingError as error:
        return [error]
    return []


def test_in_a_coroutine(blocking, loop):
    async def body() -> None:
        with pytest.raises(BlockingError):
            blocking()

    run(body(), loop=loop)


def test_in_a_task(blocking, loop):
    async def task() -> None:
        await asyncio.sleep(0)
        blocking()

    async def body() -> None:
        with pytest.raises(BlockingError):
            await asyncio.create_task(task())

    run(body(), loop=loop)


def test_in_a_callback_a_timer_and_a_reader(blocking, loop):
    async def body() -> None:
        running = asyncio.get_running_loop()
        caught = asyncio.Queue()
        running.call_soon(lambda: caught.put_nowait(raised_by(blocking)))
        assert len(await caught.get()) == 1
        running.call_later(0.01, lambda: caught.put_nowait(raised_by(blocking)))
        assert len(await caught.get()) == 1
        read, write = os.pipe2(os.O_NONBLOCK)
        running.add_reader(read, lambda: (running.remove_reader(read), caught.put_nowait(raised_by(blocking))))
        os.write(write, b"x")
        assert len(await caught.get()) == 1
        os.close(read)
        os.close(write)

    run(body(), loop=loop)


def test_not_in_a_thread(blocking, loop):
    async def body() -> None:
        assert await asyncio.to_thread(blocking) == []

    run(body(), loop=loop)


def test_by_what_the_detector_does_not_know_of_itself(loop, state_dir):
    from workloads.managers.orphans import see_to

    async def body() -> None:
        with pytest.raises(BlockingError, match="waitpid"):
            see_to(1)

    run(body(), loop=loop)
