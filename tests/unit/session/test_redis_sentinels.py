"""No Sentinel is lost when two ask for the master at the same time."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

pytest.importorskip("redis")

from workloads.session.redis.client import close_client, open_client
from workloads.session.redis.target import Target

STATE = {"is_master": True, "is_sdown": False, "is_odown": False, "num-other-sentinels": 2, "ip": "10.0.0.1", "port": 1}


def test_a_sentinel_that_two_find_at_once_takes_nobodys_place():
    async def scenario():
        target = Target(kind="sentinel", master="main", addresses=tuple(("127.0.0.1", port) for port in (1, 2, 3)))
        client = open_client(target)
        manager = client.connection_pool.sentinel_manager
        before = list(manager.sentinels)

        def answers(state):
            async def masters():
                await asyncio.sleep(0)
                return {"main": state} if state else {}

            return masters

        for sentinel, state in zip(before, (None, STATE, STATE), strict=True):
            sentinel.sentinel_masters = answers(state)
        found = await asyncio.gather(*(manager.discover_master("main") for _ in range(2)))
        assert found == [("10.0.0.1", 1)] * 2
        assert set(manager.sentinels) == set(before)
        await close_client(client)

    run(scenario())
