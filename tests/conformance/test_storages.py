"""The suite that every storage of sessions passes, on each of those that this library has."""

from __future__ import annotations

import itertools
import json

import pytest
import trustme
from redis.asyncio import Redis, RedisCluster
from tests.support import redis_server

from workloads.session import LocalStorage, RedisStorage
from workloads.session.codec import decode, encode
from workloads.testing import StorageConformance

PATIENT = "socket_timeout=30&socket_connect_timeout=30"  # for machines that do much else

# What a user of Redis' access control list needs, and no more.
ACL = "user app on >s%cret ~test* -@all +get +getex +set +del +pttl +pexpire +eval +evalsha +ping +client|tracking"


@pytest.fixture(scope="module")
def plain():
    with redis_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def guarded():
    with redis_server.running("--requirepass", "0ther", "--" + ACL, credentials={"password": "0ther"}) as server:
        yield server


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    files = {name: str(folder / f"{name}.pem") for name in ("ca", "server", "client")}
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files["ca"])
    for name, identity in (("server", redis_server.HOST), ("client", "client@test")):
        authority.issue_cert(identity).private_key_and_cert_chain_pem.write_to_path(files[name])
    (port,) = redis_server.free_ports(1)
    options = ("--tls-port", str(port), "--tls-ca-cert-file", files["ca"], "--tls-cert-file", files["server"])
    with redis_server.running(*options, "--tls-key-file", files["server"]) as server:
        yield server, f"rediss://{redis_server.HOST}:{port}/0", files


@pytest.fixture(scope="module")
def sentinels():
    with redis_server.sentinels() as servers:
        yield servers


@pytest.fixture(scope="module")
def cluster():
    with redis_server.cluster() as servers:
        yield servers


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
        return RedisStorage.from_url(f"{self.server.url}?{PATIENT}", key_prefix=self.prefix, ttl=self.ttl)

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


class TestRedisByUnixSocket(RedisHooks):
    """One server, by its Unix socket, in another database."""

    pytestmark = pytest.mark.needs("redis")
    loops = ("asyncio",)

    @pytest.fixture
    def server(self, plain):
        return plain

    def open_client(self):
        return Redis(unix_socket_path=str(self.server.socket), db=3, driver_info=None)

    def open(self):
        return RedisStorage.from_url(
            f"unix://{self.server.socket}?db=3&{PATIENT}", key_prefix=self.prefix, ttl=self.ttl
        )


class TestRedisWithAccessControl(RedisHooks):
    """A user who may do what a storage does, and nothing else."""

    pytestmark = pytest.mark.needs("redis")
    loops = ("asyncio",)

    @pytest.fixture
    def server(self, guarded):
        return guarded

    def open(self):
        url = self.server.url.replace("redis://", "redis://app:s%25cret@") + f"?{PATIENT}"
        return RedisStorage.from_url(url, key_prefix=self.prefix, ttl=self.ttl)


class TestRedisByTLS(RedisHooks):
    """Encrypted, each side proving who it is."""

    pytestmark = pytest.mark.needs("redis")
    loops = ("asyncio",)

    @pytest.fixture
    def server(self, encrypted):
        server, self.url, self.files = encrypted
        return server

    def open(self):
        options = f"ssl_ca_certs={self.files['ca']}&ssl_certfile={self.files['client']}"
        return RedisStorage.from_url(f"{self.url}?{options}&{PATIENT}", key_prefix=self.prefix, ttl=self.ttl)


class TestRedisBySentinel(RedisHooks):
    """Whichever server Sentinel says is the master."""

    pytestmark = pytest.mark.needs("redis")
    loops = ("asyncio",)

    @pytest.fixture
    def server(self, sentinels):
        return sentinels

    def open_client(self):
        return Redis(unix_socket_path=str(self.server.master().socket), driver_info=None)

    def open(self):
        return RedisStorage.from_url(f"{self.server.url}?{PATIENT}", key_prefix=self.prefix, ttl=self.ttl)


class TestRedisCluster(RedisHooks):
    """Three servers, each with a third of the sessions."""

    pytestmark = pytest.mark.needs("redis")

    @pytest.fixture
    def server(self, cluster):
        return cluster

    def open_client(self):
        return RedisCluster(host=redis_server.HOST, port=self.server[0].port, driver_info=None)

    def open(self):
        url = f"redis+cluster://{redis_server.HOST}:{self.server[1].port}?{PATIENT}"
        return RedisStorage.from_url(url, key_prefix=self.prefix, ttl=self.ttl)
