"""The sessions of clients of the old era. Pure: the clock is given."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.bridge.asking import Asks
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.protocol import LEGACY
from workloads.session.identity import Ownership, bind, ownership

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.jsonrpc import Id
    from workloads.session.identity import Identity

__all__ = ("MAX_SESSIONS", "MAX_SUBSCRIPTIONS", "Outbox", "Session", "Sessions", "TooManySessionsError")

MAX_SESSIONS = 10_000
"""Sessions there may be."""

MAX_SUBSCRIPTIONS = 1_000
"""Resources a session may subscribe to."""

_MAX_WAITING = 100


class TooManySessionsError(Exception):
    """There are as many sessions as there may be."""


class Outbox:
    """What a session's client is to be told on its stream; it waits there while the client has no stream open.

    The messages only say that something changed: equal ones are kept once, and of too many the oldest is dropped.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Tell the client this."""
        if message not in self._waiting:
            if len(self._waiting) >= _MAX_WAITING:
                self._waiting.popleft()
            self._waiting.append(message)
        self._news.set()

    async def take(self) -> bytes:
        """The next message, as soon as there is one."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class Session:
    """One client's session.

    Attributes:
        id: Its id, a UUID.
        outbox: What the client is to be told.
        subscriptions: URIs of the resources whose changes it wants to hear of.
        end_stream: Ends its stream; None while none is open.
        busy: How many of its exchanges are under way.
        asks: What the server asked the client.
        version: The version of the protocol that the client asked for.
        capabilities: What the client can do.
        client_info: What the client calls itself.
        log_level: The least urgent log message that it wants; None until it says.
    """

    def __init__(
        self, session_id: str, now: float, params: dict[str, Any] | None = None, identity: Identity | None = None
    ) -> None:
        """A session that begins now, with these parameters of ``initialize``, and belongs to who sent it."""
        given = members(params)
        self.id = session_id
        self._owner = bind({}, identity)
        self.asks = Asks()
        self.version = given["protocolVersion"] if given.get("protocolVersion") in LEGACY else LEGACY[0]
        self.capabilities = members(given.get("capabilities"))
        self.client_info = members(given.get("clientInfo"))
        self.log_level: str | None = None
        self.outbox = Outbox()
        self.subscriptions: set[str] = set()
        self.end_stream: Callable[[], object] | None = None
        self.busy = 0
        self.seen = now
        self._calls: dict[tuple[type, Id], list[Call]] = {}

    def belongs_to(self, identity: Identity | None) -> bool:
        """Whether it was begun by this one; None is nobody in particular."""
        return ownership(self._owner, identity) is Ownership.OWN

    @property
    def calls(self) -> list[Call]:
        """Its requests in flight."""
        return [call for calls in self._calls.values() for call in calls]

    def add(self, call: Call) -> None:
        """A request of the session is in flight."""
        self._calls.setdefault(_key(call.request_id), []).append(call)

    def remove(self, call: Call) -> None:
        """A request of the session is over."""
        key = _key(call.request_id)
        same = self._calls.get(key, [])
        if call in same:
            same.remove(call)
            if not same:
                del self._calls[key]

    def find(self, request_id: Id) -> list[Call]:
        """The requests in flight with that id. A client ought to have one at most."""
        return list(self._calls.get(_key(request_id), ()))


class Sessions:
    """All sessions of one process.

    Args:
        ttl: Seconds without a request after which a session ends.
        clock: The time, in seconds.
        limit: How many there may be.
    """

    def __init__(self, *, ttl: float, clock: Callable[[], float], limit: int = MAX_SESSIONS) -> None:
        """Begin with none."""
        self.on_end: Callable[[Session], None] | None = None
        """Called with each session that ends."""
        self._ttl = ttl
        self._clock = clock
        self._limit = limit
        self._begun = 0
        self._sessions: dict[str, Session] = {}
        self._swept = clock()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    @property
    def only(self) -> Session | None:
        """The one session that there ever was, so that nothing can be about another; None else."""
        return next(iter(self._sessions.values()), None) if self._begun == 1 else None

    def create(self, params: dict[str, Any] | None = None, identity: Identity | None = None) -> Session:
        """A new session.

        Args:
            params: The parameters of ``initialize``.
            identity: Who begins it, and whose it is from now on. Default: None, nobody in particular.

        Raises:
            TooManySessionsError: There are too many.
        """
        self.sweep(force=len(self._sessions) >= self._limit)
        if len(self._sessions) >= self._limit:
            raise TooManySessionsError
        session = Session(str(uuid.uuid4()), self._clock(), params, identity)
        self._sessions[session.id] = session
        self._begun += 1
        return session

    def get(self, session_id: str, identity: Identity | None = None) -> Session | None:
        """The session of that id, which is thereby in use; None when there is none, or none any more.

        Args:
            session_id: Its id.
            identity: Who asks: to another than who began it there is none. Default: None, nobody in particular.
        """
        self.sweep()
        session = self._sessions.get(session_id)
        if session is None or self._expired(session) or not session.belongs_to(identity):
            return None
        session.seen = self._clock()
        return session

    @contextmanager
    def using(self, session: Session) -> Generator[None]:
        """Within, an exchange of the session is under way, so that it does not expire."""
        session.busy += 1
        try:
            yield
        finally:
            session.busy -= 1
            session.seen = self._clock()

    def end(self, session: Session) -> None:
        """End a session."""
        if self._sessions.pop(session.id, None) is not None and self.on_end is not None:
            self.on_end(session)

    def all(self) -> list[Session]:
        """Every session."""
        return list(self._sessions.values())

    def _expired(self, session: Session) -> bool:
        return not session.busy and self._clock() - session.seen > self._ttl

    def sweep(self, *, force: bool = False) -> None:
        """End the sessions that are expired. Now and then is enough: an expired one is not found in any case.

        Args:
            force: Do it even if it was done just now.
        """
        if force or self._clock() - self._swept > self._ttl / 2:
            self._swept = self._clock()
            for session in self.all():
                if self._expired(session):
                    self.end(session)


def _key(request_id: Id) -> tuple[type, Id]:
    # In JSON 7, 7.0 and "7" are three ids; in Python the first two are equal.
    return type(request_id), request_id
