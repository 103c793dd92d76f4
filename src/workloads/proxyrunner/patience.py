"""Waiting for what nearly always comes at once: one clock for all who wait, so that none sets and unsets its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ("Patience", "Waiter")


class Waiter(Protocol):
    """Who waits."""

    def waited(self) -> None:
        """It has not come in time."""
        ...


class Patience:
    """Knows who waits, and since when. The clock runs only while somebody does, and is not set again for each.

    Args:
        loop: The loop that it belongs to.
        seconds: How long each waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Nobody waits."""
        self._loop = loop
        self._seconds = seconds
        self._since: dict[Waiter, float] = {}  # all wait equally long, so who came first is due first
        self._clock: asyncio.TimerHandle | None = None

    def begin(self, waiter: Waiter) -> None:
        """Somebody begins to wait."""
        self._since[waiter] = self._loop.time()
        if self._clock is None:
            self._clock = self._loop.call_later(self._seconds, self._look)

    def end(self, waiter: Waiter) -> None:
        """It waits no more, if it did."""
        self._since.pop(waiter, None)

    def _look(self) -> None:
        self._clock = None
        now = self._loop.time()
        while self._since:
            waiter, since = next(iter(self._since.items()))
            if since + self._seconds > now:
                self._clock = self._loop.call_at(since + self._seconds, self._look)
                return
            del self._since[waiter]
            self._loop.call_soon(waiter.waited)
