"""The handle of a batch: independent outcomes, waiting from threads and loops, nothing stopped by who waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.aio import run

from workloads.completion import MAX_WORKERS, Completion
from workloads.errors import BatchError, WorkloadNotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator


def test_every_name_gets_its_outcome_and_one_failure_never_cancels_a_sibling():
    """TH-13.19: batches cancel siblings on the first error and hide further ones; no result for each name."""
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise WorkloadNotFoundError("b")

    done: list[str] = []
    completion = Completion(
        {"a": lambda: done.append("a"), "b": fail, "c": lambda: failed.wait(30) and done.append("c")}
    )

    with pytest.raises(BatchError) as caught:
        completion.wait(30)

    assert sorted(done) == ["a", "c"]
    assert completion.names == ("a", "b", "c")
    assert {name: type(error) for name, error in caught.value.results.items()} == {
        "a": type(None),
        "b": WorkloadNotFoundError,
        "c": type(None),
    }
    assert completion.results() == caught.value.results


def test_a_time_out_tells_what_is_missing_and_stops_nothing():
    go = threading.Event()
    completion = Completion({"slow": lambda: go.wait(30), "quick": lambda: None})

    with pytest.raises(TimeoutError, match="slow"):
        completion.wait(0.05)
    assert not completion.done()
    assert completion.results() == {"quick": None}

    go.set()
    assert completion.wait(30) == {"slow": None, "quick": None}
    assert completion.done()


def test_awaiting_gives_the_same_and_a_cancelled_waiter_stops_nothing():
    go = threading.Event()
    completion = Completion({"a": lambda: go.wait(30)})

    async def body() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await completion
        assert not completion.done()
        go.set()
        assert await completion == {"a": None}
        assert await completion == {"a": None}

    run(body())


def test_a_loop_that_ends_in_the_moment_in_which_the_work_does_harms_nobody(monkeypatch):
    go = threading.Event()
    completion = Completion({"a": lambda: go.wait(30)})
    loop = asyncio.new_event_loop()

    async def begin() -> Generator[object, None, object]:
        waiting = completion.__await__()
        next(waiting)
        return waiting

    waiting = loop.run_until_complete(begin())
    loop.close()
    monkeypatch.setattr(loop, "is_closed", lambda: False)  # as it looked a moment ago
    go.set()
    assert completion.wait(30) == {"a": None}
    waiting.close()


def test_awaiting_a_failed_batch_raises_its_error():
    def fail() -> None:
        raise WorkloadNotFoundError("a")

    async def body() -> None:
        with pytest.raises(BatchError):
            await Completion({"a": fail})

    run(body())


def test_a_defect_is_raised_as_it_is():
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Completion({"a": broken, "b": lambda: None}).wait(30)


def test_an_empty_batch_is_done():
    assert Completion({}).wait(0) == {}


def test_at_most_so_many_are_worked_on_at_once():
    lock, go = threading.Lock(), threading.Event()
    running = most = 0
    full = threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == MAX_WORKERS:
                full.set()
        go.wait(30)
        with lock:
            running -= 1

    completion = Completion({str(index): work for index in range(MAX_WORKERS * 2)})
    assert full.wait(30)
    go.set()
    completion.wait(30)
    assert most == MAX_WORKERS


def test_the_interpreter_waits_at_exit_for_work_that_nobody_waits_for():
    program = (
        "import time\n"
        "from workloads.completion import Completion\n"
        "Completion({'a': lambda: (time.sleep(0.3), print('done', flush=True))})\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert result.stdout == "done\n"
