"""Reads of sessions of which there is no copy: each once however many wait for it, and many in one round trip."""

from __future__ import annotations

import asyncio
from copy import copy
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from workloads.session._copies import Copies
    from workloads.session.protocols import Peeked

    # Who waits for one read, which they are: each can go away without the others noticing.
    _Waiters = list[Future[Peeked | None]]

__all__ = ("Reads",)

_ATTEMPTS = 8  # of reading what is changed all the time; then what was read last is good enough, if not to be kept


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
        self._reads: dict[str, _Waiters] = {}  # those that can be joined; what was changed after it was sent is not
        self._waiting: dict[str, _Waiters] = {}  # of these, those that were not sent
        self._apart: dict[str, _Waiters] = {}  # and those that wait for a round trip of their own
        self._vain: dict[str, int] = {}  # how often what is changed all the time was read in vain
        self._trips: dict[Task[None], dict[str, _Waiters]] = {}
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
        waiters = self._reads.get(session_id)
        if waiters is None:
            self._begin(session_id, [waiter], self._waiting)
        else:
            waiters.append(waiter)
        return waiter

    def prefetch(self, session_id: str) -> None:
        """Read a session that will be asked for soon."""
        if session_id not in self._reads:
            self._begin(session_id, [], self._waiting)

    def disturb(self, session_id: str) -> None:
        """A session was changed: what is being read may be what it was before."""
        if session_id not in self._waiting and session_id not in self._apart:
            self._reads.pop(session_id, None)

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
        waiting = [*self._apart.values(), *self._waiting.values()]
        self._apart.clear()
        self._waiting.clear()
        trips = dict(self._trips)
        for trip in trips:
            trip.cancel()
        await asyncio.gather(*trips, return_exceptions=True)
        for waiters in (*chain.from_iterable(reads.values() for reads in trips.values()), *waiting):
            _fail(waiters, error)
        self._reads.clear()
        self._vain.clear()
        self._trips.clear()

    def _begin(self, session_id: str, waiters: _Waiters, waiting: dict[str, _Waiters]) -> None:
        if self._closed is not None:
            _fail(waiters, self._closed)
            return
        self._reads[session_id] = waiting[session_id] = waiters
        if self._starting * self._together < len(waiting):
            self._set_out()

    def _set_out(self) -> None:
        # A task looks for what to read when it starts: what is asked for in this turn of the loop travels along.
        waiting = len(self._waiting) + len(self._apart)
        if self._starting * self._together < waiting and len(self._trips) < self._parallel:
            self._starting += 1
            trip = self._loop.create_task(self._travel())
            self._trips[trip] = {}

    def _next_reads(self) -> dict[str, _Waiters]:
        if self._apart:
            session_id = next(iter(self._apart))
            return {session_id: self._apart.pop(session_id)}
        if len(self._waiting) > self._together:
            first = list(islice(self._waiting, self._together))
            return {session_id: self._waiting.pop(session_id) for session_id in first}
        reads, self._waiting = self._waiting, {}
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

    async def _fetch(self, reads: dict[str, _Waiters]) -> None:
        coherent = self._copies.coherent
        if not coherent:
            # Nobody would hear of a change, so nobody who asks later may be given what is read now.
            self._leave(reads)
        sent = self._clock()
        try:
            found = await self._peek(list(reads))
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait hear of it
            self._leave(reads)
            if len(reads) == 1 or type(error) is SessionStoreUnavailableError:
                for session_id, waiters in reads.items():
                    self._vain.pop(session_id, None)
                    _fail(waiters, error)
                return
            for session_id, waiters in reads.items():  # one that is damaged must not keep the others from being read
                self._repeat(session_id, waiters, self._apart)
        else:
            self._settle(reads, found, sent, coherent=coherent)

    def _settle(
        self, reads: Mapping[str, _Waiters], found: Mapping[str, Peeked], sent: float, *, coherent: bool
    ) -> None:
        joinable, copies, vain = self._reads, self._copies, self._vain
        used: dict[str, Peeked] = {}
        for session_id, waiters in reads.items():
            peeked = found.get(session_id)
            if coherent and joinable.get(session_id) is waiters:
                del joinable[session_id]
                if peeked is None:
                    copies.keep_absent(session_id)
                elif waiters:
                    used[session_id] = peeked
                else:
                    copies.keep(peeked.session, sent + peeked.remaining)
            elif coherent and vain.get(session_id, 0) + 1 < _ATTEMPTS:
                # It was changed meanwhile: this may be what it was before.
                self._repeat(session_id, waiters, self._waiting)
                continue
            elif peeked is not None and waiters:
                copies.use_uncopied(session_id, sent + peeked.remaining)
            if vain:
                vain.pop(session_id, None)
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(peeked)
        if used:
            copies.keep_used(used, sent)
            # Two turns on, those who waited go on and have asked for more: it is done while the store looks for that.
            self._loop.call_soon(self._loop.call_soon, copies.file)

    def _leave(self, reads: Mapping[str, _Waiters]) -> None:
        for session_id, waiters in reads.items():
            if self._reads.get(session_id) is waiters:
                del self._reads[session_id]

    def _repeat(self, session_id: str, waiters: _Waiters, waiting: dict[str, _Waiters]) -> None:
        self._vain[session_id] = self._vain.get(session_id, 0) + 1
        newer = self._reads.get(session_id)
        if newer is None:
            self._begin(session_id, waiters, waiting)
        else:
            newer.extend(waiters)


def _fail(waiters: Iterable[Future[Peeked | None]], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(copy(error))  # each of them gets a traceback of its own
