"""Redis that goes away, hangs, or loses an answer: an error within a bounded time, and recovery without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import time

import attrs
import pytest
from redis.asyncio import Redis
from tests.support import redis_server
from tests.support.aio import run, stopwatch
from tests.support.redis_server import eventually
from tests.support.relay import relay_to

from workloads.errors import CorruptSessionError, SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RedisStorage, Session

pytestmark = pytest.mark.needs("redis")

PREFIX = "thv:proxy:session:"


@pytest.fixture(scope="module")
def shared():
    with redis_server.running() as server:
        yield server


@pytest.fixture
def server(shared):
    """The module's server, without keys; tests that stop one have their own."""
    with contextlib.closing(shared.client()) as client:
        client.flushall()
    return shared


@pytest.fixture
def mortal():
    with redis_server.running() as server:
        yield server


@contextlib.asynccontextmanager
async def storage_of(url, **options):
    storage = RedisStorage.from_url(url, ttl=options.pop("ttl", 60), **options)
    try:
        yield storage
    finally:
        await storage.close()


def client_of(server):
    return contextlib.closing(server.client())


def test_a_server_that_went_away_is_told_at_once_and_found_again(mortal):
    async def scenario():
        async with storage_of(mortal.url) as storage:
            session = Session(id="one")
            await storage.store(session)
            mortal.stop()
            began = time.monotonic()
            for call in (
                storage.load("one"), storage.create(session), storage.update(session, expected=session),
                storage.delete("one"), storage.peek(["one"]), storage.touch(["one"]), storage.invalidations(),
            ):  # fmt: skip
                with pytest.raises(SessionStoreUnavailableError, match="cannot be reached") as caught:
                    await call
                assert caught.value.store == mortal.url
            assert time.monotonic() - began < 5
            mortal.start()
            with pytest.raises(SessionNotFoundError):
                await storage.load("one")
            assert await storage.create(session)

    run(scenario())


def test_a_restart_between_two_calls_is_not_noticed(mortal):
    """Connections of the pool are stale then; a call that finds one makes another."""

    async def scenario():
        async with storage_of(mortal.url) as storage:
            await asyncio.gather(*(storage.store(Session(id=str(number))) for number in range(10)))
            mortal.stop()
            mortal.start()
            assert (
                await asyncio.gather(*(storage.create(Session(id=str(number))) for number in range(10))) == [True] * 10
            )

    run(scenario())


def test_connections_that_are_killed_are_made_anew(server):
    async def scenario():
        async with storage_of(server.url) as storage:
            await storage.store(Session(id="one"))
            for _ in range(5):
                with client_of(server) as client:
                    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                assert (await storage.load("one")).id == "one"

    run(scenario())


def test_a_server_that_hangs_costs_a_bounded_time(mortal):
    async def scenario():
        url = f"{mortal.url}?socket_timeout=1&socket_connect_timeout=1.5&max_connections=4"
        async with storage_of(url) as storage:
            await storage.store(Session(id="one"))
            mortal.hang()
            try:
                async with stopwatch() as seconds:
                    with pytest.raises(SessionStoreUnavailableError, match="in time"):
                        await storage.load("one")
                    assert seconds() < 2
                async with stopwatch() as seconds:
                    # Many wait for few connections, and for the server: together no longer than one may.
                    failed = await asyncio.gather(*(storage.load("one") for _ in range(50)), return_exceptions=True)
                    assert {type(each) for each in failed} == {SessionStoreUnavailableError}
                    assert seconds() < 6
            finally:
                mortal.go_on()
            assert (await eventually(lambda: storage.load("one"))).id == "one"
            await asyncio.gather(*(storage.load("one") for _ in range(50)))
            with client_of(mortal) as client:
                assert len(client.client_list()) <= 5

    run(scenario())


def test_a_session_whose_creation_was_not_answered_was_created_by_its_creator(server):
    async def scenario():
        async with relay_to(server.port) as relay, storage_of(f"redis://127.0.0.1:{relay.port}") as storage:
            relay.swallow = b"NX"
            assert await storage.create(Session(id="one")) is True
            assert relay.swallow == b""
            assert await storage.create(Session(id="one", type="sse")) is False
            await storage.store(Session(id="two", type="sse"))
            relay.swallow = b"NX"
            assert await storage.create(Session(id="two")) is False

    run(scenario())


def test_an_update_that_was_not_answered_is_not_taken_for_refused(server):
    async def scenario():
        async with relay_to(server.port) as relay, storage_of(f"redis://127.0.0.1:{relay.port}") as storage:
            first = Session(id="one")
            second, third = (attrs.evolve(first, metadata={"a": text}) for text in "23")
            await storage.store(first)
            assert await storage.update(first, expected=first)  # from now on the server knows the script
            relay.swallow = b"EVALSHA"
            assert await storage.update(second, expected=first) is True
            assert relay.swallow == b""
            relay.swallow = b"EVALSHA"
            assert await storage.update(third, expected=first) is False
            relay.swallow = b"XX"
            assert await storage.update(third) is True
            relay.swallow = b"DEL"
            await storage.delete("one")
            relay.swallow = b"XX"
            assert await storage.update(third) is False

    run(scenario())


def test_a_line_that_is_cut_again_and_again_is_given_up(server):
    async def scenario():
        async with relay_to(server.port) as relay, storage_of(f"redis://127.0.0.1:{relay.port}") as storage:
            await storage.store(Session(id="one"))
            before = relay.connections

            async def cut():
                while True:
                    relay.swallow = b"GETEX"
                    await asyncio.sleep(0)

            cutter = asyncio.ensure_future(cut())
            with pytest.raises(SessionStoreUnavailableError):
                await storage.load("one")
            cutter.cancel()
            assert relay.connections - before == 2
            relay.swallow = b""
            await storage.load("one")

    run(scenario())


def test_scripts_that_the_server_forgot_are_sent_again(server):
    async def scenario():
        async with storage_of(server.url) as storage:
            session = Session(id="one")
            for _ in range(2):
                await storage.store(session)
                assert set(await storage.peek(["one"])) == {"one"}
                assert await storage.touch(["one"]) == {"one"}
                assert await storage.update(session, expected=session)
                with client_of(server) as client:
                    client.script_flush()

    run(scenario())


def test_calls_that_are_cancelled_leave_no_connection_in_a_wrong_state(server):
    """At any moment of it; who asks next gets the answer to its own question."""

    async def scenario():
        async with storage_of(f"{server.url}?max_connections=3") as storage:
            for number in range(30):
                await storage.store(Session(id=str(number)))
            for turns in range(0, 60, 4):
                tasks = [asyncio.ensure_future(storage.load(str(number))) for number in range(30)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in tasks[::3]:
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                for number, each in enumerate(found):
                    assert isinstance(each, asyncio.CancelledError) or each.id == str(number)
                    assert number % 3 == 0 or each.id == str(number)
            with client_of(server) as client:
                assert len(client.client_list()) <= 4  # three, and the one that asks

    run(scenario())


def test_nothing_is_left_of_a_storage_that_is_closed(server):
    async def scenario():
        async with storage_of(server.url) as storage:
            changes = [await storage.invalidations() for _ in range(2)]
            await asyncio.gather(*(storage.store(Session(id=str(number))) for number in range(20)))
            del changes
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with client_of(server) as client:
            deadline = time.monotonic() + 30
            while len(client.client_list()) > 1:
                assert time.monotonic() < deadline, client.client_list()
                await asyncio.sleep(0.01)

    run(scenario())


@pytest.mark.parametrize("turns", range(0, 40, 4))
def test_a_storage_that_is_closed_while_it_is_used_leaves_nothing(server, turns):
    async def scenario():
        storage = RedisStorage.from_url(f"{server.url}?max_connections=8", ttl=60)
        await storage.store(Session(id="one"))
        tasks = [asyncio.ensure_future(storage.load("one")) for _ in range(50)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await storage.close()
        for each in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(each, Session) or "it is closed" in str(each)
        await storage.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with client_of(server) as client:
            deadline = time.monotonic() + 30
            while len(client.client_list()) > 1:
                assert time.monotonic() < deadline, client.client_list()
                await asyncio.sleep(0.01)

    run(scenario())


def test_a_storage_is_closed_while_the_server_hangs(mortal):
    async def scenario():
        storage = RedisStorage.from_url(f"{mortal.url}?socket_timeout=1", ttl=60)
        await storage.store(Session(id="one"))
        await storage.invalidations()
        mortal.hang()
        try:
            waiting = asyncio.ensure_future(storage.load("one"))
            await asyncio.sleep(0)
            async with stopwatch() as seconds:
                await storage.close()
                with pytest.raises(SessionStoreUnavailableError, match="closed"):
                    await waiting
                assert seconds() < 1
        finally:
            mortal.go_on()

    run(scenario())


def test_one_question_is_one_command(server):
    """Many ids too: that is what the round trips of a cache are counted by."""

    async def scenario():
        ids = [str(number) for number in range(50)]
        async with storage_of(server.url) as storage:
            for session_id in ids:
                await storage.store(Session(id=session_id))
            await storage.peek(ids)
            await storage.touch(ids)
            await storage.update(Session(id="new"), expected=Session(id="new"))
            with client_of(server) as client:
                client.config_resetstat()
                await storage.peek(ids)
                await storage.touch(ids)
                await storage.load("1")
                await storage.create(Session(id="new"))
                await storage.update(Session(id="new"), expected=Session(id="other"))
                stats = {
                    name.removeprefix("cmdstat_"): each["calls"] for name, each in client.info("commandstats").items()
                }
            assert stats["mget"] == 1
            assert stats["evalsha"] == 2
            assert stats["getex"] == 1
            assert stats["set"] == 1

    run(scenario())


def test_who_may_not_read_many_keys_at_once_reads_them_by_a_script_and_tries_it_once(server):
    user = ("app", "on", ">s3cret", "~*", "-@all", "+set", "+get", "+pttl", "+eval", "+evalsha")

    async def scenario():
        async with storage_of(server.url.replace("redis://", "redis://app:s3cret@")) as storage:
            await storage.store(Session(id="one"))
            with client_of(server) as client:
                client.config_resetstat()
                for _ in range(3):
                    found = await storage.peek(["one", "two"])
                    assert set(found) == {"one"}
                    assert 59 < found["one"].remaining <= 60
                stats = client.info("commandstats")
            assert stats["cmdstat_mget"]["rejected_calls"] == 1
            assert stats["cmdstat_evalsha"]["calls"] >= 3

    with client_of(server) as client:
        client.execute_command("ACL", "SETUSER", *user)
        try:
            run(scenario())
        finally:
            client.execute_command("ACL", "DELUSER", "app")


def test_times_to_live_are_the_servers(server):
    """To the millisecond; what is left is never told too long; a key of others that never expires gets one."""

    async def scenario():
        async with storage_of(server.url, ttl=30.5) as storage:
            with client_of(server) as client:
                await storage.store(Session(id="one"))
                assert 30_000 < client.pttl(f"{PREFIX}one") <= 30_500
                client.pexpire(f"{PREFIX}one", 10_000)
                peeked = (await storage.peek(["one"]))["one"]
                assert client.pttl(f"{PREFIX}one") / 1000 - 1 < peeked.remaining < 10
                client.persist(f"{PREFIX}one")
                assert 29 < (await storage.peek(["one"]))["one"].remaining <= 30.5
                await storage.load("one")
                assert 30_000 < client.pttl(f"{PREFIX}one") <= 30_500
                client.pexpire(f"{PREFIX}one", 1)

    run(scenario())


def test_time_on_the_way_counts_as_time_that_has_passed(server):
    async def scenario():
        async with relay_to(server.port) as relay, storage_of(f"redis://127.0.0.1:{relay.port}") as storage:
            await storage.store(Session(id="one"))
            await storage.peek(["one"])
            relay.swallow = b"MGET"  # the answer is lost, and comes with the second try only
            began = time.monotonic()
            peeked = (await storage.peek(["one"]))["one"]
            assert peeked.remaining <= 60 - (time.monotonic() - began) + 0.005
            assert peeked.remaining < 59.99

    run(scenario())


@pytest.mark.parametrize("verb", ["load", "peek", "update"])
def test_a_key_that_is_no_text_is_damaged(server, verb):
    async def scenario():
        async with storage_of(server.url) as storage:
            with client_of(server) as client:
                client.lpush(f"{PREFIX}one", "x")
            session = Session(id="one")
            calls = {
                "load": lambda: storage.load("one"),
                "peek": lambda: storage.peek(["two", "one"]),
                "update": lambda: storage.update(session, expected=session),
            }
            with pytest.raises(CorruptSessionError) as caught:
                await calls[verb]()
            assert caught.value.session_id == "one"
            assert await storage.create(session) is False

    run(scenario())


def test_a_session_under_the_key_of_another_is_damaged(server):
    async def scenario():
        async with storage_of(server.url) as storage:
            await storage.store(Session(id="one"))
            with client_of(server) as client:
                client.rename(f"{PREFIX}one", f"{PREFIX}two")
            with pytest.raises(CorruptSessionError, match="another session's"):
                await storage.load("two")

    run(scenario())


def test_a_client_of_the_caller_is_used_and_left_alone(server):
    async def scenario():
        client = Redis.from_url(server.url)
        storage = RedisStorage(client, key_prefix="mine:", ttl=60)
        assert repr(storage) == f"RedisStorage({server.url!r}, key_prefix='mine:', ttl=60)"
        await storage.store(Session(id="one"))
        await storage.close()
        assert await client.exists("mine:one")
        await client.aclose()

    run(scenario())


def test_a_server_without_memory_or_data_is_told_in_words(mortal):
    async def scenario():
        async with storage_of(mortal.url) as storage:
            session = Session(id="one")
            await storage.store(session)
            with client_of(mortal) as client:
                client.config_set("maxmemory", "1")
                with pytest.raises(SessionStoreUnavailableError, match="no memory left"):
                    await storage.store(Session(id="one"))
                client.config_set("maxmemory", "0")
                client.replicaof("127.0.0.1", "1")
                with pytest.raises(SessionStoreUnavailableError, match="is a replica"):
                    await storage.load("one")
                with pytest.raises(SessionStoreUnavailableError, match="is a replica"):
                    await storage.update(session, expected=session)

    run(scenario())
