"""How long sessions live that are used here, and what holds while the store or its pushes are lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.session_store import FakeStorage, Server
from tests.support.virtual_time import clock, run, settle
from tests.unit.session.test_routing_races import NEW, OLD, routing, with_routing

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RoutingStorage, Session


def test_a_used_session_outlives_its_time_to_live_with_few_round_trips():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        server.trips.clear()
        for _ in range(300):
            await asyncio.sleep(2)
            assert await storage.load("a") == OLD
        await settle()  # the last refresh may be under way
        assert 10 <= server.trips["touch"] <= 17, "every 38 to 40 of 60 seconds"
        assert storage.stats.misses <= 1
        assert storage.stats.refreshes == server.trips["touch"]

    with_routing(test)


@pytest.mark.parametrize("used_at", [0.0, 1.0, 39.0, 45.0, 57.5, 59.9])
def test_the_last_use_counts_in_full(used_at):
    async def test(server, storage):
        server.set(OLD, 60)
        began = clock()
        await asyncio.sleep(used_at)
        await storage.load("a")
        if used_at < 40:
            await asyncio.sleep(0.5)
            await storage.load("a")
        last = clock()
        await asyncio.sleep(59.0)
        assert server.get("a"), "it lives to its last use and the time to live"
        assert server.get("a")[1] >= last + 60 - 0.001
        assert clock() - began < 120

    with_routing(test)


def test_an_unused_copy_is_not_refreshed():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        await asyncio.sleep(61)
        assert server.get("a") is None
        assert not server.trips["touch"]
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")

    with_routing(test)


def test_many_uses_are_told_in_one_round_trip():
    async def test(server, storage):
        for number in range(200):
            server.set(Session(id=str(number)), 60)
        await asyncio.gather(*(storage.load(str(number)) for number in range(200)))
        server.trips.clear()
        await asyncio.sleep(45)
        assert storage.stats.refreshes == 200
        assert server.trips["touch"] <= 6, "those due within a second or so of each other go together"

    with_routing(test)


def test_a_copy_that_had_to_make_room_is_refreshed_all_the_same():
    async def test(server, storage):
        server.set(OLD, 60)
        await asyncio.sleep(30)
        await storage.load("a")
        for number in range(3):
            server.set(Session(id=str(number)), 60)
            await storage.load(str(number))
        assert storage.local_entries == 2
        await asyncio.sleep(1)
        assert server.get("a")[1] >= clock() + 58
        assert storage.stats.refreshes == 1, "those that have nearly all their time left can wait"

    with_routing(test, max_local_entries=2)


def test_an_expired_session_is_not_answered_though_the_store_is_gone_and_nobody_told():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        server.down = True
        await asyncio.sleep(59.9)
        assert await storage.load("a") == OLD
        await asyncio.sleep(0.2)
        with pytest.raises(SessionStoreUnavailableError):
            await storage.load("a")

    with_routing(test)


def test_refreshing_goes_on_once_the_store_is_back():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        await storage.load("a")
        await asyncio.sleep(30)
        server.down = True
        await asyncio.sleep(20)
        server.down = False
        await asyncio.sleep(2)
        assert server.get("a")[1] >= clock() + 55
        assert 3 < server.trips["touch"] < 40

    with_routing(test)


def test_a_session_about_to_expire_is_renewed_in_the_round_trip_that_reads_it():
    async def test(server, storage):
        server.set(OLD, 60)
        await asyncio.sleep(59)
        assert await storage.load("a") == OLD
        assert server.get("a")[1] == pytest.approx(clock() + 60, abs=0.1)
        assert server.trips["load"] == 1

    with_routing(test)


def test_closing_tells_of_the_last_uses():
    async def body():
        server = Server(clock)
        async with routing(server) as storage:
            server.set(OLD, 60)
            await asyncio.sleep(30)
            await storage.load("a")
        assert server.get("a")[1] == clock() + 60

    run(body())


def test_the_use_of_a_session_that_was_read_this_moment_is_told_too():
    async def test(server, storage):
        server.set(OLD, 60)
        await asyncio.sleep(30)
        await storage.load("a")
        await storage._refresher.finish()
        assert server.get("a")[1] == clock() + 60

    with_routing(test)


def test_closing_does_not_wait_for_a_store_that_does_not_answer():
    async def body():
        server = Server(clock)
        storage = RoutingStorage(FakeStorage(server), clock=clock)
        server.set(OLD, 60)
        await asyncio.sleep(30)
        await storage.load("a")
        began = clock()
        with server.answers_held("touch"):
            await storage.close()
        assert clock() - began <= 2
        assert storage._remote.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(body())


def test_two_replicas_that_read_the_same_sessions_leave_each_other_their_copies():
    async def body():
        server = Server(clock)
        async with routing(server, ttl=20) as one, routing(server, ttl=20) as other:
            for number in range(20):
                server.set(Session(id=str(number)), 20)
            for _ in range(600):
                for number in range(20):
                    for storage in (one, other):
                        await storage.load(str(number))
                await asyncio.sleep(0.1)
            for storage in (one, other):
                assert storage.stats.hits / (storage.stats.hits + storage.stats.misses) >= 0.99
            assert len(server.rows) == 20

    run(body())


def test_while_changes_go_unheard_every_load_asks_the_store():
    async def test(server, storage):
        await storage.store(OLD)
        await storage.load("a")
        server.deaf = True
        server.cut()
        await settle()
        assert storage.local_entries == 0
        assert storage.stats.flushes == 1
        server.trips.clear()
        for _ in range(10):
            assert await storage.load("a") == OLD
        assert server.trips["peek"] == 10
        server.set(NEW, 60)
        assert await storage.load("a") == NEW
        with pytest.raises(SessionNotFoundError):
            await storage.load("x")
        with pytest.raises(SessionNotFoundError):
            await storage.load("x")
        assert server.trips["peek"] == 13

    with_routing(test)


def test_once_changes_are_heard_of_again_copies_are_kept_again():
    async def test(server, storage):
        await storage.store(OLD)
        server.deaf = True
        server.cut()
        await asyncio.sleep(10)
        assert 5 <= server.trips["invalidations"] <= 11, "it tries again and again, but not all the time"
        server.deaf = False
        await asyncio.sleep(2.1)
        await storage.load("a")
        server.trips.clear()
        await storage.load("a")
        assert not server.trips

    with_routing(test)


def test_a_read_from_before_the_loss_is_not_answered_after_it():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        server.drop("a")
        server.set(OLD, 60)
        await settle()
        with server.answers_held("peek"):
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            with server.pushes_held():
                server.set(NEW, 60)
            server.cut()
            await settle()
        assert await loading == NEW

    with_routing(test)


def test_a_read_from_before_changes_were_heard_of_is_not_kept():
    async def test(server, storage):
        server.deaf = True
        await storage.store(OLD)
        with server.answers_held("peek"):
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            with server.pushes_held():
                server.rows["a"] = NEW, clock() + 60
            server.deaf = False
            await asyncio.sleep(1)
        assert await loading == OLD
        assert await storage.load("a") == NEW

    with_routing(test)


def test_sessions_used_while_changes_go_unheard_live_on():
    async def test(server, storage):
        server.deaf = True
        await storage.store(OLD)
        for _ in range(200):
            await asyncio.sleep(1)
            await storage.load("a")
        assert server.trips["touch"] <= 70, "a use soon after another need not be told"

    with_routing(test)


def test_uses_that_the_store_was_not_told_of_survive_the_loss():
    async def test(server, storage):
        server.set(OLD, 60)
        await asyncio.sleep(30)
        await storage.load("a")
        server.cut()
        await asyncio.sleep(1)
        assert server.get("a")[1] >= clock() + 58

    with_routing(test)


def test_all_is_forgotten_when_all_may_have_changed():
    async def test(server, storage):
        await storage.store(OLD)
        await storage.load("a")
        server.flush()
        await settle()
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")
        assert storage.stats.flushes == 1

    with_routing(test)


def test_what_cannot_be_reached_is_told_apart_from_what_is_not_there():
    async def test(server, storage):
        server.down = True
        for call in (
            storage.load("a"),
            storage.store(OLD),
            storage.create(OLD),
            storage.update(OLD),
            storage.delete("a"),
        ):
            with pytest.raises(SessionStoreUnavailableError):
                await call
        server.down = False
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")

    with_routing(test)


def test_a_loop_of_nothing_but_hits_lets_changes_be_heard_of():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        await storage.load("a")
        server.set(NEW, 60)
        loads = 0
        while await storage.load("a") != NEW:
            loads += 1
            assert loads < 10_000

    with_routing(test)


def test_only_what_is_in_memory_is_recalled_and_that_is_a_use():
    async def test(server, storage):
        assert storage.recall("a") is None
        await storage.store(OLD)
        await settle()
        await storage.load("a")
        hits, trips = storage.stats.hits, sum(server.trips.values())
        assert storage.recall("a") == OLD
        assert (storage.stats.hits, sum(server.trips.values())) == (hits + 1, trips)
        server.set(NEW, 60)
        await settle()
        assert storage.recall("a") in (None, NEW)

    with_routing(test)


def test_a_loop_of_nothing_but_what_is_recalled_lets_changes_be_heard_of():
    async def test(server, storage):
        await storage.store(OLD)
        await settle()
        await storage.load("a")
        server.set(NEW, 60)
        for _ in range(10_000):
            if (storage.recall("a") or await storage.load("a")) == NEW:
                return
        raise AssertionError("it was not heard of")

    with_routing(test)
