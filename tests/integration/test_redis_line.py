"""The one connection over which sessions are looked at: shared by all who ask, and lost in every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
import trustme
from redis.asyncio import Redis
from tests.support import redis_server
from tests.support.aio import LOOPS, run
from tests.support.redis_server import eventually
from tests.support.relay import relay_to

from workloads.errors import SessionStoreUnavailableError
from workloads.session import RedisStorage, Session

pytestmark = pytest.mark.needs("redis")

COUNT = 30


@pytest.fixture(scope="module")
def shared():
    with redis_server.running() as server:
        yield server


@pytest.fixture
def server(shared):
    """The module's server, without keys."""
    with contextlib.closing(shared.client()) as client:
        client.flushall()
    return shared


@contextlib.asynccontextmanager
async def full_storage(url, *, through=None):
    """A storage over one way to Redis, filled over another that is not cut and not short of time."""
    filling, storage = RedisStorage.from_url(url, ttl=60), RedisStorage.from_url(through or url, ttl=60)
    try:
        await asyncio.gather(*(filling.store(Session(id=str(number))) for number in range(COUNT)))
        await filling.close()
        yield storage
    finally:
        await storage.close()


def connections(server):
    with contextlib.closing(server.client()) as client:
        return len(client.client_list()) - 1


async def until_alone(server):
    """Until nobody but the one who looks is connected."""
    deadline = time.monotonic() + 30
    while connections(server):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("loop", LOOPS)
def test_each_gets_the_answer_to_its_own_question_whoever_goes_away(server, loop):
    async def scenario():
        async with full_storage(server.url) as storage:
            await storage.peek(["0"])
            before = connections(server)
            for turns in range(0, 40, 2):
                tasks = [asyncio.ensure_future(storage.peek([str(number)])) for number in range(COUNT)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in tasks[::3]:
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                for number, each in enumerate(found):
                    if not (number % 3 == 0 and isinstance(each, asyncio.CancelledError)):
                        assert each[str(number)].session.id == str(number)
            assert connections(server) == before

    run(scenario(), loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_line_that_is_cut_is_made_anew_for_all_who_ask(server, loop):
    async def scenario():
        async with full_storage(server.url) as storage:
            for turns in range(0, 12, 2):
                tasks = [asyncio.ensure_future(storage.peek([str(number)])) for number in range(COUNT)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                with contextlib.closing(server.client()) as client:
                    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                for number, each in enumerate(await asyncio.gather(*tasks)):
                    assert set(each) == {str(number)}

    run(scenario(), loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_that_does_not_come_costs_a_bounded_time_and_the_line(server, loop):
    async def scenario():
        async with relay_to(server.port) as relay:
            url = f"redis://127.0.0.1:{relay.port}?socket_timeout=1&socket_connect_timeout=4"
            async with full_storage(server.url, through=url) as storage:
                await storage.peek(["0"])
                relay.dark = True
                began = time.monotonic()
                failed = await asyncio.gather(*(storage.peek(["0"]) for _ in range(COUNT)), return_exceptions=True)
                assert 0.95 <= time.monotonic() - began < 30
                assert all("it did not answer in time" in str(each) for each in failed)
                relay.dark = False
                assert set(await eventually(lambda: storage.peek(["1"]))) == {"1"}

    run(scenario(), loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_line_is_encrypted_where_the_others_are(tmp_path, loop):
    files = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "server")}
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files["ca"])
    authority.issue_cert(redis_server.HOST).private_key_and_cert_chain_pem.write_to_path(files["server"])
    (port,) = redis_server.free_ports(1)
    options = ("--tls-port", str(port), "--tls-ca-cert-file", files["ca"], "--tls-cert-file", files["server"])

    async def scenario(server):
        url = f"rediss://{redis_server.HOST}:{port}/0?ssl_ca_certs={files['ca']}"
        async with full_storage(server.url, through=url) as storage:
            for _ in range(3):
                found = await asyncio.gather(*(storage.peek([str(number)]) for number in range(COUNT)))
                assert [set(each) for each in found] == [{str(number)} for number in range(COUNT)]
                with contextlib.closing(server.client()) as client:
                    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until_alone(server)

    more = ("--tls-key-file", files["server"], "--tls-auth-clients", "no")
    with redis_server.running(*options, *more) as server:
        run(scenario(server), loop=loop)


@pytest.mark.parametrize("theirs", [False, True])
@pytest.mark.parametrize("turns", range(0, 16, 2))
def test_a_storage_that_is_closed_while_sessions_are_looked_at_leaves_nothing(server, turns, theirs):
    async def scenario():
        client = Redis.from_url(server.url, driver_info=None) if theirs else None
        storage = RedisStorage(client, ttl=60) if client else RedisStorage.from_url(server.url, ttl=60)
        tasks = [asyncio.ensure_future(storage.peek(["one"])) for _ in range(COUNT)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await storage.close()
        for each in await asyncio.gather(*tasks, return_exceptions=True):
            assert each == {} or "it is closed" in str(each)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if client:
            assert await client.ping()
            await client.aclose()
        await until_alone(server)

    run(scenario())


def test_who_gives_up_connecting_leaves_no_connection_behind(server):
    async def scenario():
        async with relay_to(server.port) as relay:
            storage = RedisStorage.from_url(f"redis://127.0.0.1:{relay.port}", ttl=60)
            relay.dark = True
            first, second = (asyncio.ensure_future(storage.peek(["one"])) for _ in range(2))
            deadline = time.monotonic() + 30
            while not relay.connections:
                assert time.monotonic() < deadline
                await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            relay.dark = False
            assert await second == {}
            assert connections(server) == 1
            await storage.close()
        await until_alone(server)

    run(scenario())


def test_a_server_that_speaks_no_redis_any_more_is_told(server):
    async def scenario():
        asked = asyncio.Event()

        async def serve(reader, writer):
            while request := await reader.read(65536):
                hello = b"HELLO" in request
                writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n" if hello else b"?what\r\n")
                if not hello:
                    asked.set()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as other:
            port = other.sockets[0].getsockname()[1]
            storage = RedisStorage.from_url(f"redis://127.0.0.1:{port}", ttl=60)
            with pytest.raises(SessionStoreUnavailableError, match="Protocol error"):
                await storage.peek(["one"])
            assert asked.is_set()
            await storage.close()

    run(scenario())
