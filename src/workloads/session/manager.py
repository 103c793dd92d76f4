"""What a proxy does with sessions: begins them, finds them, pins them anew, ends them."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeGuard, TypeVar

import attrs

from workloads.errors import (
    SessionAlreadyExistsError,
    SessionForbiddenError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)
from workloads.session.identity import Ownership, bind, ownership
from workloads.session.ids import new_session_id, session_key
from workloads.session.model import Session
from workloads.session.pins import Pin

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Mapping
    from types import TracebackType
    from typing import Self

    from workloads.config import RunConfig
    from workloads.session.identity import Identity
    from workloads.session.model import SessionType
    from workloads.session.protocols import RecallingStorage, Storage

__all__ = ("DEFAULT_TTL", "Repinned", "SessionManager")

T = TypeVar("T")

_log = logging.getLogger("workloads.session")

DEFAULT_TTL = 7200.0
"""Seconds that a session is kept after its last use when nothing else is said: ToolHive's two hours."""

# ToolHive's limits, in seconds.
_OPERATION = 5.0
_CLEANUP = 30.0


@attrs.frozen(kw_only=True)
class Repinned:
    """What came of pinning a session anew.

    Attributes:
        session: The session as it is kept now; use its pin.
        won: Whether that is the pin asked for. When not, another was faster: close the session begun with the replica.
    """

    session: Session
    won: bool


class SessionManager:
    """The sessions of a proxy, in a storage that it may share with others.

    Ids are UUIDs; another id, such as a server's own, is mapped to one, always the same, by every method. An operation
    that the storage does not answer within 5 seconds raises ``SessionStoreUnavailableError``.

    Use it as an async context manager, or call ``close``. It belongs to the first event loop that awaits it.

    Example:
        >>> import asyncio
        >>> from workloads.session import LocalStorage, SessionManager
        >>> async def main() -> str:
        ...     async with SessionManager(LocalStorage(ttl=7200)) as sessions:
        ...         session = await sessions.begin(metadata={"backend_url": "http://127.0.0.1:8001"})
        ...         moved = await sessions.repin(session, "http://127.0.0.1:8002")
        ...         return (await sessions.get(moved.session.id)).metadata["backend_url"]
        >>> asyncio.run(main())
        'http://127.0.0.1:8002'
    """

    def __init__(self, storage: Storage, *, ttl: float = DEFAULT_TTL, bind_identity: bool = False) -> None:
        """Nothing is asked before the first call.

        Args:
            storage: Where sessions are kept; closed with this.
            ttl: Seconds after its last use after which a session is cleaned up, where the store does not do that
                itself. Default: two hours. It is looked for every half of it.
            bind_identity: Whether a session belongs to the identity that began it, and those that belong to nobody are
                refused. A session that belongs to somebody is given to nobody else in any case.

        Raises:
            ValueError: ``ttl`` is not positive.
        """
        if not ttl > 0:
            raise ValueError(f"ttl: {ttl}; it is more than 0 seconds")
        self._storage = storage
        self._ttl = ttl
        self._bind_identity = bind_identity
        self._cleaner: Task[None] | None = None
        self._closed = False

    @classmethod
    def from_run_config(
        cls, config: RunConfig, *, bind_identity: bool = False, environ: Mapping[str, str] | None = None
    ) -> Self:
        """The manager for what a run config says: in memory, or shared by ``scaling_config.session_redis``.

        What is in Redis is kept in memory too, ``session_cache_size`` of it.

        Args:
            config: The run config.
            bind_identity: See the constructor.
            environ: Where ``WORKLOADS_SESSION_REDIS_PASSWORD``, else ``THV_SESSION_REDIS_PASSWORD``, is looked up; None
                (the default) is the environment of this process.

        Raises:
            MissingDependencyError: ``workloads[redis]`` is not installed.
            InvalidSessionStoreError: The address, or something else of it, cannot be used; a ``ValueError``.
        """
        from workloads.session.opening import open_storage

        storage = open_storage(config, environ=environ)
        return cls(storage, ttl=config.effective_session_ttl, bind_identity=bind_identity)

    @property
    def storage(self) -> Storage:
        """Where sessions are kept."""
        return self._storage

    async def begin(
        self,
        *,
        type: SessionType = "mcp",  # noqa: A002  # the name of the attribute
        metadata: Mapping[str, str] | None = None,
        identity: Identity | None = None,
    ) -> Session:
        """Keep a new session, with an id that nobody can guess.

        Args:
            type: The kind of proxy that it belongs to.
            metadata: What is known of it. Default: nothing.
            identity: Who begins it; None for nobody in particular.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        return await self.add(Session(id=new_session_id(), type=type, metadata=metadata or {}), identity=identity)

    async def add(self, session: Session, *, identity: Identity | None = None) -> Session:
        """Keep a session that must not be there yet, in one step.

        Args:
            session: The session.
            identity: Who begins it; None for nobody in particular.

        Returns:
            The session as it is kept: under a UUID, and with its owner where identities are bound.

        Raises:
            SessionAlreadyExistsError: There is one of that id, and it is unchanged.
            SessionStoreUnavailableError: The store cannot be reached.
        """
        kept = _keyed(session)
        if self._bind_identity:
            kept = attrs.evolve(kept, metadata=bind(kept.metadata, identity))
        if not await self._ask(self._storage.create(kept)):
            raise SessionAlreadyExistsError(session.id)
        return kept

    async def get(self, session_id: str, *, identity: Identity | None = None) -> Session:
        """A session, which is used by this.

        A session that tells its owner only in ToolHive's older way cannot be checked: it is deleted, and not found.

        Args:
            session_id: Its id.
            identity: Who asks; None for nobody in particular.

        Raises:
            SessionNotFoundError: There is none, or it expired.
            SessionForbiddenError: It belongs to somebody else.
            SessionStoreUnavailableError: The store cannot be reached, so it is not known whether there is one.
        """
        session = self._recalled(session_id)
        if session is None:
            session = await self._load(session_id)
        match ownership(session.metadata, identity):
            case Ownership.OWN:
                return session
            case Ownership.UNBOUND if not self._bind_identity:
                return session
            case Ownership.INVALID:
                await self.delete(session_id)
                raise SessionNotFoundError(session_id)
            case _:
                raise SessionForbiddenError(session_id)

    def recall(self, session_id: str, *, identity: Identity | None = None) -> Session | None:
        """A session that is in memory, which is used by this, without waiting for anything.

        Args:
            session_id: Its id.
            identity: Who asks; None for nobody in particular.

        Returns:
            The session; None when only :meth:`get` can tell.
        """
        session = self._recalled(session_id)
        if session is None:
            return None
        owned = ownership(session.metadata, identity)
        allowed = owned is Ownership.OWN or (owned is Ownership.UNBOUND and not self._bind_identity)
        return session if allowed else None

    async def upsert(self, session: Session) -> Session:
        """Keep a session, whether or not there is one of that id.

        Args:
            session: The session. Its owner is what its metadata says.

        Returns:
            The session as it is kept, under a UUID.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        kept = _keyed(session)
        await self._ask(self._storage.store(kept))
        return kept

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        """Keep a session in the place of the one of that id, in one step; one that is gone is not brought back.

        Args:
            session: The session.
            expected: What must be there; None for any session.

        Returns:
            Whether it was kept.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        before = None if expected is None else _keyed(expected)
        return await self._ask(self._storage.update(_keyed(session), expected=before))

    async def delete(self, session_id: str) -> None:
        """Forget a session. That there is none is fine.

        Args:
            session_id: Its id.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        await self._ask(self._storage.delete(session_key(session_id)))

    async def repin(self, session: Session, backend_url: str, *, backend_sid: str | None = None) -> Repinned:
        """Pin a session to another replica, for the one it was pinned to is lost. Of several that try, one wins.

        Args:
            session: The session as it was when the replica was found to be lost.
            backend_url: Where the new replica is.
            backend_sid: The id by which the new replica knows the session; None when it is the session's own.

        Returns:
            The session, and whether the pin is this one.

        Raises:
            SessionNotFoundError: It was deleted meanwhile, or expired.
            SessionStoreUnavailableError: The store cannot be reached.
        """
        lost, wanted = Pin.of(session), Pin(backend_url, backend_sid)
        seen = _keyed(session)
        while True:
            pinned = wanted.on(seen, datetime.now(UTC))
            if await self._ask(self._storage.update(pinned, expected=seen)):
                return Repinned(session=pinned, won=True)
            seen = await self._load(session.id)
            if Pin.of(seen) != lost:
                return Repinned(session=seen, won=Pin.of(seen) == wanted)
            # Something else of it changed. Whoever changed it got on, so this does not go on for ever.

    async def close(self) -> None:
        """End the cleaning and close the storage. Can be repeated."""
        self._closed = True
        cleaner, self._cleaner = self._cleaner, None
        if cleaner is not None:
            cleaner.cancel()
            await asyncio.wait([cleaner])
        await self._storage.close()

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    def _start(self) -> None:
        if self._cleaner is None and not self._closed:
            self._cleaner = asyncio.get_running_loop().create_task(self._clean(), name="sessions-cleaning")

    def _recalled(self, session_id: str) -> Session | None:
        """A session that is in memory: to wait for it with a limit of time would take longer than to find it."""
        if self._cleaner is None or not _recalls(self._storage):
            return None
        return self._storage.recall(session_key(session_id))

    async def _load(self, session_id: str) -> Session:
        try:
            return await self._ask(self._storage.load(session_key(session_id)))
        except SessionNotFoundError:
            raise SessionNotFoundError(session_id) from None  # by the name that the caller knows

    async def _ask(self, answer: Awaitable[T], seconds: float = _OPERATION) -> T:
        self._start()
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await answer
        except TimeoutError:
            if not limit.expired():
                raise
            store = type(self._storage).__name__
            raise SessionStoreUnavailableError(store, f"it did not answer within {seconds:g} s") from None

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 2)
            try:
                before = datetime.now(UTC) - timedelta(seconds=self._ttl)
                await self._ask(self._storage.delete_expired(before), _CLEANUP)
            except Exception:  # noqa: BLE001  # whatever it is, the next time may go better
                _log.warning("expired sessions were not cleaned up", exc_info=True)


def _recalls(storage: Storage) -> TypeGuard[RecallingStorage]:
    return hasattr(storage, "recall")


def _keyed(session: Session) -> Session:
    key = session_key(session.id)
    return session if key == session.id else attrs.evolve(session, id=key)
