"""An event loop whose time is made of its own timers: when nothing is left to do, it is at once the next timer's turn.

For code that waits by the clock and does no I/O. A test of hours takes milliseconds, and always takes the same course.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Skipping(selectors.SelectSelector):
    """Instead of waiting for a time, lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and for nothing that will happen")
        self.now += max(timeout, 0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def run(coroutine: Coroutine[Any, Any, T], *, debug: bool = True) -> T:
    """Run a coroutine to its end, with asyncio's debug checks on, which take most of the time. Time begins at 0."""
    with asyncio.Runner(loop_factory=_Loop, debug=debug) as runner:
        return runner.run(coroutine)


def clock() -> float:
    """The time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(30):
        await asyncio.sleep(0)
