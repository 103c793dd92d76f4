"""What is done in one step, whoever else does something at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest

from workloads.errors import SessionNotFoundError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks, scenario

if TYPE_CHECKING:
    from workloads.session import Storage

__all__ = ("ChangingTests",)


class ChangingTests(StorageHooks):
    """``create`` and ``update``."""

    @scenario
    async def test_a_session_is_created_once(self, storage: Storage) -> None:
        """What was there stays, also when the same is created again; once it is gone, it can be created."""
        session = Session(id="one", metadata={"a": "1"})
        assert await storage.create(session) is True
        assert await storage.create(Session(id="one")) is False
        assert await storage.create(session) is False
        assert await storage.load("one") == session
        assert await self.stored("one") == session
        await storage.delete("one")
        assert await storage.create(Session(id="one")) is True

    @scenario
    async def test_of_many_who_create_at_once_one_succeeds(self, storage: Storage) -> None:
        """TH-13.40: adding a session is a check and then a store, a race between two proxies. Here it is one step."""
        others = [self.another() for _ in range(4)] if self.shared else [storage]
        try:
            sessions = [Session(id="one", metadata={"by": str(number)}) for number in range(40)]
            created = await asyncio.gather(
                *(others[number % len(others)].create(session) for number, session in enumerate(sessions))
            )
            assert created.count(True) == 1
            assert await self.stored("one") == sessions[created.index(True)]
        finally:
            if self.shared:
                await asyncio.gather(*(other.close() for other in others))

    @scenario
    async def test_an_update_replaces_and_brings_nothing_back(self, storage: Storage) -> None:
        """Neither what never was, nor what was deleted."""
        session = Session(id="one")
        assert await storage.update(session) is False
        assert await self.stored("one") is None
        await storage.store(session)
        changed = attrs.evolve(session, metadata={"a": "1"})
        assert await storage.update(changed) is True
        assert await storage.load("one") == changed
        await storage.delete("one")
        assert await storage.update(changed) is False
        assert await storage.update(changed, expected=changed) is False
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")

    @scenario
    async def test_an_update_of_something_else_than_expected_is_refused(self, storage: Storage) -> None:
        """What was there stays."""
        first = Session(id="one")
        second = attrs.evolve(first, metadata={"a": "2"})
        third = attrs.evolve(first, metadata={"a": "3"})
        await storage.store(first)
        assert await storage.update(second, expected=first) is True
        assert await storage.update(third, expected=first) is False
        assert await storage.load("one") == second
        assert await storage.update(third, expected=second) is True
        assert await self.stored("one") == third

    @scenario
    async def test_what_was_loaded_can_be_expected(self, storage: Storage) -> None:
        """And keeps what others stored with it."""
        await self.put(Session(id="one", extra={"data": '{"b" : 1.50}'}))
        loaded = await storage.load("one")
        changed = attrs.evolve(loaded, metadata={"a": "1"})
        assert await storage.update(changed, expected=loaded) is True
        assert await self.stored("one") == changed
        assert changed.extra == {"data": '{"b" : 1.50}'}

    @scenario
    async def test_of_many_who_expect_the_same_one_succeeds(self, storage: Storage) -> None:
        """Every other finds what the winner stored."""
        session = Session(id="one")
        await storage.store(session)
        others = [self.another() for _ in range(4)] if self.shared else [storage]
        try:
            changed = [attrs.evolve(session, metadata={"by": str(number)}) for number in range(40)]
            updated = await asyncio.gather(
                *(others[number % len(others)].update(each, expected=session) for number, each in enumerate(changed))
            )
            assert updated.count(True) == 1
            assert await self.stored("one") == changed[updated.index(True)]
        finally:
            if self.shared:
                await asyncio.gather(*(other.close() for other in others))

    @scenario
    async def test_a_counter_that_many_increase_loses_nothing(self, storage: Storage) -> None:
        """Load, change, compare and set, and again when another was faster."""
        await storage.store(Session(id="one", metadata={"count": "0"}))

        async def increase() -> None:
            for _ in range(5):
                while True:
                    session = await storage.load("one")
                    count = str(int(session.metadata["count"]) + 1)
                    if await storage.update(attrs.evolve(session, metadata={"count": count}), expected=session):
                        break

        await asyncio.gather(*(increase() for _ in range(8)))
        assert (await storage.load("one")).metadata == {"count": "40"}
