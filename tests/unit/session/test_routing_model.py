"""A property: whatever happens in whatever order, a routing storage ends where the store ends."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import given
from hypothesis import strategies as st
from tests.support.session_store import FakeStorage, Server
from tests.support.virtual_time import clock, run, settle

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RoutingStorage, Session

IDS = ("a", "b")
VERBS = ("store", "create", "update", "delete", "load", "foreign store", "foreign delete", "touch")
HAPPENINGS = ("hold pushes", "let pushes go", "hold peeks", "let peeks go", "cut", "flush", "cancel one", "time")

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(VERBS), st.sampled_from(IDS), st.integers(0, 1), st.integers(0, 4)),
        st.tuples(st.sampled_from(HAPPENINGS), st.just(""), st.just(0), st.integers(0, 4)),
    ),
    max_size=30,
)


class World:
    """Two replicas of one store, and what is under way."""

    def __init__(self) -> None:
        self.server = Server(clock)
        self.replicas = [RoutingStorage(FakeStorage(self.server), clock=clock, max_local_entries=1) for _ in range(2)]
        self.calls: list[asyncio.Task[object]] = []
        self.held = {"pushes": contextlib.ExitStack(), "peeks": contextlib.ExitStack()}
        self.versions = 0

    def call(self, verb: str, session_id: str, number: int) -> None:
        self.versions += 1
        session = Session(id=session_id, metadata={"version": str(self.versions)})
        replica = self.replicas[number]
        match verb:
            case "foreign store":
                self.server.set(session, 60)
            case "foreign delete":
                self.server.drop(session_id)
            case "touch":
                self.calls.append(asyncio.create_task(replica._remote.touch([session_id])))
            case _:
                argument = session_id if verb in {"load", "delete"} else session
                self.calls.append(asyncio.create_task(getattr(replica, verb)(argument)))

    async def happen(self, what: str) -> None:
        match what:
            case "hold pushes" if self.server._held_pushes is None:
                self.held["pushes"].enter_context(self.server.pushes_held())
            case "let pushes go":
                self.held["pushes"].close()
            case "hold peeks" if "peek" not in self.server._gates:
                self.held["peeks"].enter_context(self.server.answers_held("peek"))
            case "let peeks go":
                self.held["peeks"].close()
            case "cut":
                self.server._held_pushes = None if self.server._held_pushes is None else {}
                self.server.cut()
            case "flush":
                self.server.flush()
            case "cancel one" if self.calls:
                self.calls[-1].cancel()
            case "time":
                await asyncio.sleep(0.3)

    async def end(self) -> None:
        for held in self.held.values():
            held.close()
        results = await asyncio.gather(*self.calls, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                assert isinstance(result, SessionNotFoundError | SessionStoreUnavailableError), result
        await asyncio.sleep(3)  # so that every connection is there again
        await settle()
        for replica in self.replicas:
            for session_id in IDS:
                row = self.server.get(session_id)
                assert await _found(replica, session_id) == (row and row[0])
        for replica in self.replicas:
            await replica.close()
            assert not replica._writes._marks
            assert not replica._reads._reads
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def _found(replica: RoutingStorage, session_id: str) -> Session | None:
    try:
        return await replica.load(session_id)
    except SessionNotFoundError:
        return None


@given(steps)
def test_a_routing_storage_ends_where_the_store_ends(course):
    async def body():
        world = World()
        for what, session_id, number, turns in course:
            if session_id:
                world.call(what, session_id, number)
            else:
                await world.happen(what)
            for _ in range(turns):
                await asyncio.sleep(0)
        await world.end()

    run(body())
