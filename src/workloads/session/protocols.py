"""What keeps sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from workloads.session.model import Session

__all__ = ("CoherentStorage", "Invalidations", "Peeked", "RecallingStorage", "Storage")


class Storage(Protocol):
    """Keeps sessions until they were not used for its time to live.

    It belongs to the first event loop that awaits it; in another every method raises ``RuntimeError``. Every method
    but ``close`` raises ``SessionStoreUnavailableError``, within a bounded time, when sessions cannot be reached.
    """

    async def store(self, session: Session) -> None:
        """Keep a session, in the place of an earlier one of that id, for the whole time to live.

        Args:
            session: The session.
        """
        ...

    async def load(self, session_id: str) -> Session:
        """A session, whose time to live starts anew.

        Args:
            session_id: Its id.

        Raises:
            SessionNotFoundError: There is none, or it expired.
        """
        ...

    async def delete(self, session_id: str) -> None:
        """Forget a session. That there is none is fine.

        Args:
            session_id: Its id.
        """
        ...

    async def delete_expired(self, before: datetime) -> None:
        """Forget the sessions last used before a time. Does nothing where the store itself lets them expire.

        Args:
            before: The time, with a time zone.
        """
        ...

    async def create(self, session: Session) -> bool:
        """Keep a session unless there is one of that id, in one step.

        Args:
            session: The session.

        Returns:
            Whether it was kept; when not, what was there is unchanged.
        """
        ...

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        """Keep a session in the place of the one of that id, in one step; one that is gone is not brought back.

        Args:
            session: The session. Its time to live starts anew.
            expected: What must be there; None for any session.

        Returns:
            Whether it was kept; when not, what was there, or that nothing was, is unchanged.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and tasks. Can be repeated; sessions kept elsewhere go on."""
        ...


class RecallingStorage(Storage, Protocol):
    """A storage that has sessions in memory, and gives those without anybody having to wait."""

    def recall(self, session_id: str) -> Session | None:
        """A session that is in memory, whose time to live starts anew; None when only ``load`` can tell.

        Args:
            session_id: Its id.
        """
        ...


class Peeked(NamedTuple):
    """A session as it stands in a store.

    Attributes:
        session: The session.
        remaining: Seconds until it expires if nobody uses it.
    """

    session: Session
    remaining: float


class Invalidations(Protocol):
    """What changed in a store, from the moment this was opened, in the order in which it changed."""

    def __aiter__(self) -> AsyncIterator[frozenset[str] | None]:
        """Itself."""
        ...

    async def __anext__(self) -> frozenset[str] | None:
        """Wait for the next change.

        Returns:
            The ids whose sessions, or times to live, changed; None when all may have.

        Raises:
            SessionStoreUnavailableError: The store is lost, and with it perhaps changes; noticed within one second.
            StopAsyncIteration: This is closed.
        """
        ...

    async def aclose(self) -> None:
        """Hear no more. Can be repeated."""
        ...

    async def __aenter__(self) -> Self:
        """Itself."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close it."""
        ...


class CoherentStorage(Storage, Protocol):
    """A storage in front of which a cache can stand: it tells of every change, whoever makes it."""

    @property
    def ttl(self) -> float:
        """Seconds that a session is kept after its last use."""
        ...

    async def peek(self, session_ids: Collection[str]) -> Mapping[str, Peeked]:
        """Sessions as they stand, in one round trip, leaving their times to live alone.

        Args:
            session_ids: Their ids.

        Returns:
            Those that there are, by their ids.
        """
        ...

    async def touch(self, session_ids: Collection[str]) -> frozenset[str]:
        """Start the time to live of sessions anew, in one round trip.

        Args:
            session_ids: Their ids.

        Returns:
            The ids of those that there are.
        """
        ...

    async def invalidations(self) -> Invalidations:
        """Hear of changes: of every one that is made after this returns, also of those made through this storage."""
        ...
