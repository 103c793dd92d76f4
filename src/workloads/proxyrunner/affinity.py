"""Which replica holds which session, as all proxies of a workload share it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from workloads.errors import (
    SessionAlreadyExistsError,
    SessionForbiddenError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)
from workloads.proxyrunner.handshake import INIT_BODY_KEY, essence
from workloads.proxyrunner.sought import SessionTakenError, UnknownSessionError
from workloads.session.model import Session
from workloads.session.pins import BACKEND_SID_KEY, BACKEND_URL_KEY

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.awaited import Awaited
    from workloads.proxyrunner.pool import Visit
    from workloads.proxyrunner.sought import Sought
    from workloads.session import SessionManager, SessionType, Storage

__all__ = ("Affinity", "Opener")

_log = logging.getLogger(__name__)

# What ToolHive calls sessions of its proxies.
_USUAL: SessionType = "mcp"
_STREAM: SessionType = "sse"


class Opener(Protocol):
    """Begins and ends sessions at replicas."""

    async def begin(self, address: ReplicaAddress, sought: Sought, init_body: str) -> str | None:
        """Begin a session as a client once did.

        Returns:
            The name that the replica gives it; None when it has no sessions.

        Raises:
            UnknownSessionError: The replica does not begin it.
            UnavailableError: The replica cannot be reached.
        """
        ...

    async def end(self, address: ReplicaAddress, sought: Sought, name: str) -> None:
        """End a session that nobody will use. That it cannot be ended is no error."""
        ...


class Affinity:
    """The sessions of a workload's clients, each pinned to its replica.

    Args:
        manager: Where they are kept; closed with this.
        opener: Begins a session anew at another replica when its own is lost.
        ttl: Seconds without an exchange after which a session is forgotten.
        awaited: Which answers come on streams of other proxies. Default: None, there are none.
    """

    def __init__(self, manager: SessionManager, opener: Opener, *, ttl: float, awaited: Awaited | None = None) -> None:
        """Nothing is asked yet."""
        self._manager = manager
        self._opener = opener
        self._ttl = ttl
        self.awaited = awaited
        """Which answers come on streams of other proxies; None where there are none."""
        self._visits: set[Visit] = set()
        self._moves: dict[str, asyncio.Task[Session]] = {}
        self._keeping: asyncio.Task[None] | None = None
        self.begun_again = 0
        """How many sessions were begun again because their replica was lost."""

    @property
    def storage(self) -> Storage:
        """Where the sessions are kept."""
        return self._manager.storage

    async def close(self) -> None:
        """End what is under way, and close the store."""
        tasks = [task for task in (self._keeping, *self._moves.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._manager.close()

    @staticmethod
    def url_of(session: Session) -> str | None:
        """Where the replica is that holds a session."""
        return session.metadata.get(BACKEND_URL_KEY)

    @staticmethod
    def name_at_replica(session: Session, name: str) -> str:
        """What its replica calls a session that a client calls by this name."""
        return session.metadata.get(BACKEND_SID_KEY) or name

    async def find(self, name: str, sought: Sought) -> Session:
        """The session that a request names.

        Raises:
            UnknownSessionError: There is none, or it is somebody else's: that is not told apart.
            SessionStoreUnavailableError: It is not known whether there is one.
        """
        try:
            return await self._manager.get(name, identity=sought.identity)
        except (SessionNotFoundError, SessionForbiddenError):
            raise UnknownSessionError from None

    def recall(self, name: str, sought: Sought) -> Session | None:
        """The session that a request names, if that is in memory; None when only :meth:`find` can tell."""
        return self._manager.recall(name, identity=sought.identity)

    async def begin(self, name: str, sought: Sought, address: ReplicaAddress) -> Session:
        """A replica has begun the session that a request asked for, or opened a stream that is one.

        Returns:
            The session as it is kept.

        Raises:
            SessionTakenError: There is one of that name.
            SessionStoreUnavailableError: It cannot be kept; it is ended at the replica.
        """
        metadata, kind = {BACKEND_URL_KEY: address.url}, _STREAM
        if sought.begins:
            metadata[INIT_BODY_KEY], kind = essence(sought.body), _USUAL
        try:
            return await self._manager.add(Session(id=name, type=kind, metadata=metadata), identity=sought.identity)
        except SessionAlreadyExistsError:
            raise SessionTakenError from None
        except SessionStoreUnavailableError:
            if sought.begins:
                await self._opener.end(address, sought, name)
            raise

    async def end(self, session: Session) -> None:
        """A session has ended.

        Raises:
            SessionStoreUnavailableError: It cannot be forgotten now.
        """
        await self._manager.delete(session.id)

    async def lost(self, session: Session) -> None:
        """A session has ended with its stream. One that cannot be forgotten now is in nobody's way until it expires."""
        try:
            await self.end(session)
        except SessionStoreUnavailableError as error:
            _log.info("a session that is over cannot be forgotten", extra={"reason": error.reason})

    async def move(self, session: Session, sought: Sought, address: ReplicaAddress) -> Session:
        """Begin a session anew at another replica, once however many requests ask for it at the same time.

        Args:
            session: The session as it was when its replica was found to be lost.
            sought: A request of it.
            address: The other replica.

        Returns:
            The session as it is pinned now; somebody else may have been faster.

        Raises:
            UnknownSessionError: It cannot be begun again.
            UnavailableError: The other replica cannot be reached.
            SessionStoreUnavailableError: The store cannot be reached.
        """
        task = self._moves.get(session.id)
        if task is None:
            task = asyncio.create_task(self._move(session, sought, address), name="workloads-session-move")
            self._moves[session.id] = task
            task.add_done_callback(lambda done: self._moved(session.id, done))
        # A client that leaves must not take the session from the others that wait for it.
        return await asyncio.shield(task)

    def enter(self, visit: Visit) -> None:
        """A request of a session begins; until it has left, the session does not expire."""
        self._visits.add(visit)
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_alive(), name="workloads-sessions-alive")

    def leave(self, visit: Visit) -> None:
        """A request of a session has ended."""
        self._visits.discard(visit)

    async def _move(self, session: Session, sought: Sought, address: ReplicaAddress) -> Session:
        init_body = session.metadata.get(INIT_BODY_KEY)
        if init_body is None:
            raise UnknownSessionError
        name = await self._opener.begin(address, sought, init_body)
        try:
            repinned = await self._manager.repin(session, address.url, backend_sid=name)
        except (SessionNotFoundError, SessionStoreUnavailableError) as error:
            if name is not None:
                await self._opener.end(address, sought, name)
            if isinstance(error, SessionNotFoundError):
                raise UnknownSessionError from None
            raise
        if repinned.won:
            self.begun_again += 1
        elif name is not None:
            await self._opener.end(address, sought, name)
        return repinned.session

    def _moved(self, session_id: str, task: asyncio.Task[Session]) -> None:
        self._moves.pop(session_id, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it

    async def _keep_alive(self) -> None:
        """Use the sessions of requests that take long, such as open streams, before they would expire."""
        while True:
            await asyncio.sleep(self._ttl / 3)
            used = {visit.session.id: visit.identity for visit in self._visits if visit.session is not None}
            try:
                for session_id, identity in used.items():
                    with contextlib.suppress(SessionNotFoundError, SessionForbiddenError):
                        await self._manager.get(session_id, identity=identity)
            except SessionStoreUnavailableError as error:
                _log.warning("sessions of open streams cannot be kept alive", extra={"reason": error.reason})
