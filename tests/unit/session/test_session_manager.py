"""The session manager over storages in memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid

import attrs
import pytest
from tests.support.session_store import FakeStorage, Server
from tests.support.virtual_time import clock, run, settle

from workloads.errors import (
    SessionAlreadyExistsError,
    SessionForbiddenError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)
from workloads.session import Identity, LocalStorage, RoutingStorage, Session, SessionManager
from workloads.session.identity import BINDING_KEY, LEGACY_KEYS

ALICE = Identity(issuer="https://idp.example", subject="alice")
BOB = Identity(issuer="https://idp.example", subject="bob")
OF_ALICE = {BINDING_KEY: "https://idp.example\0alice"}


def with_manager(test, **options):
    async def body():
        server = Server(clock)
        async with SessionManager(FakeStorage(server), **options) as manager:
            await test(server, manager)
        assert manager.storage.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}, "closing left tasks behind"

    run(body())


def test_a_new_session_has_an_id_of_its_own():
    async def test(server, manager):
        one, other = await manager.begin(), await manager.begin(type="sse", metadata={"a": "b"})
        assert uuid.UUID(one.id).version == uuid.UUID(other.id).version == 4
        assert one.id != other.id
        assert await manager.get(other.id) == other
        assert other.metadata == {"a": "b"}

    with_manager(test)


def test_of_two_that_add_a_session_of_one_id_one_succeeds():
    async def test(server, manager):
        session = Session(id=str(uuid.uuid4()), metadata={"backend_url": "http://one"})
        other = attrs.evolve(session, metadata={"backend_url": "http://two"})
        results = await asyncio.gather(manager.add(session), manager.add(other), return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["Session", "SessionAlreadyExistsError"]
        with pytest.raises(SessionAlreadyExistsError):
            await manager.add(other)
        assert await manager.get(session.id) == session

    with_manager(test)


def test_foreign_ids_are_mapped_by_every_method():
    async def test(server, manager):
        kept = await manager.add(Session(id="mine"))
        key = str(uuid.uuid5(uuid.NAMESPACE_DNS, "mine"))
        assert kept.id == key
        assert set(server.rows) == {key}
        assert await manager.get("mine") == await manager.get(key) == kept
        changed = attrs.evolve(kept, metadata={"a": "b"})
        assert await manager.update(attrs.evolve(changed, id="mine"), expected=attrs.evolve(kept, id="mine"))
        assert (await manager.repin(attrs.evolve(changed, id="mine"), "http://x")).won
        assert (await manager.upsert(Session(id="mine"))).id == key
        assert set(server.rows) == {key}
        await manager.delete("mine")
        with pytest.raises(SessionNotFoundError) as caught:
            await manager.get("mine")
        assert caught.value.session_id == "mine"

    with_manager(test)


def test_13_36_a_store_that_is_down_is_not_an_unknown_session():
    """TH-13.36: a store failure looks like an unknown session, so clients re-init in a Redis outage: not here."""

    async def test(server, manager):
        with pytest.raises(SessionNotFoundError):
            await manager.get("x")
        server.down = True
        for call in (
            manager.get("x"), manager.begin(), manager.upsert(Session(id="x")), manager.update(Session(id="x")),
            manager.delete("x"), manager.repin(Session(id="x"), "http://x"),
        ):  # fmt: skip
            with pytest.raises(SessionStoreUnavailableError):
                await call

    with_manager(test)


def test_13_40_adding_is_one_step():
    """TH-13.40: add-session is check-then-store (race between pods): here it is one step of the store."""

    async def test(server, manager):
        await manager.begin()
        assert server.trips == {"create": 1}

    with_manager(test)


def test_a_store_that_does_not_answer_is_given_five_seconds():
    async def test(server, manager):
        with server.answers_held("load"):
            server.set(Session(id="6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11"), 60)
            began = clock()
            with pytest.raises(SessionStoreUnavailableError, match="5 s"):
                await manager.get("6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11")
            assert clock() - began == pytest.approx(5)

    with_manager(test)


def test_a_time_out_of_the_callers_is_the_callers():
    async def test(server, manager):
        with server.answers_held("load"):
            server.set(Session(id="6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11"), 60)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await manager.get("6f2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11")

    with_manager(test)


def test_a_winner_keeps_its_pin_and_the_loser_takes_it_over():
    async def test(server, manager):
        session = await manager.begin(metadata={"backend_url": "http://lost", "backend_sid": "old", "init_body": "{}"})
        one, other = await asyncio.gather(
            manager.repin(session, "http://one", backend_sid="s1"), manager.repin(session, "http://two")
        )
        assert [one.won, other.won] == [True, False]
        assert one.session == other.session == await manager.get(session.id)
        assert one.session.metadata == {"backend_url": "http://one", "backend_sid": "s1", "init_body": "{}"}
        assert one.session.updated_at >= session.updated_at

    with_manager(test)


def test_a_change_of_something_else_does_not_lose_the_race():
    async def test(server, manager):
        session = await manager.begin(metadata={"backend_url": "http://lost", "backend_sid": "old"})
        await manager.upsert(attrs.evolve(session, metadata={**session.metadata, "note": "kept"}))
        moved = await manager.repin(session, "http://new")
        assert moved.won
        assert moved.session.metadata == {"backend_url": "http://new", "note": "kept"}
        assert await manager.get(session.id) == moved.session

    with_manager(test)


def test_who_wanted_the_pin_that_won_has_nothing_to_close():
    async def test(server, manager):
        session = await manager.begin(metadata={"backend_url": "http://lost"})
        assert (await manager.repin(session, "http://new", backend_sid="s")).won
        assert (await manager.repin(session, "http://new", backend_sid="s")).won

    with_manager(test)


def test_a_session_that_is_gone_is_not_pinned():
    async def test(server, manager):
        session = await manager.begin()
        await manager.delete(session.id)
        with pytest.raises(SessionNotFoundError):
            await manager.repin(session, "http://new")
        assert not server.rows

    with_manager(test)


def test_repinning_through_copies_sees_what_the_store_has():
    async def body():
        server = Server(clock)
        managers = [SessionManager(RoutingStorage(FakeStorage(server), clock=clock)) for _ in range(2)]
        session = await managers[0].begin(metadata={"backend_url": "http://lost"})
        await managers[1].get(session.id)
        await settle()
        with server.pushes_held():
            assert (await managers[0].repin(session, "http://one")).won
            lost = await managers[1].repin(session, "http://two")
            assert not lost.won
            assert lost.session.metadata["backend_url"] == "http://one"
        for manager in managers:
            await manager.close()

    run(body())


@pytest.mark.parametrize("caller", [BOB, None])
def test_a_bound_session_is_refused_to_others_on_any_replica(caller):
    async def body():
        server = Server(clock)
        async with (
            SessionManager(RoutingStorage(FakeStorage(server), clock=clock), bind_identity=True) as one,
            SessionManager(FakeStorage(server)) as other,
        ):
            session = await one.begin(identity=ALICE)
            for manager in (one, other):
                assert await manager.get(session.id, identity=ALICE) == session
                with pytest.raises(SessionForbiddenError) as caught:
                    await manager.get(session.id, identity=caller)
                assert "alice" not in str(caught.value)
            assert session.id in server.rows, "it goes on for its owner"

    run(body())


def test_a_session_of_nobody_is_refused_to_somebody():
    async def test(server, manager):
        session = await manager.begin()
        assert session.metadata == {BINDING_KEY: "unauthenticated"}
        assert await manager.get(session.id) == session
        with pytest.raises(SessionForbiddenError):
            await manager.get(session.id, identity=ALICE)

    with_manager(test, bind_identity=True)


def test_who_adds_a_session_cannot_choose_its_owner():
    async def test(server, manager):
        mine = await manager.add(Session(id="x", metadata={BINDING_KEY: "https://idp.example\0bob"}), identity=ALICE)
        assert await manager.get("x", identity=ALICE) == mine

    with_manager(test, bind_identity=True)


@pytest.mark.parametrize("bind_identity", [True, False])
def test_unbound_sessions_are_refused_only_where_identities_are_bound(bind_identity):
    async def test(server, manager):
        session = await manager.upsert(Session(id="x"))
        if bind_identity:
            with pytest.raises(SessionForbiddenError):
                await manager.get("x", identity=ALICE)
        else:
            assert await manager.get("x", identity=ALICE) == session

    with_manager(test, bind_identity=bind_identity)


@pytest.mark.parametrize("bind_identity", [True, False])
def test_a_session_bound_in_the_older_way_is_deleted_and_not_found(bind_identity):
    async def test(server, manager):
        session = await manager.upsert(Session(id="x", metadata={LEGACY_KEYS[0]: "ab", LEGACY_KEYS[1]: "cd"}))
        assert session.id in server.rows
        with pytest.raises(SessionNotFoundError):
            await manager.get("x", identity=ALICE)
        assert session.id not in server.rows

    with_manager(test, bind_identity=bind_identity)


def test_what_expired_is_cleaned_up_every_half_of_the_time_to_live():
    async def body():
        storage = LocalStorage(ttl=60, clock=clock)
        cleaned = []
        forget = storage.delete_expired

        async def spy(before):
            cleaned.append(clock())
            await forget(before)

        storage.delete_expired = spy
        async with SessionManager(storage, ttl=60):
            await asyncio.sleep(100)
        assert cleaned == [30, 60, 90]

    run(body())


def test_cleaning_goes_on_after_a_failure_and_ends_at_once_when_closed():
    async def test(server, manager):
        await settle()
        server.down = True
        await asyncio.sleep(35)
        server.down = False
        with server.answers_held("delete_expired"):
            await asyncio.sleep(60 + 30)
            assert server.trips["delete_expired"] == 3, "one that hangs is given 30 seconds"
            began = clock()
            await manager.close()
            assert clock() == began

    with_manager(test, ttl=60)


def test_closing_can_be_repeated():
    async def test(server, manager):
        await manager.close()
        await manager.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with_manager(test)


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_time_to_live_is_positive(ttl):
    with pytest.raises(ValueError, match="ttl"):
        SessionManager(FakeStorage(Server(clock)), ttl=ttl)


def test_importing_the_package_loads_neither_config_nor_asyncio_nor_redis():
    slow = ("asyncio", "redis", "workloads.config")
    code = f"import workloads.session, sys; print([name for name in sys.modules if name in {slow}])"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "[]"


def test_the_manager_loads_no_config():
    code = "from workloads.session import SessionManager; import sys; print('workloads.config' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "False"


def test_a_session_in_memory_is_found_without_a_look_at_the_clock_and_still_belongs_to_its_owner(monkeypatch):
    async def body():
        async with SessionManager(LocalStorage(ttl=60), bind_identity=True) as manager:
            session = await manager.begin(identity=ALICE)
            monkeypatch.setattr(asyncio, "timeout", None)
            assert await manager.get(session.id, identity=ALICE) == session
            with pytest.raises(SessionForbiddenError):
                await manager.get(session.id, identity=BOB)
            monkeypatch.undo()

    run(body())


@pytest.mark.parametrize("bind_identity", [True, False])
def test_only_what_is_in_memory_and_is_for_who_asks_is_recalled(bind_identity):
    async def body():
        async with SessionManager(LocalStorage(ttl=60, clock=clock), bind_identity=bind_identity) as manager:
            hers = await manager.add(Session(id="hers", metadata=OF_ALICE), identity=ALICE)
            await manager.upsert(Session(id="nobody's"))
            await manager.upsert(Session(id="old", metadata={LEGACY_KEYS[0]: "hash"}))
            assert manager.recall("hers", identity=ALICE) == hers
            assert manager.recall("hers", identity=BOB) is manager.recall("hers") is None
            assert (manager.recall("nobody's") is None) is bind_identity
            assert manager.recall("old") is manager.recall("unknown") is None
        assert manager.recall("hers", identity=ALICE) is None

    run(body())


def test_what_is_kept_elsewhere_is_not_recalled():
    async def test(server, manager):
        session = await manager.begin()
        assert manager.recall(session.id) is None

    with_manager(test)
