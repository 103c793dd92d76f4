"""The suite that every storage of sessions passes, on each of those that this library has."""

from __future__ import annotations

import itertools
import json

import pytest
from redis.asyncio import Redis
from tests.support import redis_server

from workloads.session import LocalStorage, RedisStorage, Session
from workloads.session.codec import decode, encode
from workloads.testing import StorageConformance


@pytest.fixture(scope="module")
def plain():
    with redis_server.running() as server:
        yield server


class TestLocal(StorageConformance):
    """Sessions of one process, with a clock of the test's."""

    shared = False

    @pytest.fixture(autouse=True)
    def _clock(self):
        self.now = 0.0

    def open(self):
        self.storage = LocalStorage(ttl=self.ttl, clock=lambda: self.now)
        return self.storage

    async def stored(self, session_id):
        entry = self.storage._entries.get(session_id)
        return entry.session if entry is not None else None

    async def put(self, session):
        await self.storage.store(session)

    async def age(self, seconds):
        self.now += seconds


class RedisHooks(StorageConformance):
    """Looks past the storage, with a client of the test's own, at the keys of one test."""

    counter = itertools.count()

    @pytest.fixture(autouse=True)
    def _client(self, runner, server):
        self.server = server
        self.prefix = f"test {next(self.counter)}:"
        self.client = self.open_client()
        yield
        runner.run(self.client.aclose())

    def open_client(self):
        return Redis(unix_socket_path=str(self.server.socket), driver_info=None, **self.server.credentials)

    def open(self):
        return RedisStorage.from_url(self.server.url, key_prefix=self.prefix, ttl=self.ttl)

    def key(self, session_id):
        return self.prefix.encode() + session_id.encode("utf-8", "surrogatepass")

    async def stored(self, session_id):
        raw = await self.client.get(self.key(session_id))
        return decode(raw) if raw is not None else None

    async def put(self, session):
        await self.client.set(self.key(session.id), as_others_write_it(session), px=round(self.ttl * 1000))

    async def damage(self, session_id):
        await self.client.set(self.key(session_id), b'{"id": "', keepttl=True)
        return True

    async def age(self, seconds):
        async for key in self.client.scan_iter(match=f"{self.prefix}*", count=1000):
            if (left := await self.client.pttl(key) - round(seconds * 1000)) > 0:
                await self.client.pexpire(key, left)
            else:
                await self.client.delete(key)


def as_others_write_it(session):
    """The same session in other bytes: keys in another order, and spaces between them."""
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in json.loads(encode(session)).items()}
    texts |= session.extra
    return f"{{{', '.join(f'{json.dumps(key)} : {text}' for key, text in reversed(texts.items()))}}}".encode()


class TestRedis(RedisHooks):
    """One server, by TCP."""

    pytestmark = pytest.mark.needs("redis")

    @pytest.fixture
    def server(self, plain):
        return plain


class TestRedisClientOfTheCaller(TestRedis):
    """A client that the caller made, with the defaults of redis-py and its answers as texts; it is left open."""

    @pytest.fixture(autouse=True)
    def _clients(self, runner, _client):
        self.clients = []
        yield
        for client in self.clients:
            runner.run(client.ping())
            runner.run(client.aclose())

    def open(self):
        self.clients.append(Redis.from_url(self.server.url, decode_responses=True, driver_info=None))
        return RedisStorage(self.clients[-1], key_prefix=self.prefix, ttl=self.ttl)
