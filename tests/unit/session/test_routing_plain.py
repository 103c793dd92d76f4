"""A routing storage in front of one that does not tell of changes."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.session_store import FakeStorage, Server
from tests.support.virtual_time import clock, run, settle
from tests.unit.session.test_routing_races import NEW, OLD

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RoutingStorage, Session


class Plain:
    """The verbs of a plain storage and no others."""

    def __init__(self, server: Server) -> None:
        within = FakeStorage(server)
        for verb in ("store", "load", "delete", "delete_expired", "create", "update", "close"):
            setattr(self, verb, getattr(within, verb))


def with_plain(test, **options):
    async def body():
        server = Server(clock)
        storage = RoutingStorage(Plain(server), clock=clock, **options)
        await test(server, storage)
        await storage.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(body())


def test_a_copy_is_good_for_its_time_and_loading_it_anew_is_a_use():
    async def test(server, storage):
        server.set(OLD, 60)
        for _ in range(100):
            assert await storage.load("a") == OLD
        assert server.trips == {"load": 1}
        server.set(NEW, 60)
        await asyncio.sleep(1.9)
        assert await storage.load("a") == OLD
        await asyncio.sleep(0.2)
        assert await storage.load("a") == NEW
        assert server.trips == {"load": 2}
        assert server.get("a")[1] == pytest.approx(clock() + 60)
        assert storage.stats.refreshes == storage.stats.invalidations == 0

    with_plain(test, max_staleness=2.0)


def test_without_staleness_every_load_asks():
    async def test(server, storage):
        server.set(OLD, 60)
        await storage.load("a")
        await storage.load("a")
        for _ in range(2):
            with pytest.raises(SessionNotFoundError):
                await storage.load("x")
        assert server.trips == {"load": 4}

    with_plain(test, max_staleness=0.0)


def test_own_changes_are_seen_at_once():
    async def test(server, storage):
        assert await storage.create(OLD)
        assert not await storage.create(NEW)
        assert await storage.load("a") == OLD
        assert await storage.update(NEW, expected=OLD)
        assert await storage.load("a") == NEW
        await storage.delete("a")
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")
        assert not await storage.update(NEW)
        await storage.store(OLD)
        assert await storage.load("a") == OLD

    with_plain(test)


def test_an_unknown_id_is_asked_for_once_and_known_once_it_is_created_here():
    async def test(server, storage):
        results = await asyncio.gather(*(storage.load("a") for _ in range(64)), return_exceptions=True)
        assert {type(each) for each in results} == {SessionNotFoundError}
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")
        assert server.trips == {"load": 1}
        await storage.create(OLD)
        assert await storage.load("a") == OLD

    with_plain(test)


def test_a_load_under_way_does_not_bring_back_what_was_deleted_meanwhile():
    async def test(server, storage):
        server.set(OLD, 60)
        with server.answers_held("load"):
            loading = asyncio.create_task(storage.load("a"))
            await settle()
            await storage.delete("a")
        with pytest.raises(SessionNotFoundError):
            await loading

    with_plain(test)


def test_many_are_loaded_side_by_side_and_one_failure_is_its_own():
    async def test(server, storage):
        for number in range(100):
            server.set(Session(id=str(number)), 60)
        loads = [asyncio.create_task(storage.load(str(number))) for number in range(100)]
        with server.answers_held("load"):
            await settle()
            assert server.trips["load"] == 64
        await asyncio.gather(*loads)
        server.down = True
        with pytest.raises(SessionStoreUnavailableError):
            await storage.load("x")
        assert (await storage.load("5")).id == "5"

    with_plain(test)


def test_what_is_forgotten_as_expired_is_forgotten_here_too():
    async def test(server, storage):
        server.set(OLD, 60)
        await storage.load("a")
        del server.rows["a"]
        await storage.delete_expired(OLD.created_at)
        with pytest.raises(SessionNotFoundError):
            await storage.load("a")

    with_plain(test)
