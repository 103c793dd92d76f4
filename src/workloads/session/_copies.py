"""What is known here of sessions that are kept elsewhere. No I/O; the clock is given."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads.session._schedule import Schedule
    from workloads.session.model import Session
    from workloads.session.protocols import Peeked

__all__ = ("Copies", "Copy")

REFRESH_AFTER = 2 / 3
"""The share of its time to live after which a session that was used is refreshed: a third is left to try again in."""

_JITTER = 0.05  # of the time to live, by which replicas differ, so that seldom two refresh a session at the same moment

FULL = 0.95
"""The share of its time to live that a session must have left to count as just refreshed."""

_ABSENT_FOR = 1.0  # seconds; a push ends it sooner, so this only bounds what an unnoticed loss can do


class Copy:
    """A copy of one session.

    Attributes:
        session: The session.
        deadline: When it expires at the earliest, by the clock of this process.
        due: When the store is told that it was used, if it was.
        used: Whether it was used since the store was told.
        hot: Whether it was used since it was copied, so that a new copy is worth fetching.
    """

    __slots__ = ("deadline", "due", "hot", "session", "used")

    def __init__(self, session: Session, deadline: float, due: float, used: bool, hot: bool) -> None:
        self.session = session
        self.deadline = deadline
        self.due = due
        self.used = used
        self.hot = hot


class _LeastRecentlyUsed(LRUCache[str, Copy]):
    """The copies used last; of those that make room, the owner is told."""

    def __init__(self, limit: int, evicted: Callable[[str, Copy], None]) -> None:
        super().__init__(limit)
        self._evicted = evicted

    def popitem(self) -> tuple[str, Copy]:
        item = super().popitem()
        self._evicted(*item)
        return item


class Copies:
    """The copies of sessions, as many as there is room for, and the ids of which the store has none.

    Attributes:
        coherent: Whether every change in the store is heard of. Nothing is kept while it is not.
        hits: How many loads were answered from here.
    """

    def __init__(self, *, limit: int, ttl: float, schedule: Schedule | None, clock: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            limit: How many sessions are kept, and how many ids of which there are none.
            ttl: Seconds that a session is good for after its last use or, without a schedule, after it was copied.
            schedule: Where uses are noted that the store is to be told of; None where it need not be.
            clock: Seconds, monotonic.
        """
        self._copies = _LeastRecentlyUsed(limit, self._evicted)
        self._absent: dict[str, float] = {}  # until when, the one known for longest first
        self._limit = limit
        self._ttl = ttl
        self._early = ttl * (1 - REFRESH_AFTER + random.random() * _JITTER)
        self._schedule = schedule
        self._clock = clock
        self._unfiled: Mapping[str, Peeked] = {}  # what was kept last, and is not among the copies yet
        self._unfiled_sent = 0.0  # when the store was asked for it
        self.coherent = schedule is None
        self.hits = 0

    def __len__(self) -> int:
        self.file()
        return len(self._copies)

    def find(self, session_id: str) -> Session | None:
        """The session, if there is a copy that did not expire; this is a use of it."""
        if session_id in self._unfiled:
            self.file()
        copies = self._copies
        if session_id not in copies:
            return None
        copy = copies[session_id]
        if self._clock() >= copy.deadline:
            self.drop(session_id)
            return None
        if not copy.used:
            copy.used = copy.hot = True
            if self._schedule is not None:
                self._schedule.later({session_id: copy.due})
        self.hits += 1
        return copy.session

    def is_absent(self, session_id: str) -> bool:
        """Whether it is known that the store has no such session."""
        until = self._absent.get(session_id)
        if until is None:
            return False
        if self._clock() >= until:
            del self._absent[session_id]
            return False
        self.hits += 1
        return True

    def keep(self, session: Session, deadline: float, *, hot: bool = False) -> None:
        """Keep a copy that was not used yet, while every change is heard of.

        Args:
            session: The session.
            deadline: When it expires at the earliest.
            hot: Whether it is worth fetching again once it changes, though it was not used.
        """
        self.drop(session.id)
        if self.coherent and deadline > self._clock():
            self._copies[session.id] = Copy(session, deadline, deadline - self._early, False, hot)

    def keep_used(self, found: Mapping[str, Peeked], sent: float) -> None:
        """Keep copies that are used already, while every change is heard of.

        Args:
            found: What the store answered, by the ids.
            sent: When it was asked.
        """
        self.file()
        if self.coherent:
            self._unfiled, self._unfiled_sent = found, sent
        else:
            for session_id in found:
                self.drop(session_id)

    def file(self) -> None:
        """Put what was kept last in its place. It is found without that; done early, nobody has to wait for it."""
        found, sent = self._unfiled, self._unfiled_sent
        if not found:
            return
        self._unfiled = {}
        copies, absent, early, now = self._copies, self._absent, self._early, self._clock()
        fresh: dict[str, Copy] = {}
        dues: dict[str, float] = {}
        for session_id, (session, remaining) in found.items():
            if session_id in copies or session_id in absent:
                self.drop(session_id)
            deadline = sent + remaining
            if deadline > now:
                due = dues[session_id] = deadline - early
                fresh[session_id] = Copy(session, deadline, due, True, True)
        if self._schedule is not None:
            self._schedule.later(dues)
        for session_id, copy in fresh.items():  # after that, for one of them may have to make room for another
            copies[session_id] = copy

    def keep_absent(self, session_id: str) -> None:
        """Remember for a moment that the store has no such session."""
        self.drop(session_id)
        if self.coherent:
            self._absent[session_id] = self._clock() + min(_ABSENT_FOR, self._ttl)
            if len(self._absent) > self._limit:
                del self._absent[next(iter(self._absent))]

    def use_uncopied(self, session_id: str, deadline: float) -> None:
        """Note the use of a session of which no copy is kept.

        Args:
            session_id: Its id.
            deadline: When it expires.
        """
        if self._schedule is not None and deadline - self._clock() < FULL * self._ttl:
            self._schedule.soon(session_id, deadline)

    def take_use(self, session_id: str) -> float | None:
        """The store is about to be told of the uses of a session.

        Returns:
            When the session expires if that fails; None when there is no copy that was used.
        """
        self.file()
        copy = self._copies.get(session_id)
        if copy is None or not copy.used:
            return None
        copy.used = False
        copy.due = self._clock() + self._ttl * REFRESH_AFTER  # until the push comes that ends this copy
        return copy.deadline

    def drop(self, session_id: str) -> Copy | None:
        """Forget what is known of a session, and return the copy that there was."""
        self.file()
        self._absent.pop(session_id, None)
        copy = self._copies.pop(session_id, None)
        if copy is not None and copy.used and self._schedule is not None:
            # What changed it made its time to live start anew, or it is gone.
            self._schedule.forget(session_id, copy.due)
        return copy

    def clear(self) -> None:
        """Forget all copies. The store will be told of uses that it was not told of yet."""
        self.file()
        for session_id, copy in self._copies.items():
            self._evicted(session_id, copy)
        self._copies.clear()
        self._absent.clear()

    def close(self) -> None:
        """Forget all copies, and keep no more."""
        self.coherent = False
        self.clear()

    def _evicted(self, session_id: str, copy: Copy) -> None:
        if copy.used and self._schedule is not None:
            self._schedule.forget(session_id, copy.due)
            self.use_uncopied(session_id, copy.deadline)
