"""Whoever is cancelled while something is taken for it is left with nothing, at whatever moment that comes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from tests.support.aio import run, until

from workloads.proxyrunner import dependencies
from workloads.proxyrunner.threads import taken_in_thread


async def cancelled_while_taking(go: threading.Event, given_back: list[str]) -> asyncio.Task[str]:
    """Whoever has something taken for it until ``go``, and was cancelled once."""
    taking = threading.Event()

    def take() -> str:
        taking.set()
        assert go.wait(30)
        return "taken"

    task = asyncio.create_task(taken_in_thread(take, given_back.append))
    await until(taking.is_set)
    task.cancel()
    await asyncio.sleep(0)
    return task


def test_what_a_thread_takes_for_who_was_cancelled_twice_is_given_back():
    async def body() -> None:
        go, given_back = threading.Event(), []
        task = await cancelled_while_taking(go, given_back)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        go.set()
        await until(lambda: given_back)
        assert given_back == ["taken"]

    run(body())


def test_what_was_taken_when_who_waits_is_cancelled_is_given_back_before_that_is_told():
    async def body() -> None:
        go, given_back = threading.Event(), []
        task = await cancelled_while_taking(go, given_back)
        assert not task.done()
        go.set()
        await asyncio.wait({task})
        assert task.cancelled()
        assert given_back == ["taken"]

    run(body())


class Held:
    """A workload that is kept awake."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_no_workload_is_kept_awake_for_one_that_is_cancelled_just_when_it_is_woken(monkeypatch):
    async def body() -> None:
        held: list[Held] = []

        async def hold_open(*_args, **_options) -> Held:
            waking = asyncio.current_task()
            assert waking is not None
            waking.add_done_callback(lambda _: task.cancel())
            held.append(Held())
            return held[-1]

        monkeypatch.setattr(dependencies, "hold_open", hold_open)
        needed = dependencies.Dependencies("notes", {"store": Path("store.sock")}, timeout=30)
        task = asyncio.create_task(needed.hold())
        await asyncio.wait({task})
        assert task.cancelled()
        assert [each.closed for each in held] == [True]

    run(body())
