"""A routing storage on a real Redis that is lost in every way there is."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager

import attrs
import pytest
import uvloop
from tests.support import redis_server
from tests.support.aio import stopwatch
from tests.support.relay import relay_to

from bench import coherence
from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import RedisStorage, RoutingStorage, Session

pytestmark = pytest.mark.needs("redis")

PREFIX = "test:session:"
NOTICED = 1.0  # seconds within which a loss is noticed
SLACK = 1.0  # ... on a busy machine


@pytest.fixture(scope="module")
def server():
    with redis_server.running() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _first_uvloop():
    """libuv opens a pipe with its first loop and keeps it: before the tests, so that it is not taken for a leak."""
    uvloop.new_event_loop().close()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    factory = None if request.param == "asyncio" else uvloop.new_event_loop

    def run(coroutine, timeout=120):
        async def bounded():
            async with asyncio.timeout(timeout):
                await coroutine

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run


@asynccontextmanager
async def routing(url, *, ttl=60.0, **options):
    storage = RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=ttl), **options)
    try:
        yield storage
    finally:
        await storage.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}


def version(session: Session, number: int) -> Session:
    return attrs.evolve(session, metadata={"version": str(number)})


def number_of(session: Session) -> int:
    return int(session.metadata["version"])


class Writer:
    """Another process: writes newer and newer versions of one session, past the storages under test."""

    def __init__(self, server):
        self.remote = RedisStorage.from_url(server.url, key_prefix=PREFIX, ttl=60)
        self.session = Session(id=str(uuid.uuid4()), metadata={"version": "0"})
        self.acknowledged = 0

    async def write(self):
        await self.remote.store(version(self.session, self.acknowledged + 1))
        self.acknowledged += 1

    async def go_on(self):
        while True:
            await self.write()
            await asyncio.sleep(0.001)


@asynccontextmanager
async def writing(server, storage):
    """A writer that writes all the time, and a session that the storage has a copy of."""
    writer = Writer(server)
    await writer.write()
    await storage.load(writer.session.id)
    task = asyncio.create_task(writer.go_on())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.wait([task])
        await writer.remote.close()


async def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        await asyncio.sleep(0.001)


async def flushed(storage, times):
    await until(lambda: storage.stats.flushes >= times)


async def heard(storage, marker):
    """Until it is not known any more that there is no such session."""
    await until(lambda: not storage._copies.is_absent(marker.id))


def trackers(client):
    return [each for each in client.client_list() if "t" in each["flags"]]


def test_a_killed_tracking_connection_is_noticed_and_nothing_old_is_read_after_that(server, run):
    async def body():
        async with routing(server.url) as storage, writing(server, storage) as writer:
            with server.client() as control:
                for _ in range(20):
                    flushes = storage.stats.flushes
                    [tracker] = trackers(control)
                    async with stopwatch() as seconds:
                        control.client_kill_filter(_id=tracker["id"])
                        await flushed(storage, flushes + 1)
                        assert seconds() <= NOTICED
                    while not storage._copies.coherent:  # from then on a copy may be older than an answer, for a moment
                        newest = writer.acknowledged
                        assert number_of(await storage.load(writer.session.id)) >= newest
                        await asyncio.sleep(0)

    run(body())


def test_after_a_restart_nothing_is_answered_that_redis_lost(run):
    async def body(server):
        async with routing(server.url) as storage:
            session = Session(id=str(uuid.uuid4()))
            await storage.store(session)
            assert await storage.load(session.id) == session
            server.stop()
            await flushed(storage, 1)
            with pytest.raises(SessionStoreUnavailableError):
                await storage.load(session.id)
            await asyncio.to_thread(server.start)
            with pytest.raises(SessionNotFoundError):
                await storage.load(session.id)
            assert await storage.create(session)
            await _until_hits(storage, session.id)

    with redis_server.running() as server:
        run(body(server))


def test_a_redis_that_hangs_is_noticed_and_its_sessions_live_on(run):
    async def body(server):
        async with routing(server.url) as storage:
            session = Session(id=str(uuid.uuid4()))
            await storage.store(session)
            await _until_hits(storage, session.id)
            server.hang()
            try:
                await flushed(storage, 1)
                load = asyncio.create_task(storage.load(session.id))
                await asyncio.sleep(0.05)
                assert not load.done()
                load.cancel()
            finally:
                server.go_on()
            assert await storage.load(session.id) == session
            await _until_hits(storage, session.id)

    with redis_server.running() as server:
        run(body(server))


def test_who_is_cut_off_answers_nothing_old_past_the_bound(server, run):
    async def body():
        async with (
            relay_to(server.port) as between,
            unchecked(f"redis://{redis_server.HOST}:{between.port}/0?socket_timeout=0.3") as storage,
            writing(server, storage) as writer,
        ):
            between.dark = True
            cut, oldest = time.monotonic(), 0.0
            written = {writer.acknowledged: cut}
            while time.monotonic() < cut + 20:
                written.setdefault(writer.acknowledged, time.monotonic())
                try:
                    seen = number_of(await storage.load(writer.session.id))
                except SessionStoreUnavailableError:
                    break
                replaced = [when for number, when in written.items() if number > seen]
                oldest = max(oldest, time.monotonic() - replaced[0] if replaced else 0.0)
                await asyncio.sleep(0.005)
            # What it had was good until the loss was noticed, and no longer.
            assert 0.1 < oldest <= NOTICED + 0.3 + SLACK
            with pytest.raises(SessionStoreUnavailableError):
                await storage.load(writer.session.id)
            between.dark = False
            newest = writer.acknowledged
            await until(lambda: storage._copies.coherent)
            assert number_of(await storage.load(writer.session.id)) >= newest

    run(body())


@asynccontextmanager
async def unchecked(url):
    storage = RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=60))
    try:
        yield storage
    finally:
        await storage.close()


def test_a_failover_loses_no_session_and_answers_nothing_old(run):
    async def body(sentinels):
        async with routing(sentinels.url, ttl=600) as storage:
            sessions = [Session(id=str(uuid.uuid4()), metadata={"version": "0"}) for _ in range(50)]
            for session in sessions:
                await storage.store(session)
                await storage.load(session.id)
            old = sentinels.master()
            with old.client() as client:
                assert client.wait(1, 30000) == 1, "the replica has them"
            old.stop()
            await flushed(storage, 1)
            await asyncio.to_thread(redis_server._until, lambda: sentinels.master() is not old)
            for session in sessions:
                await _eventually(storage, session)
            newest = version(sessions[0], 1)
            await storage.store(newest)
            await until(lambda: storage._copies.coherent)
            assert await storage.load(newest.id) == newest
            await _until_hits(storage, newest.id)

    with redis_server.sentinels() as sentinels:
        run(body(sentinels))


async def _eventually(storage, session):
    while True:
        try:
            assert await storage.load(session.id) == session
        except SessionStoreUnavailableError:
            await asyncio.sleep(0.05)
        else:
            return


async def _until_hits(storage, session_id):
    """Until loads are answered from memory."""
    while True:
        hits = storage.stats.hits
        await storage.load(session_id)
        if storage.stats.hits > hits:
            return
        await asyncio.sleep(0.005)


def test_another_process_loads_nothing_old_after_it_heard_of_a_change():
    figures = {each["what"]: each["value"] for each in coherence.run(30, seed=1)["figures"]}
    assert figures["changes"] == 60
    assert figures["loads of the old, after the change was heard of"] == 0


def test_giving_up_and_closing_leave_no_connection_behind(server, run):
    async def body():
        with server.client() as control:
            async with routing(server.url) as storage:
                for turns in range(40):
                    calls = [
                        *(asyncio.create_task(storage.load(f"x{number}")) for number in range(10)),
                        asyncio.create_task(storage.store(Session(id=f"y{turns}"))),
                        asyncio.create_task(storage.delete(f"y{turns - 1}")),
                    ]
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    for call in calls[::2]:
                        call.cancel()
                    await asyncio.gather(*calls, return_exceptions=True)
                assert not storage._writes._marks
                await until(lambda: not storage._reads._reads)
                await storage.store(Session(id="z"))
                assert (await storage.load("z")).id == "z"
            await until(lambda: len(control.client_list()) == 1)

    run(body())


def test_own_and_foreign_changes_end_where_redis_ends(server, run):
    """Two storages write, delete and read the same few sessions at random; in the end both see what Redis has."""

    async def body():
        async with unchecked(server.url) as one, unchecked(server.url) as other:
            ids = [str(uuid.uuid4()) for _ in range(3)]

            async def play(storage, seed):
                for step in range(400):
                    session_id = ids[(step * 7 + seed * 3) % 3]
                    match (step * 31 + seed * 17) % 5:
                        case 0:
                            await storage.store(Session(id=session_id, metadata={"by": f"{seed} {step}"}))
                        case 1:
                            await storage.delete(session_id)
                        case 2:
                            await storage._remote.touch(ids)
                        case _:
                            await asyncio.gather(storage.load(session_id), return_exceptions=True)

            for _ in range(3):
                await asyncio.gather(*(play(storage, seed) for seed, storage in enumerate((one, other, one, other))))
                marker = Session(id=str(uuid.uuid4()))
                for storage in (one, other):
                    with pytest.raises(SessionNotFoundError):
                        await storage.load(marker.id)
                await one._remote.store(marker)
                await heard(one, marker)
                await heard(other, marker)
                truth = {key: peeked.session for key, peeked in (await one._remote.peek(ids)).items()}
                for storage in (one, other):
                    found = await asyncio.gather(*map(storage.load, ids), return_exceptions=True)
                    assert {each.id: each for each in found if isinstance(each, Session)} == truth

    run(body())
