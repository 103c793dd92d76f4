"""A coherent store of sessions in memory, where a test decides when answers and pushes arrive."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import Peeked, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Self

DOWN = SessionStoreUnavailableError("fake", "it is down")


class Server:
    """What the storages of several processes share.

    As with Redis, answers and pushes travel apart; all pushes that are held at the same time and tell of one id become
    one, as those of one turn of its loop do.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.rows: dict[str, tuple[Session, float]] = {}
        self.trackers: list[Pushes] = []
        self.trips: Counter[str] = Counter()
        self.down = False
        self.deaf = False  # changes cannot be followed
        self._gates: dict[str, asyncio.Event] = {}
        self._held_pushes: dict[str, None] | None = None

    def get(self, session_id: str) -> tuple[Session, float] | None:
        row = self.rows.get(session_id)
        if row is not None and row[1] <= self.clock():
            del self.rows[session_id]  # nobody is told, as Redis tells late
            return None
        return row

    def set(self, session: Session, ttl: float) -> None:
        self.rows[session.id] = session, self.clock() + ttl
        self.push(session.id)

    def drop(self, session_id: str) -> None:
        if self.rows.pop(session_id, None) is not None:
            self.push(session_id)

    def push(self, *ids: str) -> None:
        if self._held_pushes is not None:
            self._held_pushes.update(dict.fromkeys(ids))
            return
        for tracker in self.trackers:
            tracker.queue.put_nowait(frozenset(ids))

    def flush(self) -> None:
        self.rows.clear()
        for tracker in self.trackers:
            tracker.queue.put_nowait(None)

    def cut(self) -> None:
        """Every connection that hears of changes is lost."""
        for tracker in self.trackers:
            tracker.queue.put_nowait(DOWN)
        self.trackers.clear()

    @contextlib.contextmanager
    def pushes_held(self) -> Iterator[None]:
        """Pushes leave at the end only, those of one id as one."""
        self._held_pushes = {}
        try:
            yield
        finally:
            held, self._held_pushes = self._held_pushes, None
            if held:
                self.push(*held)

    @contextlib.contextmanager
    def answers_held(self, verb: str) -> Iterator[None]:
        """What is asked meanwhile is done, and answered at the end only."""
        gate = self._gates[verb] = asyncio.Event()
        try:
            yield
        finally:
            del self._gates[verb]
            gate.set()

    async def answer(self, verb: str) -> None:
        """The answer's way; before it, the server did what was asked."""
        gate = self._gates.get(verb)
        if gate is not None:
            await gate.wait()
        await asyncio.sleep(0)

    async def ask(self, verb: str) -> None:
        """The question's way."""
        self.trips[verb] += 1
        await asyncio.sleep(0)
        if self.down:
            raise DOWN


class Pushes:
    """The changes as one process hears of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.queue: asyncio.Queue[frozenset[str] | SessionStoreUnavailableError | None] = asyncio.Queue()
        server.trackers.append(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[str] | None:
        item = await self.queue.get()
        if isinstance(item, SessionStoreUnavailableError):
            raise item
        return item

    async def aclose(self) -> None:
        with contextlib.suppress(ValueError):
            self._server.trackers.remove(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class FakeStorage:
    """One process's connection to a :class:`Server`."""

    def __init__(self, server: Server, *, ttl: float = 60.0) -> None:
        self.server = server
        self.ttl = ttl
        self.closed = False

    async def store(self, session: Session) -> None:
        await self.server.ask("store")
        self.server.set(session, self.ttl)
        await self.server.answer("store")

    async def load(self, session_id: str) -> Session:
        await self.server.ask("load")
        row = self.server.get(session_id)
        if row is None:
            raise SessionNotFoundError(session_id)
        self.server.set(row[0], self.ttl)
        await self.server.answer("load")
        return row[0]

    async def delete(self, session_id: str) -> None:
        await self.server.ask("delete")
        self.server.drop(session_id)
        await self.server.answer("delete")

    async def delete_expired(self, before: object) -> None:
        await self.server.ask("delete_expired")
        await self.server.answer("delete_expired")

    async def create(self, session: Session) -> bool:
        await self.server.ask("create")
        fresh = self.server.get(session.id) is None
        if fresh:
            self.server.set(session, self.ttl)
        await self.server.answer("create")
        return fresh

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        await self.server.ask("update")
        row = self.server.get(session.id)
        fits = row is not None and (expected is None or expected == row[0])
        if fits:
            self.server.set(session, self.ttl)
        await self.server.answer("update")
        return fits

    async def peek(self, session_ids: Collection[str]) -> dict[str, Peeked]:
        await self.server.ask("peek")
        rows = {session_id: self.server.get(session_id) for session_id in session_ids}
        now = self.server.clock()
        found = {key: Peeked(row[0], row[1] - now) for key, row in rows.items() if row is not None}
        await self.server.answer("peek")
        return found

    async def touch(self, session_ids: Collection[str]) -> frozenset[str]:
        await self.server.ask("touch")
        rows = {session_id: self.server.get(session_id) for session_id in session_ids}
        present = {session_id: row[0] for session_id, row in rows.items() if row is not None}
        for session in present.values():
            self.server.set(session, self.ttl)
        await self.server.answer("touch")
        return frozenset(present)

    async def invalidations(self) -> Pushes:
        await self.server.ask("invalidations")
        if self.server.deaf:
            raise DOWN
        return Pushes(self.server)

    async def close(self) -> None:
        self.closed = True
