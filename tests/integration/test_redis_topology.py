"""Another server becomes the master; slots move from one to another."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from tests.support import redis_server
from tests.support.aio import run, stopwatch
from tests.support.changes import until_lost
from tests.support.redis_server import eventually

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RedisStorage, Session

pytestmark = [pytest.mark.needs("redis")]

PREFIX = "thv:proxy:session:"
SLOT_OF_FOO = 12182  # of any key with {foo} in it: CRC16 of "foo" modulo 16384


async def heard_of(changes, session_id):
    async with asyncio.timeout(30):
        while (change := await anext(changes)) is None or session_id not in change:
            pass


def test_a_master_that_dies_is_followed_to_its_heir():
    async def scenario(servers):
        storage = RedisStorage.from_url(f"{servers.url}?socket_timeout=1", ttl=60)
        changes = await eventually(storage.invalidations)
        session = Session(id="one")
        await eventually(lambda: storage.store(session))
        master = servers.master()
        with contextlib.closing(master.client()) as client:
            assert client.wait(1, 30000) == 1  # the heir has it too
        master.stop()
        assert await until_lost(changes) < 1
        assert await eventually(lambda: storage.load("one")) == session
        assert servers.master() is not master
        again = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="two")))
        await heard_of(again, "two")
        await storage.close()

    with redis_server.sentinels() as servers:
        run(scenario(servers))


def test_a_master_that_is_replaced_while_it_lives_is_left():
    """Its connections would go on, and nobody writes there any more."""

    async def scenario(servers):
        storage = RedisStorage.from_url(f"{servers.url}?socket_timeout=1", ttl=60)
        changes = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="one")))
        with contextlib.closing(servers.sentinels[0].client()) as client:
            client.execute_command("SENTINEL", "FAILOVER", "main")
        await until_lost(changes)
        again = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="two")))
        await heard_of(again, "two")
        await storage.close()

    with redis_server.sentinels() as servers:
        run(scenario(servers))


def test_an_old_master_that_nobody_told_is_left_too():
    """Cut off from the Sentinels and not from us, it answers: what Sentinel says decides."""

    async def scenario(servers):
        storage = RedisStorage.from_url(f"{servers.url}?socket_timeout=1", ttl=60)
        changes = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="one")))
        await heard_of(changes, "one")
        assert set(await eventually(lambda: storage.peek(["one"]))) == {"one"}
        heir = next(each for each in servers.data if each is not servers.master())
        for guard in servers.sentinels:
            ask(guard, "SENTINEL", "REMOVE", "main")
            ask(guard, "SENTINEL", "MONITOR", "main", redis_server.HOST, heir.port, 2)
        with pytest.raises(SessionStoreUnavailableError, match="another server became the master"):
            async with asyncio.timeout(30):
                await anext(changes)
        ask(heir, "REPLICAOF", "NO", "ONE")
        ask(heir, "DEL", "thv:proxy:session:one")
        await eventually(storage.invalidations)
        assert set(await eventually(lambda: storage.peek(["one"]))) == set()
        await storage.close()

    with redis_server.sentinels() as servers:
        run(scenario(servers))


def test_sentinels_that_are_all_away_are_told():
    async def scenario():
        storage = RedisStorage.from_url("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", ttl=60)
        async with stopwatch() as seconds:
            with pytest.raises(SessionStoreUnavailableError, match="No master found for 'main'"):
                await storage.load("one")
            assert seconds() < 3
        await storage.close()

    run(scenario())


@pytest.fixture(scope="module")
def cluster():
    with redis_server.cluster() as nodes:
        yield nodes


def ask(node, *command):
    with contextlib.closing(node.client()) as client:
        return client.execute_command(*command)


def move_slot(nodes, slot, source, target):
    """Move a slot and its keys, as operators do."""
    target_id, source_id = (ask(node, "CLUSTER", "MYID").decode() for node in (target, source))
    ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    for key in ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        ask(source, "MIGRATE", redis_server.HOST, target.port, key, 0, 5000)
    for node in (target, source, *nodes):
        ask(node, "CLUSTER", "SETSLOT", slot, "NODE", target_id)


def test_sessions_are_found_where_their_slots_go(cluster):
    async def scenario():
        storage = RedisStorage.from_url(f"redis+cluster://127.0.0.1:{cluster[0].port}", ttl=60)
        changes = await storage.invalidations()
        session = Session(id="{foo}")
        assert await storage.create(session)
        await heard_of(changes, "{foo}")
        move_slot(cluster, SLOT_OF_FOO, cluster[2], cluster[0])
        try:
            assert await storage.load("{foo}") == session
            assert set(await storage.peek(["{foo}", "elsewhere"])) == {"{foo}"}
            assert await storage.update(session, expected=session)
            async with asyncio.timeout(30):
                while await anext(changes) is not None:
                    pass
            await storage.store(session)
            await heard_of(changes, "{foo}")
        finally:
            move_slot(cluster, SLOT_OF_FOO, cluster[0], cluster[2])
        await storage.close()

    run(scenario())


def test_a_slot_on_its_way_is_asked_for_where_it_is(cluster):
    """The old owner has some of its keys and the new one others, for as long as the move takes."""

    async def scenario():
        storage = RedisStorage.from_url(f"redis+cluster://127.0.0.1:{cluster[1].port}", ttl=60)
        await storage.store(Session(id="here {foo}"))
        await storage.store(Session(id="gone {foo}"))
        source, target = cluster[2], cluster[1]
        target_id, source_id = (ask(node, "CLUSTER", "MYID").decode() for node in (target, source))
        ask(target, "CLUSTER", "SETSLOT", SLOT_OF_FOO, "IMPORTING", source_id)
        ask(source, "CLUSTER", "SETSLOT", SLOT_OF_FOO, "MIGRATING", target_id)
        try:
            ask(source, "MIGRATE", redis_server.HOST, target.port, f"{PREFIX}gone {{foo}}", 0, 5000)
            assert (await storage.load("here {foo}")).id == "here {foo}"
            assert (await storage.load("gone {foo}")).id == "gone {foo}"
            assert set(await storage.peek(["here {foo}", "gone {foo}"])) == {"here {foo}", "gone {foo}"}
            assert await storage.touch(["gone {foo}"]) == {"gone {foo}"}
            with pytest.raises(SessionNotFoundError):
                await storage.load("never {foo}")
        finally:
            move_slot(cluster, SLOT_OF_FOO, source, target)
            move_slot(cluster, SLOT_OF_FOO, target, source)
        await storage.close()

    run(scenario())


def test_ids_of_all_servers_are_asked_for_at_once(cluster):
    """Each server is asked once for all that it has, in one packet."""

    async def scenario():
        storage = RedisStorage.from_url(f"redis+cluster://127.0.0.1:{cluster[0].port}", ttl=60)
        ids = [f"id {number}" for number in range(60)]
        for session_id in ids:
            await storage.store(Session(id=session_id))
        assert set(await storage.peek([*ids, "absent"])) == set(ids)
        assert await storage.touch([*ids, "absent"]) == set(ids)
        await storage.close()

    run(scenario())


def test_a_user_of_a_cluster_needs_the_rights_that_the_documentation_names(cluster):
    page = Path(__file__).parents[2].joinpath("docs", "sessions.md").read_text(encoding="utf-8")
    (rights,) = re.findall(r"^~thv:proxy:session:\* .*$", page, re.MULTILINE)
    (more,) = re.findall(r"cluster also needs `(.*)`", page)

    async def scenario():
        storage = RedisStorage.from_url(f"redis+cluster://app:secret@127.0.0.1:{cluster[0].port}", ttl=60)
        session = Session(id="one")
        async with await storage.invalidations() as changes:
            assert await storage.create(session)
            await heard_of(changes, "one")
            assert await storage.update(session, expected=session)
            assert await storage.load("one") == session
            assert set(await storage.peek(["one", "two"])) == await storage.touch(["one", "two"]) == {"one"}
            await storage.delete("one")
        await storage.close()

    for node in cluster:
        ask(node, "ACL", "SETUSER", "app", "on", ">secret", "-@all", *f"{rights} {more}".split())
    run(scenario())


def test_a_master_of_a_cluster_that_hangs_is_told_and_the_others_go_on(cluster):
    async def scenario():
        url = f"redis+cluster://127.0.0.1:{cluster[0].port}?socket_timeout=0.4&socket_connect_timeout=0.4"
        storage = RedisStorage.from_url(url, ttl=60)
        changes = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="{foo}")))
        cluster[2].hang()
        try:
            assert await until_lost(changes) < 1
            async with stopwatch() as seconds:
                with pytest.raises(SessionStoreUnavailableError):
                    await storage.load("{foo}")
                assert seconds() < 2
        finally:
            cluster[2].go_on()
        assert (await eventually(lambda: storage.load("{foo}"))).id == "{foo}"
        again = await eventually(storage.invalidations)
        await eventually(lambda: storage.store(Session(id="{foo}")))
        await heard_of(again, "{foo}")
        await storage.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
