"""The storages satisfy the protocols. Type checkers read this; nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from workloads.session import LocalStorage, RedisStorage, Session

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    from workloads.session import CoherentStorage, Invalidations, Storage
    from workloads.session.redis.changes import Changes


def sessions_in_memory_are_a_storage() -> Storage:
    return LocalStorage(ttl=60)


def sessions_in_redis_are_one_that_a_cache_can_stand_before(client: Redis | RedisCluster) -> list[CoherentStorage]:
    return [RedisStorage.from_url("redis://cache", ttl=60), RedisStorage(client, key_prefix="a:", ttl=60.5)]


def what_redis_tells_is_what_a_cache_hears(changes: Changes) -> Invalidations:
    return changes


async def use(storage: CoherentStorage) -> None:
    session = Session(id="one", metadata={"backend_url": "http://10.2.4.17:8080"})
    assert_type(await storage.create(session), bool)
    assert_type(await storage.load("one"), Session)
    assert_type((await storage.peek(["one"]))["one"].remaining, float)
    async with await storage.invalidations() as changes:
        async for ids in changes:
            assert_type(ids, frozenset[str] | None)
