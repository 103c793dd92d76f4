"""Tells the store which sessions were used: late enough for many uses to be one, early enough to try again."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError
from workloads.session._copies import Copies
from workloads.session._schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.session.protocols import CoherentStorage

__all__ = ("Refresher",)

_log = logging.getLogger("workloads.session")

_TOGETHER = 512  # ids in one round trip
_TICKS = 64  # in a time to live: uses that near each other are told together
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts while the store cannot be reached
_LINGER = 0.02  # seconds that overdue ids wait for others
_FAREWELL = 2.0  # seconds for the last uses when it is closed


class Refresher:
    """Refreshes sessions in the store that were used here.

    Attributes:
        copies: The copies whose uses it tells.
        refreshed: How many sessions it refreshed.
    """

    def __init__(self, remote: CoherentStorage, *, limit: int, clock: Callable[[], float]) -> None:
        """Nothing is due yet.

        Args:
            remote: The store.
            limit: How many copies there may be.
            clock: Seconds, monotonic.
        """
        self._remote = remote
        self._clock = clock
        self._due = asyncio.Event()
        self._telling = asyncio.Lock()  # so that what is told is told when it is said to be
        ttl = remote.ttl
        self._schedule = Schedule(tick=ttl / _TICKS, limit=limit + _TOGETHER, wake=self._due.set)
        self.copies = Copies(limit=limit, ttl=ttl, schedule=self._schedule, clock=clock)
        self._longest_pause = min(_LONGEST_PAUSE, ttl / _TICKS)
        self._linger = min(_LINGER, ttl / _TICKS)
        self.refreshed = 0

    async def run(self) -> None:
        """Refresh what is due, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            await self._wait()
            try:
                while await self._refresh(self._clock()):
                    pause = _FIRST_PAUSE
            except SessionStoreUnavailableError as error:
                _log.warning(
                    "sessions not refreshed yet", extra={"reason": error.reason, "waiting": len(self._schedule)}
                )
                await asyncio.sleep(min(pause, self._longest_pause))
                pause *= 2

    async def finish(self) -> None:
        """Tell of all uses that the store was not told of, unless it takes long."""
        try:
            async with asyncio.timeout(_FAREWELL):
                while await self._refresh(math.inf):
                    pass
        except (SessionStoreUnavailableError, TimeoutError):
            _log.warning("sessions not refreshed", extra={"waiting": len(self._schedule)})

    async def _wait(self) -> None:
        """Until something is due."""
        while True:
            self._due.clear()
            pause = self._schedule.alarm() - self._clock()
            if pause <= 0:
                break
            try:
                async with asyncio.timeout(pause if pause < math.inf else None):
                    await self._due.wait()
            except TimeoutError:
                return
        if pause == -math.inf:
            await asyncio.sleep(self._linger)

    async def _refresh(self, now: float) -> bool:
        """Refresh some of what is due.

        Returns:
            Whether there was any.
        """
        async with self._telling:
            return await self._tell(now)

    async def _tell(self, now: float) -> bool:
        self.copies.file()  # those that were read a moment ago are used, too
        in_time, overdue = self._schedule.take(now, _TOGETHER)
        uses = {session_id: self.copies.take_use(session_id) for session_id in in_time}
        told = {**{used: deadline for used, deadline in uses.items() if deadline is not None}, **overdue}
        begun = self._clock()
        told = {session_id: deadline for session_id, deadline in told.items() if deadline > begun}
        if not told:
            return bool(in_time or overdue)
        try:
            present = await self._remote.touch(told)
        except BaseException:
            for session_id, deadline in told.items():
                self._schedule.soon(session_id, deadline)
            raise
        self.refreshed += len(present)
        for session_id in told.keys() - present:
            self.copies.drop(session_id)
        return True
