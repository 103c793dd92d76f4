"""The suite that every storage of sessions passes, on routing storages in front of others."""

from __future__ import annotations

import itertools

import pytest
from tests.conformance.test_storages import RedisHooks
from tests.support import redis_server

from workloads.errors import SessionNotFoundError
from workloads.session import LocalStorage, RoutingStorage, Session
from workloads.session.codec import encode
from workloads.testing import StorageConformance


@pytest.fixture(scope="module")
def server():
    with redis_server.running() as server:
        yield server


class TestRoutingOverLocal(StorageConformance):
    """In front of a storage that tells of no changes; what is done past it is seen once its copies are too old."""

    shared = False

    @pytest.fixture(autouse=True)
    def _clock(self):
        self.now = 0.0

    def open(self):
        self.local = LocalStorage(ttl=self.ttl, clock=lambda: self.now)
        return RoutingStorage(self.local, clock=lambda: self.now)

    async def stored(self, session_id):
        entry = self.local._entries.get(session_id)
        return entry.session if entry is not None else None

    async def put(self, session):
        await self.local.store(session)
        self.now += 2

    async def age(self, seconds):
        self.now += seconds


class TestRoutingOverRedis(RedisHooks):
    """In front of Redis. What is done past it is waited for until it was heard of."""

    pytestmark = pytest.mark.needs("redis")
    markers = itertools.count()

    @pytest.fixture(autouse=True)
    def _opened(self):
        self.storages = []

    def open(self):
        storage = RoutingStorage(super().open(), max_local_entries=10)
        self.storages.append(storage)
        return storage

    async def put(self, session):
        await super().put(session)
        await self._heard()

    async def damage(self, session_id):
        damaged = await super().damage(session_id)
        await self._heard()
        return damaged

    async def age(self, seconds):
        for storage in self._open():
            await storage._refresher.finish()  # uses are told late, and this is an age later
        await super().age(seconds)
        await self._heard()

    def _open(self):
        return [storage for storage in self.storages if storage._ready]

    async def _heard(self):
        """Until every storage heard of all changes so far: of one more, of what it knows that there is none."""
        marker = Session(id=f"marker {next(self.markers)}")
        for storage in self._open():
            with pytest.raises(SessionNotFoundError):
                await storage.load(marker.id)
        await self.client.set(self.key(marker.id), encode(marker), px=60_000)

        async def heard():
            return not any(marker.id in storage._copies._absent for storage in self._open())

        await self.until(heard)
        await self.client.delete(self.key(marker.id))
