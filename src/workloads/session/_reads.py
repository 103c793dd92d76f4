"""Reads of sessions of which there is no copy: each once however many wait for it, and many in one round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from workloads.session._copies import Copies
    from workloads.session.protocols import Peeked

__all__ = ("Reads",)

_ATTEMPTS = 8  # of reading what is changed all the time; then what was read last is good enough, if not to be kept


class _Read:
    """One session being read.

    Attributes:
        session_id: Its id.
        waiters: Who waits for it; each can go away without the others noticing.
        attempt: How often it was begun.
        sent: Whether the store was asked.
    """

    __slots__ = ("attempt", "sent", "session_id", "waiters")

    def __init__(self, session_id: str, waiters: list[Future[Peeked | None]], attempt: int) -> None:
        self.session_id = session_id
        self.waiters = waiters
        self.attempt = attempt
        self.sent = False

    def fail(self, error: Exception) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(copy(error))  # each of them gets a traceback of its own


class Reads:
    """The reads under way. Owned by one loop, and by no one of those who wait."""

    def __init__(
        self,
        peek: Callable[[Collection[str]], Awaitable[Mapping[str, Peeked]]],
        copies: Copies,
        *,
        clock: Callable[[], float],
        together: int,
        parallel: int,
    ) -> None:
        """Nothing is read yet.

        Args:
            peek: Reads sessions in one round trip.
            copies: Where what was read is kept.
            clock: Seconds, monotonic.
            together: How many sessions at most are read in one round trip.
            parallel: How many round trips there are at most at the same time. What comes meanwhile travels together in
                the next, so that a store which is slow is not asked more often for it.
        """
        self._peek = peek
        self._copies = copies
        self._clock = clock
        self._together = together
        self._parallel = parallel
        self._reads: dict[str, _Read] = {}  # those that can be joined; what was changed after it was sent is not
        self._waiting: list[_Read] = []
        self._apart: deque[_Read] = deque()  # those that wait for a round trip of their own
        self._trips: dict[Task[None], list[_Read]] = {}
        self._starting = 0
        self._closed: Exception | None = None

    @cached_property
    def _loop(self) -> AbstractEventLoop:
        return asyncio.get_running_loop()

    def read(self, session_id: str) -> Future[Peeked | None]:
        """Read a session, or wait for who reads it already.

        Args:
            session_id: Its id.

        Returns:
            Where the session will be found, or None, or why it is not known. Cancelling it disturbs nobody.
        """
        waiter: Future[Peeked | None] = self._loop.create_future()
        read = self._reads.get(session_id)
        if read is None:
            self._begin(_Read(session_id, [waiter], 1))
        else:
            read.waiters.append(waiter)
        return waiter

    def prefetch(self, session_id: str) -> None:
        """Read a session that will be asked for soon."""
        if session_id not in self._reads:
            self._begin(_Read(session_id, [], 1))

    def disturb(self, session_id: str) -> None:
        """A session was changed: what is being read may be what it was before."""
        read = self._reads.get(session_id)
        if read is not None and read.sent:
            del self._reads[session_id]

    def disturb_all(self) -> None:
        """All sessions may have been changed."""
        for session_id in list(self._reads):
            self.disturb(session_id)

    async def close(self, error: Exception) -> None:
        """End all reads.

        Args:
            error: What those who wait are told.
        """
        self._closed = error
        waiting = [*self._apart, *self._waiting]
        self._apart.clear()
        self._waiting.clear()
        trips = dict(self._trips)
        for trip in trips:
            trip.cancel()
        await asyncio.gather(*trips, return_exceptions=True)
        for read in (*chain.from_iterable(trips.values()), *waiting):
            read.fail(error)
        self._reads.clear()
        self._trips.clear()

    def _begin(self, read: _Read, *, apart: bool = False) -> None:
        if self._closed is not None:
            read.fail(self._closed)
            return
        self._reads[read.session_id] = read
        waiting = self._apart if apart else self._waiting
        waiting.append(read)
        if self._starting * self._together < len(waiting):
            self._set_out()

    def _set_out(self) -> None:
        # A task looks for what to read when it starts: what is asked for in this turn of the loop travels along.
        waiting = len(self._waiting) + len(self._apart)
        if self._starting * self._together < waiting and len(self._trips) < self._parallel:
            self._starting += 1
            trip = self._loop.create_task(self._travel())
            self._trips[trip] = []

    def _next_reads(self) -> list[_Read]:
        if self._apart:
            return [self._apart.popleft()]
        reads = self._waiting[: self._together]
        del self._waiting[: self._together]
        return reads

    async def _travel(self) -> None:
        trip = asyncio.current_task()
        assert trip is not None
        self._starting -= 1
        try:
            reads = self._next_reads()
            if reads:
                self._trips[trip] = reads
                self._set_out()
                await self._fetch(reads)
        finally:
            del self._trips[trip]
            self._set_out()

    async def _fetch(self, reads: list[_Read]) -> None:
        coherent = self._copies.coherent
        for read in reads:
            read.sent = True
            if not coherent:
                # Nobody would hear of a change, so nobody who asks later may be given what is read now.
                self._leave(read)
        sent = self._clock()
        try:
            found = await self._peek([read.session_id for read in reads])
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait hear of it
            if len(reads) == 1 or type(error) is SessionStoreUnavailableError:
                self._fail(reads, error)
                return
            for read in reads:  # one that is damaged must not keep the others from being read
                self._leave(read)
                self._repeat(read, apart=True)
        else:
            self._settle(reads, found, sent, coherent=coherent)

    def _fail(self, reads: list[_Read], error: Exception) -> None:
        for read in reads:
            self._leave(read)
            read.fail(error)

    def _settle(self, reads: list[_Read], found: Mapping[str, Peeked], sent: float, *, coherent: bool) -> None:
        joinable, copies = self._reads, self._copies
        used: list[Peeked] = []
        for read in reads:
            session_id = read.session_id
            peeked = found.get(session_id)
            if coherent and joinable.get(session_id) is read:
                del joinable[session_id]
                if peeked is None:
                    copies.keep_absent(session_id)
                elif read.waiters:
                    used.append(peeked)
                else:
                    copies.keep(peeked.session, sent + peeked.remaining)
            elif coherent and read.attempt < _ATTEMPTS:
                self._repeat(read)  # it was changed meanwhile: this may be what it was before
                continue
            elif peeked is not None and read.waiters:
                copies.use_uncopied(session_id, sent + peeked.remaining)
            for waiter in read.waiters:
                if not waiter.done():
                    waiter.set_result(peeked)
        copies.keep_used(used, sent)

    def _leave(self, read: _Read) -> None:
        if self._reads.get(read.session_id) is read:
            del self._reads[read.session_id]

    def _repeat(self, read: _Read, *, apart: bool = False) -> None:
        newer = self._reads.get(read.session_id)
        if newer is None:
            self._begin(_Read(read.session_id, read.waiters, read.attempt + 1), apart=apart)
        else:
            newer.waiters.extend(read.waiters)
            newer.attempt = max(newer.attempt, read.attempt + 1)
