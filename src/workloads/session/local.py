"""Sessions of one process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session.limits import check_ttl
from workloads.session.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.session.model import Session

__all__ = ("LocalStorage",)

_PRUNED = 8
"""Expired sessions that one operation forgets: more than one operation can add, so that they never pile up."""

_CHUNK = 1000
"""Sessions that ``delete_expired`` forgets before it lets others run."""

_CLOSING_TIMEOUT = 5.0

_log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    session: Session
    used: float


class LocalStorage:
    """Keeps sessions in memory. They end with the process, and no other process sees them.

    A session that has ``aclose()`` or ``close()`` is closed, in the background, when it expires or is deleted, and when
    the storage is closed; one that another takes the place of is not, for the new one may share what it holds.

    Example:
        >>> import asyncio
        >>> from workloads.session import LocalStorage, Session
        >>> async def keep() -> bool:
        ...     storage = LocalStorage(ttl=7200)
        ...     await storage.create(Session(id="one"))
        ...     return await storage.create(Session(id="one"))
        >>> asyncio.run(keep())
        False
    """

    def __init__(self, *, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        """A storage without sessions.

        Args:
            ttl: Seconds that a session is kept after its last use.
            clock: Tells the time in seconds; it never goes back.

        Raises:
            InvalidSessionStoreError: ``ttl`` is no time to live.
        """
        self._ttl = check_ttl(ttl)
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the one that was not used longest comes first
        self._owner = Owner("LocalStorage")
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"LocalStorage(ttl={self._ttl:g}, sessions={len(self._entries)})"

    @property
    def ttl(self) -> float:
        """Seconds that a session is kept after its last use."""
        return self._ttl

    async def store(self, session: Session) -> None:
        """See :meth:`Storage.store`."""
        self._keep(session, self._begin())

    async def load(self, session_id: str) -> Session:
        """See :meth:`Storage.load`."""
        session = self.recall(session_id)
        if session is None:
            raise SessionNotFoundError(session_id)
        return session

    def recall(self, session_id: str) -> Session | None:
        """See :meth:`RecallingStorage.recall`."""
        now = self._begin()
        entry = self._live(session_id, now)
        if entry is None:
            return None
        self._keep(entry.session, now)
        return entry.session

    async def delete(self, session_id: str) -> None:
        """See :meth:`Storage.delete`."""
        self._begin()
        if session_id in self._entries:
            self._forget(session_id)

    async def delete_expired(self, before: datetime) -> None:
        """See :meth:`Storage.delete_expired`. Lets others run in between, and keeps what they use meanwhile.

        Raises:
            ValueError: ``before`` has no time zone.
        """
        if before.utcoffset() is None:
            raise ValueError("before needs a time zone, such as datetime.UTC")
        limit = self._begin() - (datetime.now(UTC) - before).total_seconds()
        forgotten = 0
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest].used >= limit:
                break
            self._forget(oldest)
            forgotten += 1
            if forgotten % _CHUNK == 0:
                await asyncio.sleep(0)

    async def create(self, session: Session) -> bool:
        """See :meth:`Storage.create`."""
        now = self._begin()
        if self._live(session.id, now) is not None:
            return False
        self._keep(session, now)
        return True

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        """See :meth:`Storage.update`."""
        now = self._begin()
        entry = self._live(session.id, now)
        if entry is None or (expected is not None and entry.session != expected):
            return False
        self._keep(session, now)
        return True

    async def close(self) -> None:
        """Forget every session, and wait up to 5 s for those that need closing. Can be repeated."""
        self._owner.check()
        self._closed = True
        for session_id in list(self._entries):
            self._forget(session_id)
        if self._closing:
            _, late = await asyncio.wait(self._closing, timeout=_CLOSING_TIMEOUT)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _begin(self) -> float:
        """What every operation begins with; gives the time."""
        self._owner.check()
        if self._closed:
            raise SessionStoreUnavailableError("in memory", "it is closed")
        now = self._clock()
        pruned = 0
        while self._entries and pruned < _PRUNED and self._live(next(iter(self._entries)), now) is None:
            pruned += 1
        return now

    def _keep(self, session: Session, now: float) -> None:
        self._entries[session.id] = _Entry(session, now)
        self._entries.move_to_end(session.id)

    def _live(self, session_id: str, now: float) -> _Entry | None:
        """A session that has not expired. One that has is forgotten."""
        entry = self._entries.get(session_id)
        if entry is not None and now - entry.used >= self._ttl:
            self._forget(session_id)
            return None
        return entry

    def _forget(self, session_id: str) -> None:
        session = self._entries.pop(session_id).session
        close = getattr(session, "aclose", None) or getattr(session, "close", None)
        if callable(close):
            task = asyncio.get_running_loop().create_task(_close(type(session).__name__, close))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _close(kind: str, close: Callable[[], Any]) -> None:
    try:
        closed = close()
        if inspect.isawaitable(closed):
            await closed
    except Exception:  # noqa: BLE001  # the code of others, on whose end nobody waits
        # Without its id, which is all that a client needs to use a session.
        _log.exception("a session that is gone could not be closed", extra={"kind": kind})
