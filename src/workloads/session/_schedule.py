"""Which sessions the store is to be told of as used, and when. No I/O."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("Schedule",)


class Schedule:
    """Ids in the order in which they are due, those of about the same time together. Owned by one loop."""

    def __init__(self, *, tick: float, limit: int, wake: Callable[[], object]) -> None:
        """Nothing is due yet.

        Args:
            tick: Seconds within which ids are due together, at their beginning.
            limit: How many overdue ids are remembered; of more, the one known for longest is forgotten.
            wake: Called when something is due sooner than at the time that :meth:`alarm` told last.
        """
        self._tick = tick
        self._limit = limit
        self._wake = wake
        self._ticks: dict[float, set[str]] = {}  # by the number of the tick
        self._overdue: dict[str, float] = {}
        self._alarm = math.inf

    def __len__(self) -> int:
        return sum(map(len, self._ticks.values())) + len(self._overdue)

    def alarm(self) -> float:
        """When something is due next: minus infinity for at once, infinity for never."""
        if self._overdue:
            self._alarm = -math.inf
        else:
            self._alarm = min(self._ticks) * self._tick if self._ticks else math.inf
        return self._alarm

    def later(self, dues: Mapping[str, float]) -> None:
        """Note when ids are due, that are not noted yet.

        Args:
            dues: When each id is due.
        """
        size, overdue, last = self._tick, self._overdue, -math.inf
        together: set[str] = set()
        for session_id, due in dues.items():
            tick = due // size
            if tick != last:  # those that were read together are mostly due together
                together, last = self._together(tick), tick
            together.add(session_id)
            if overdue:
                overdue.pop(session_id, None)

    def soon(self, session_id: str, deadline: float) -> None:
        """Note that an id is due.

        Args:
            session_id: The id.
            deadline: After which there is no point in it.
        """
        if self._alarm > -math.inf:
            self._wake()
        self._overdue[session_id] = deadline
        if len(self._overdue) > self._limit:
            del self._overdue[next(iter(self._overdue))]

    def forget(self, session_id: str, due: float) -> None:
        """An id is not due any more.

        Args:
            session_id: The id.
            due: When it was due.
        """
        self._overdue.pop(session_id, None)
        tick = due // self._tick
        together = self._ticks.get(tick)
        if together is not None:
            together.discard(session_id)
            if not together:
                del self._ticks[tick]

    def _together(self, tick: float) -> set[str]:
        """The ids of a tick."""
        together = self._ticks.get(tick)
        if together is None:
            together = self._ticks[tick] = set()
            if tick * self._tick < self._alarm:
                self._wake()
        return together

    def take(self, now: float, most: int) -> tuple[list[str], dict[str, float]]:
        """Take out what is due.

        Args:
            now: The time; infinity for all.
            most: How many ids at most, of either kind.

        Returns:
            The ids that became due in time, and those overdue with their deadlines.
        """
        overdue = dict(islice(self._overdue.items(), most))
        for session_id in overdue:
            del self._overdue[session_id]
        in_time: list[str] = []
        for tick in sorted(self._ticks):
            if tick * self._tick > now or len(in_time) >= most:
                break
            together = self._ticks[tick]
            taken = list(islice(together, most - len(in_time)))
            together.difference_update(taken)
            if not together:
                del self._ticks[tick]
            in_time += taken
        return in_time, overdue
