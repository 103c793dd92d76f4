"""Which sessions were used lately: they count as use of a server that sleeps while nobody uses it."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("RecentSessions",)

_MOST = 10_000


class RecentSessions:
    """Remembers when each session had its last exchange, for a while.

    Args:
        window: Seconds for which a session counts after its last exchange.
        clock: Tells the time in seconds, never jumping back.
        most: Sessions that are remembered; beyond that, those that were used longest ago are forgotten.
    """

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        """Begin with none."""
        self._window = window
        self._clock = clock
        self._most = most
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def used(self, session: bytes) -> None:
        """A session had an exchange that ends now."""
        self._used[session] = self._clock()
        self._used.move_to_end(session)
        if len(self._used) > self._most:
            self._used.popitem(last=False)

    def ended(self, session: bytes) -> None:
        """A session is over."""
        self._used.pop(session, None)

    def forget(self) -> None:
        """Every session is over."""
        self._used.clear()

    def look(self) -> tuple[int, float | None]:
        """How many there are, and how many seconds ago the last of them was used; None without any."""
        now = self._clock()
        while self._used and (oldest := next(iter(self._used.items())))[1] + self._window <= now:
            del self._used[oldest[0]]
        last = next(reversed(self._used.values()), None)
        return len(self._used), None if last is None else now - last
