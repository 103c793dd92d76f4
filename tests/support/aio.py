"""Asyncio in tests: an ordinary test calls :func:`run`; no plugin, no magic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

LOOPS = ("asyncio", "uvloop")

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
