"""What a routing storage answers when reads, writes and pushes overtake each other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import attrs
import pytest
from tests.support.session_store import FakeStorage, Server
from tests.support.virtual_time import clock, run, settle

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RoutingStorage, Session

OLD = Session(id="a", metadata={"backend_url": "http://old"})
NEW = attrs.evolve(OLD, metadata={"backend_url": "http://new"})


@asynccontextmanager
async def routing(server: Server, *, ttl: float = 60.0, **options):
    storage = RoutingStorage(FakeStorage(server, ttl=ttl), clock=clock, **options)
    try:
        yield storage
    finally:
        await storage.close()


def with_routing(test, **options):
    async def body():
        server = Server(clock)
        async with routing(server, **options) as storage:
            await test(server, storage)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "closing left tasks behind"
        assert not server.trackers

    run(body())


def test_a_hit_makes_no_round_trip():
    async def test(server, storage):
        await storage.store(OLD)
        await storage.load("a")
        await settle()
        server.trips.clear()
        for _ in range(5000):
            assert await storage.load("a") == OLD
        assert not server.trips

    with_routing(test)


def test_what_another_changed_is_read_again():
    async def test(server, storage):
        await storage.store(OLD)
        await storage.load("a")
        server.set(NEW, 60)
        await settle()
        assert await storage.load("a") == NEW
        server.drop("a")
        await settle()
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")

    with_routing(test)


def test_a_used_copy_that_was_changed_is_fetched_before_it_is_asked_for_and_an_unused_one_is_not():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        await storage.load("a")
        server.trips.clear()
        server.set(NEW, 60)
        await settle()
        assert server.trips == {"peek": 1}
        server.set(OLD, 60)
        await settle()
        assert server.trips == {"peek": 1}, "nobody used it since"

    with_routing(test)


def test_a_read_is_not_kept_nor_answered_when_a_change_came_after_it_was_sent():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"):
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            server.set(NEW, 60)
            await settle()
        assert await loading == NEW
        server.trips.clear()
        assert await storage.load("a") == NEW
        assert not server.trips

    with_routing(_ready(test))


def test_who_comes_after_a_change_does_not_wait_for_a_read_from_before_it():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"):
            first = asyncio.create_task(storage.load("a"))
            await settle()
            server.set(NEW, 60)
            await settle()
            second = asyncio.create_task(storage.load("a"))
            await settle()
            assert server.trips["peek"] == 3, "the first, the second, and the one that made the storage ready"
        assert await second == NEW
        assert await first == NEW

    with_routing(_ready(test))


def test_a_push_that_arrives_before_the_answer_and_was_sent_after_it_counts():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"):
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            server.drop("a")
            await settle()
        with pytest.raises(SessionNotFoundError):
            await loading

    with_routing(_ready(test))


def test_what_is_changed_all_the_time_is_answered_all_the_same_and_not_kept():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()

        async def change():
            while True:
                server.set(NEW, 60)
                await asyncio.sleep(0)

        changing = asyncio.create_task(change())
        assert await storage.load("a") == NEW
        assert storage.local_entries == 0
        changing.cancel()

    with_routing(_ready(test))


def test_an_own_write_is_read_at_once_also_while_an_earlier_read_is_under_way():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"), server.pushes_held():
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            await storage.store(NEW)
            assert await storage.load("a") == NEW
            assert not loading.done()
        assert await loading == NEW

    with_routing(_ready(test))


def test_a_read_from_before_an_own_write_does_not_take_its_place():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.pushes_held():
            with server.answers_held("peek"):
                loading = asyncio.create_task(storage.load("a"))
                await settle()
                await storage.store(NEW)
            await loading
            assert await storage.load("a") == NEW

    with_routing(_ready(test))


@pytest.mark.parametrize("first", ["push", "answer"])
def test_an_own_write_is_local_again_once_its_push_came(first):
    async def test(server, storage):
        if first == "push":
            with server.answers_held("store"):
                storing = asyncio.create_task(storage.store(OLD))
                await settle()
            await storing
        else:
            with server.pushes_held():
                await storage.store(OLD)
                await settle()
        await settle()
        server.trips.clear()
        assert await storage.load("a") == OLD
        assert not server.trips

    with_routing(_ready(test))


@pytest.mark.parametrize("first", ["push", "answer"])
def test_a_foreign_write_right_after_an_own_one_is_seen_though_one_push_tells_of_both(first):
    async def test(server, storage):
        with server.answers_held("store"):
            with server.pushes_held():
                storing = asyncio.create_task(storage.store(OLD))
                await settle()
                server.set(NEW, 60)
                if first == "answer":
                    server._gates["store"].set()
                    await storing
                    assert await storage.load("a") == OLD, "no push came, so nobody can know better"
            await settle()
        await storing
        assert await storage.load("a") == NEW

    with_routing(_ready(test))


def test_of_two_own_writes_at_the_same_time_the_one_that_the_store_saw_last_stays():
    async def test(server, storage):
        with server.pushes_held():
            with server.answers_held("store"):
                older = asyncio.create_task(storage.store(OLD))
                await settle()
                gate = server._gates.pop("store")
                await storage.store(NEW)
                server._gates["store"] = gate
            await older
            assert await storage.load("a") == NEW

    with_routing(_ready(test))


def test_an_update_that_was_refused_ends_the_copy_here():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        with server.pushes_held():
            server.set(NEW, 60)
            assert not await storage.update(attrs.evolve(OLD, metadata={}), expected=OLD)
            assert await storage.load("a") == NEW
            assert not await storage.create(OLD)
            await storage.delete("a")
            with pytest.raises(SessionNotFoundError):
                await storage.load("a")
            assert not await storage.update(NEW)

    with_routing(_ready(test))


@pytest.mark.parametrize("verb", ["store", "create", "update", "delete"])
def test_after_a_write_whose_outcome_is_unknown_the_store_is_asked(verb):
    async def test(server, storage):
        await storage.store(OLD)
        await storage.load("a")
        await settle()
        server.trips.clear()
        with server.answers_held(verb), server.pushes_held():
            argument = "a" if verb == "delete" else NEW
            writing = asyncio.create_task(getattr(storage, verb)(argument))
            await settle()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if verb == "delete":
                with pytest.raises(SessionNotFoundError):
                    await storage.load("a")
            else:
                assert await storage.load("a") == (OLD if verb == "create" else NEW)
        assert server.trips["peek"] >= 1

    with_routing(_ready(test))


def test_concurrent_loads_of_one_missing_id_are_one_round_trip():
    async def test(server, storage):
        results = await asyncio.gather(*(storage.load("x") for _ in range(64)), return_exceptions=True)
        assert [type(each) for each in results] == [SessionNotFoundError] * 64
        assert len({id(each) for each in results}) == 64
        assert server.trips == {"invalidations": 1, "peek": 1}

    with_routing(test)


def test_loads_of_many_ids_in_one_turn_are_one_round_trip():
    async def test(server, storage):
        sessions = [Session(id=str(number)) for number in range(300)]
        for session in sessions:
            server.set(session, 60)
        await settle()
        server.trips.clear()
        assert await asyncio.gather(*(storage.load(session.id) for session in sessions)) == sessions
        assert server.trips == {"peek": 1}

    with_routing(_ready(test))


def test_more_ids_than_travel_together_are_a_few_round_trips():
    async def test(server, storage):
        sessions = [Session(id=str(number)) for number in range(1100)]
        for session in sessions:
            server.set(session, 60)
        await settle()
        server.trips.clear()
        assert await asyncio.gather(*(storage.load(session.id) for session in sessions)) == sessions
        assert server.trips == {"peek": 3}, "of 512 at most"

    with_routing(_ready(test))


def test_what_was_just_read_is_a_copy_like_any_other_in_the_same_turn():
    async def test(server, storage):
        for session in (OLD, attrs.evolve(OLD, id="b"), attrs.evolve(OLD, id="c")):
            server.set(session, 60)
        await settle()
        server.trips.clear()
        assert await storage.load("a") == OLD
        assert storage.recall("a") == OLD
        await storage.load("b")
        assert storage.local_entries == 2
        await storage.load("c")
        assert server.trips == {"peek": 3}
        assert await storage.update(attrs.evolve(NEW, id="c"))
        assert await storage.load("c") == attrs.evolve(NEW, id="c")
        await storage.load("a")
        await storage.delete("a")
        assert storage.recall("a") is None

    with_routing(_ready(test))


def test_a_slow_store_is_asked_four_times_at_once_and_no_more():
    async def test(server, storage):
        server.trips.clear()
        with server.answers_held("peek"):
            loads = []
            for number in range(200):
                loads.append(asyncio.create_task(storage.load(f"x{number}")))
                await settle()
            assert server.trips["peek"] == 4
        await asyncio.gather(*loads, return_exceptions=True)
        assert server.trips["peek"] == 5, "all that waited went together"

    with_routing(_ready(test))


def test_an_unknown_id_is_remembered_for_a_moment_and_not_when_it_comes_to_be():
    async def test(server, storage):
        server.trips.clear()
        for _ in range(100):
            with pytest.raises(SessionNotFoundError):
                await storage.load("x")
        assert server.trips == {"peek": 1}
        await asyncio.sleep(1.1)
        with pytest.raises(SessionNotFoundError):
            await storage.load("x")
        assert server.trips == {"peek": 2}
        server.set(Session(id="x"), 60)
        await settle()
        assert (await storage.load("x")).id == "x"

    with_routing(_ready(test))


def test_unknown_ids_take_bounded_room():
    async def test(server, storage):
        for number in range(50):
            with pytest.raises(SessionNotFoundError):
                await storage.load(f"x{number}")
        assert len(storage._copies._absent) == 10

    with_routing(_ready(test), max_local_entries=10)


def test_cancelling_one_who_waits_disturbs_nobody():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        server.trips.clear()
        with server.answers_held("peek"):
            loads = [asyncio.create_task(storage.load("a")) for _ in range(3)]
            await settle()
            loads[0].cancel()
            await settle()
            assert loads[0].cancelled()
        assert await loads[1] == await loads[2] == OLD
        assert server.trips == {"peek": 1}

    with_routing(_ready(test))


def test_a_read_that_nobody_waits_for_any_more_is_kept():
    async def test(server, storage):
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"):
            load = asyncio.create_task(storage.load("a"))
            await settle()
            load.cancel()
            await settle()
        await settle()
        server.trips.clear()
        assert await storage.load("a") == OLD
        assert not server.trips

    with_routing(_ready(test))


def test_closing_tells_those_who_wait():
    async def body():
        server = Server(clock)
        async with routing(server) as storage:
            await _load(storage, "x")
            with server.answers_held("peek"):
                sent = asyncio.create_task(storage.load("a"))
                await settle()
                unsent = asyncio.create_task(storage.load("b"))
                await asyncio.sleep(0)
                await storage.close()
            for load in (sent, unsent):
                with pytest.raises(SessionStoreUnavailableError, match="closed"):
                    await load
            with pytest.raises(SessionStoreUnavailableError, match="closed"):
                await storage.load("a")
            await storage.close()
            assert storage._remote.closed

    run(body())


def test_one_session_that_cannot_be_read_does_not_keep_others_from_being_read():
    class Picky(FakeStorage):
        async def peek(self, session_ids):
            if "bad" in session_ids:
                raise ValueError("bad")
            return await super().peek(session_ids)

    async def body():
        server = Server(clock)
        storage = RoutingStorage(Picky(server), clock=clock)
        server.set(OLD, 60)
        good, bad = await asyncio.gather(storage.load("a"), storage.load("bad"), return_exceptions=True)
        assert good == OLD
        assert isinstance(bad, ValueError)
        await storage.close()

    run(body())


def test_another_loop_is_refused():
    server = Server(lambda: 0.0)
    storage = RoutingStorage(FakeStorage(server), clock=lambda: 0.0)

    async def body():
        await storage.store(OLD)

    run(body())
    for call in (storage.load("a"), storage.store(OLD), storage.delete("a"), storage.close()):
        with pytest.raises(RuntimeError, match="another event loop"):
            run(call)


@pytest.mark.parametrize("options", [{"max_local_entries": -1}, {"max_staleness": -0.1}])
def test_negative_numbers_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        RoutingStorage(FakeStorage(Server(clock)), **options)


def test_zero_entries_mean_a_thousand():
    assert RoutingStorage(FakeStorage(Server(clock))).max_local_entries == 1000
    assert RoutingStorage(FakeStorage(Server(clock)), max_local_entries=7).max_local_entries == 7


async def _load(storage: RoutingStorage, session_id: str) -> None:
    with pytest.raises(SessionNotFoundError):
        await storage.load(session_id)


def _ready(test):
    """The test, with a storage that hears of changes already."""

    async def body(server, storage):
        await _load(storage, "ready")
        await test(server, storage)

    return body
