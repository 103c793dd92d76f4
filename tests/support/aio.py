"""Asyncio in tests: an ordinary test calls :func:`run`; no plugin, no magic."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

T = TypeVar("T")

LOOPS = ("asyncio", "uvloop")
_TICK = 0.01

# The first loop opens the pipe by which libuv hears of signals, and keeps it: no test shall seem to have left it.
uvloop.new_event_loop().close()


def run(coroutine: Coroutine[Any, Any, T], *, timeout: float = 120.0, loop: str = "asyncio") -> T:
    """Run a coroutine to its end in a loop of its own, with asyncio's debug checks on.

    Args:
        coroutine: The test's body.
        timeout: Seconds after which it is cancelled and ``TimeoutError`` raised, where it stands in the traceback.
        loop: Whose loop, one of :data:`LOOPS`.
    """

    async def bounded() -> T:
        async with asyncio.timeout(timeout):
            return await coroutine

    with asyncio.Runner(debug=True, loop_factory=None if loop == "asyncio" else uvloop.new_event_loop) as runner:
        return runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as a condition holds; the loop turns meanwhile.

    Args:
        condition: Looked at in every turn of the loop.
    """
    while not condition():  # noqa: ASYNC110  # what changes it tells nobody
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def stopwatch() -> AsyncIterator[Callable[[], float]]:
    """Tells the seconds for which this loop has turned, to be held against a bound.

    However long the machine holds the loop up at one time, that counts as one tick: it says nothing about the product.
    """
    ticks = 0

    async def count() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(_TICK)
            ticks += 1

    counting = asyncio.ensure_future(count())
    try:
        yield lambda: ticks * _TICK
    finally:
        counting.cancel()
        await asyncio.wait({counting})
