"""What Redis tells of changes: all of it, soon; and when nothing can be told any more, that."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from tests.support import redis_server
from tests.support.aio import run, stopwatch
from tests.support.changes import until_lost
from tests.support.relay import relay_to

from workloads.errors import SessionStoreUnavailableError
from workloads.session import RedisStorage, Session

pytestmark = pytest.mark.needs("redis")

PREFIX = "thv:proxy:session:"


@pytest.fixture(scope="module")
def server():
    with redis_server.running() as server:
        yield server


@contextlib.asynccontextmanager
async def listening(url, **options):
    """A storage and its changes."""
    storage = RedisStorage.from_url(url, ttl=60, **options)
    try:
        yield storage, await storage.invalidations()
    finally:
        await storage.close()


async def heard(changes):
    async with asyncio.timeout(30):
        return await anext(changes)


async def lost(changes):
    """That the changes end with an error, the same one again and again, and the seconds it took."""
    taken = await until_lost(changes)
    with pytest.raises(SessionStoreUnavailableError) as caught:
        await anext(changes)
    return caught.value, taken


def test_a_change_is_heard_within_milliseconds(server):
    async def scenario():
        async with listening(server.url) as (storage, changes):
            taken = []
            for number in range(20):
                began = time.monotonic()
                await storage.store(Session(id=str(number)))
                assert await heard(changes) == {str(number)}
                taken.append(time.monotonic() - began)
            assert sorted(taken)[10] < 0.05

    run(scenario())


def test_only_the_keys_of_the_prefix_are_told(server):
    async def scenario():
        async with listening(server.url) as (storage, changes):
            with contextlib.closing(server.client()) as client:
                client.set("thv:vmcp:session:x", "1")
                client.set(PREFIX.encode() + b"\xff\xfe", "1")  # no id of ours gives that key
                client.set(f"{PREFIX}y", "1")
            assert await heard(changes) == {"y"}
            await storage.delete("y")
            assert await heard(changes) == {"y"}

    run(scenario())


def test_that_all_is_gone_is_told_as_that(server):
    async def scenario():
        async with listening(server.url) as (storage, changes):
            await storage.store(Session(id="one"))
            with contextlib.closing(server.client()) as client:
                client.flushdb()
            while (change := await heard(changes)) is not None:
                assert change == {"one"}

    run(scenario())


def test_what_expires_is_told(server):
    async def scenario():
        async with listening(server.url) as (_, changes):
            with contextlib.closing(server.client()) as client:
                client.set(f"{PREFIX}one", "1", px=20)
            assert await heard(changes) == {"one"}
            assert await heard(changes) == {"one"}

    run(scenario())


def test_a_connection_that_is_killed_is_told_at_once(server):
    async def scenario():
        async with listening(server.url) as (storage, changes):
            with contextlib.closing(server.client()) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            error, taken = await lost(changes)
            assert taken < 0.5
            assert error.store == server.url
            again = await storage.invalidations()
            await storage.store(Session(id="one"))
            assert await heard(again) == {"one"}

    run(scenario())


def test_packets_that_are_dropped_are_noticed_within_a_second(server):
    """Nothing is closed and nothing arrives: only the lack of signs of life tells."""

    async def scenario():
        async with (
            relay_to(server.port) as relay,
            listening(f"redis://127.0.0.1:{relay.port}?socket_timeout=0.5") as (storage, changes),
        ):
            await storage.store(Session(id="one"))
            assert await heard(changes) == {"one"}
            relay.dark = True
            _, taken = await lost(changes)
            assert taken < 1.0

    run(scenario())


def test_a_server_that_hangs_or_dies_is_noticed_within_a_second():
    async def scenario(server):
        url = f"{server.url}?socket_timeout=0.5&socket_connect_timeout=0.5"
        async with listening(url) as (storage, changes):
            server.hang()
            try:
                _, taken = await lost(changes)
                assert taken < 1.0
                async with stopwatch() as seconds:
                    with pytest.raises(SessionStoreUnavailableError):
                        await storage.invalidations()
                    assert seconds() < 2.0
            finally:
                server.go_on()
            again = await storage.invalidations()
            server.stop()
            _, taken = await lost(again)
            assert taken < 0.5
            with pytest.raises(SessionStoreUnavailableError):
                await storage.invalidations()
            server.start()
            async with await storage.invalidations() as third:
                await storage.store(Session(id="one"))
                assert await heard(third) == {"one"}

    with redis_server.running() as server:
        run(scenario(server))


def test_a_process_that_was_held_up_has_missed_nothing(server):
    """Its own delay is not the server's silence."""

    async def scenario():
        async with listening(server.url) as (storage, changes):
            await storage.store(Session(id="one"))
            time.sleep(1.5)  # noqa: ASYNC251  # the loop is what is held up
            assert await heard(changes) == {"one"}
            await storage.store(Session(id="two"))
            assert await heard(changes) == {"two"}

    run(scenario())


def test_opening_that_is_cancelled_leaves_nothing(server):
    async def scenario():
        storage = RedisStorage.from_url(server.url, ttl=60)
        for turns in range(0, 40, 2):
            task = asyncio.ensure_future(storage.invalidations())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).aclose()
        assert storage._changes == set()
        await storage.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


def test_another_loop_cannot_listen(server):
    with asyncio.Runner() as runner, asyncio.Runner() as stranger:
        storage = RedisStorage.from_url(server.url, ttl=60)
        changes = runner.run(storage.invalidations())
        for call in (changes.__anext__, changes.aclose, storage.invalidations):
            with pytest.raises(RuntimeError, match="loop"):
                stranger.run(call())
        runner.run(storage.close())
