"""Sessions kept in memory in front of a store that several processes share."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, TypeGuard

import attrs

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session._copies import Copies
from workloads.session._reads import Reads
from workloads.session._refresher import Refresher
from workloads.session._tracker import Tracker
from workloads.session._writes import Writes
from workloads.session.owner import Owner
from workloads.session.protocols import CoherentStorage, Peeked

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from datetime import datetime

    from workloads.session.model import Session
    from workloads.session.protocols import Storage

__all__ = ("RoutingStats", "RoutingStorage")

_log = logging.getLogger("workloads.session")

_DEFAULT_ENTRIES = 1000
_DEFAULT_STALENESS = 1.0  # seconds
_TOGETHER, _PARALLEL = 512, 4  # sessions in one round trip to a coherent store, and round trips at the same time
_PLAIN_PARALLEL = 64  # loads at the same time from a store that loads one at a time
_LITTLE_LEFT = 0.05  # of the time to live: too little to be refreshed later
_FIRST_WAIT = 1.0  # seconds that the first call waits until changes are heard of, for what it reads to be kept
_TURN = 1024  # hits after which other tasks get a turn, so that changes are heard of even in a loop of nothing but hits


@attrs.frozen(kw_only=True)
class RoutingStats:
    """What a :class:`RoutingStorage` has done so far.

    Attributes:
        hits: Loads that were answered from memory, also that there is no such session.
        misses: Loads that waited for the store.
        invalidations: Changes in the store that were heard of, one for each session; those made here too.
        refreshes: Sessions whose time to live was started anew in the store, for they were used here.
        flushes: How often everything was forgotten, for changes may have gone unheard.
    """

    hits: int
    misses: int
    invalidations: int
    refreshes: int
    flushes: int


def _closed_error() -> SessionStoreUnavailableError:
    return SessionStoreUnavailableError("RoutingStorage", "it is closed")


def _is_coherent(remote: Storage) -> TypeGuard[CoherentStorage]:
    return all(hasattr(remote, name) for name in ("ttl", "peek", "touch", "invalidations"))


class RoutingStorage:
    """A storage that answers for another one from memory, where it can without being wrong.

    A load of a session that is in memory makes no round trip. The store is told later that it was used, of many
    sessions at once, in time for a session that is used never to expire.

    In front of a :class:`CoherentStorage` a change anywhere, by whomever, ends the copy here as soon as it is heard of.
    While changes cannot be heard of, nothing is answered from memory: every load asks the store, in one round trip. In
    front of any other storage a copy is good for ``max_staleness`` seconds, and only changes made here end it sooner.

    A session is never answered after its time to live, whether or not the store can be reached. Loads of one session at
    the same time are one read, which goes on when one of those who wait is cancelled; loads of many sessions in one
    turn of the loop travel together.

    It belongs to the first event loop that awaits it, and closes the storage behind it.

    Example:
        >>> import asyncio
        >>> from workloads.session import LocalStorage, RoutingStorage, Session
        >>> async def main() -> int:
        ...     storage = RoutingStorage(LocalStorage(ttl=3600))
        ...     await storage.store(Session(id="6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11"))
        ...     await storage.load("6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11")
        ...     await storage.close()
        ...     return storage.stats.hits
        >>> asyncio.run(main())
        1
    """

    def __init__(
        self,
        remote: Storage,
        *,
        max_local_entries: int = 0,
        max_staleness: float = _DEFAULT_STALENESS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet; nothing is asked before the first call.

        Args:
            remote: The storage behind it.
            max_local_entries: How many sessions are kept in memory, the most recently used. Default: 0, which means
                1000.
            max_staleness: Seconds for which a copy is good when the storage behind does not tell of changes.
                Default: 1. Without effect when it does.
            clock: Seconds, monotonic.

        Raises:
            ValueError: A number is negative.
        """
        if max_local_entries < 0:
            raise ValueError(f"max_local_entries: {max_local_entries}; it is 0 (for {_DEFAULT_ENTRIES}) or more")
        if max_staleness < 0:
            raise ValueError(f"max_staleness: {max_staleness}; it is 0 seconds or more")
        limit = max_local_entries or _DEFAULT_ENTRIES
        self._max_local_entries = limit
        self._remote = remote
        self._clock = clock
        self._owner = Owner("RoutingStorage")
        self._begun = self._ready = self._closed = False
        self._writes = Writes()
        self._refresher: Refresher | None = None
        self._tracker: Tracker | None = None
        self._tasks: list[Task[None]] = []
        self._misses = self._invalidations = self._flushes = 0
        if _is_coherent(remote):
            self._good_for = remote.ttl
            self._little_left = _LITTLE_LEFT * remote.ttl
            self._refresher = Refresher(remote, limit=limit, clock=clock)
            self._copies = self._refresher.copies
            self._reads = Reads(remote.peek, self._copies, clock=clock, together=_TOGETHER, parallel=_PARALLEL)
            self._tracker = Tracker(remote, opened=self._opened, changed=self._changed, lost=self._lost)
        else:
            self._good_for, self._little_left = max_staleness, 0.0
            self._copies = Copies(limit=limit, ttl=max_staleness, schedule=None, clock=clock)
            self._reads = Reads(self._load_plainly, self._copies, clock=clock, together=1, parallel=_PLAIN_PARALLEL)

    @property
    def max_local_entries(self) -> int:
        """How many sessions are kept in memory at most."""
        return self._max_local_entries

    @property
    def local_entries(self) -> int:
        """How many sessions are in memory."""
        return len(self._copies)

    @property
    def stats(self) -> RoutingStats:
        """What was done so far."""
        return RoutingStats(
            hits=self._copies.hits,
            misses=self._misses,
            invalidations=self._invalidations,
            refreshes=self._refresher.refreshed if self._refresher else 0,
            flushes=self._flushes,
        )

    async def load(self, session_id: str) -> Session:
        """A session, which is used by this: its time to live starts anew, in the store a while later.

        Args:
            session_id: Its id.

        Raises:
            SessionNotFoundError: There is none, or it expired.
            SessionStoreUnavailableError: It is not in memory, and the store cannot be reached.
        """
        self._owner.check()
        copies = self._copies
        if copies.hits % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        session = copies.find(session_id)
        if session is not None:
            return session
        if not self._ready:
            await self._enter()
        if copies.is_absent(session_id):
            raise SessionNotFoundError(session_id)
        self._misses += 1
        peeked = await self._reads.read(session_id)
        if peeked is None:
            raise SessionNotFoundError(session_id)
        if peeked.remaining < self._little_left:
            return await self._remote.load(session_id)  # which renews it in one step; later could be too late
        return peeked.session

    def recall(self, session_id: str) -> Session | None:
        """A session that is in memory, which is used by this. Now and then none is, for others to get a turn.

        Args:
            session_id: Its id.

        Returns:
            The session; None when only :meth:`load` can tell.
        """
        self._owner.check()
        copies = self._copies
        return None if copies.hits % _TURN == _TURN - 1 else copies.find(session_id)

    async def store(self, session: Session) -> None:
        """Keep a session, in the place of an earlier one of that id, for the whole time to live.

        Args:
            session: The session.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached; whether it was kept is not known.
        """

        async def kept() -> bool:
            await self._remote.store(session)
            return True

        await self._write(session.id, kept, session)

    async def create(self, session: Session) -> bool:
        """Keep a session unless there is one of that id, in one step.

        Args:
            session: The session.

        Returns:
            Whether it was kept; when not, what was there is unchanged.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached; whether it was kept is not known.
        """
        return await self._write(session.id, lambda: self._remote.create(session), session)

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        """Keep a session in the place of the one of that id, in one step; one that is gone is not brought back.

        Args:
            session: The session. Its time to live starts anew.
            expected: What must be there; None for any session.

        Returns:
            Whether it was kept; when not, what was there, or that nothing was, is unchanged. The next load tells what
            is in the store.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached; whether it was kept is not known.
        """
        return await self._write(session.id, lambda: self._remote.update(session, expected=expected), session)

    async def delete(self, session_id: str) -> None:
        """Forget a session. That there is none is fine.

        Args:
            session_id: Its id.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached; whether it was forgotten is not known.
        """

        async def forgotten() -> bool:
            await self._remote.delete(session_id)
            return False

        await self._write(session_id, forgotten, None)

    async def delete_expired(self, before: datetime) -> None:
        """Forget the sessions last used before a time. Does nothing where the store itself lets them expire.

        Args:
            before: The time, with a time zone.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        self._owner.check()
        await self._enter()
        await self._remote.delete_expired(before)
        if self._tracker is None:
            self._copies.clear()
            self._reads.disturb_all()

    async def close(self) -> None:
        """Tell the store of the last uses, end what goes on, and close the storage behind. Can be repeated."""
        self._owner.check()
        if self._closed:
            return
        self._closed, self._ready = True, False
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
            self._copies.close()
            await self._reads.close(_closed_error())
            if self._refresher is not None:
                await self._refresher.finish()
        finally:
            await self._remote.close()

    def _begin(self) -> None:
        self._begun = True
        for worker in (self._tracker, self._refresher):
            if worker is not None:
                task = asyncio.get_running_loop().create_task(worker.run(), name=f"sessions-{type(worker).__name__}")
                task.add_done_callback(self._worker_ended)
                self._tasks.append(task)

    def _worker_ended(self, task: Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            # Sessions go on being served, from the store.
            _log.error("a background task failed", exc_info=error, extra={"task": task.get_name()})

    async def _enter(self) -> None:
        """Begin, if that was not done; the first waits a moment until changes are heard of."""
        if self._closed:
            raise _closed_error()
        if not self._begun:
            self._begin()
        if self._tracker is not None and not self._tracker.tried.is_set():
            try:
                async with asyncio.timeout(_FIRST_WAIT):
                    await self._tracker.tried.wait()
            except TimeoutError:
                self._tracker.tried.set()
        self._ready = not self._closed

    async def _load_plainly(self, session_ids: Collection[str]) -> Mapping[str, Peeked]:
        found: dict[str, Peeked] = {}
        for session_id in session_ids:
            try:
                found[session_id] = Peeked(await self._remote.load(session_id), self._good_for)
            except SessionNotFoundError:
                continue
        return found

    async def _write(self, session_id: str, write: Callable[[], Awaitable[bool]], session: Session | None) -> bool:
        self._owner.check()
        if not self._ready:
            await self._enter()
        self._writes.begin(session_id, alone=self._copies.coherent)
        sent = self._clock()
        newest = False
        try:
            done = await write()
        finally:
            # Also when it failed or was cancelled: then what is in the store is not known.
            newest = self._writes.end(session_id)
            self._copies.drop(session_id)
            self._reads.disturb(session_id)
        if done and session is not None:
            if newest:
                self._copies.keep(session, sent + self._good_for, hot=True)
            elif self._copies.coherent:
                self._reads.prefetch(session_id)
        return done

    def _opened(self) -> None:
        self._copies.coherent = True

    def _changed(self, ids: frozenset[str] | None) -> None:
        if ids is None:
            self._forget_all()
            return
        self._invalidations += len(ids)
        for session_id in ids:
            copy = self._copies.drop(session_id)
            self._writes.disturb(session_id)
            self._reads.disturb(session_id)
            if copy is not None and copy.hot:
                self._reads.prefetch(session_id)

    def _lost(self) -> None:
        self._copies.coherent = False
        self._forget_all()

    def _forget_all(self) -> None:
        self._flushes += 1
        self._copies.clear()
        self._writes.disturb_all()
        self._reads.disturb_all()
