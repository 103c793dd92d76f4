"""Times to live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from workloads.errors import SessionNotFoundError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks, scenario

if TYPE_CHECKING:
    from workloads.session import Storage

__all__ = ("ExpiringTests",)


class ExpiringTests(StorageHooks):
    """A session is kept until it was not used for the time to live."""

    @scenario
    async def test_a_session_that_nobody_uses_expires(self, storage: Storage) -> None:
        """It is not found, as if it had never been."""
        session = Session(id="one")
        await storage.store(session)
        await self.age(1000)
        assert await self.stored("one") == session
        await self.age(100)
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")

    @scenario
    async def test_loading_lets_the_time_to_live_start_anew(self, storage: Storage) -> None:
        """Again and again: there is no age at which a session that is used ends."""
        session = Session(id="one")
        await storage.store(session)
        for _ in range(4):
            await self.age(900)
            assert await storage.load("one") == session
        await self.age(1100)
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")

    @scenario
    async def test_storing_and_updating_let_it_start_anew_and_a_refusal_does_not(self, storage: Storage) -> None:
        """Nor does failing to create it."""
        session = Session(id="one")
        assert await storage.create(session)
        await self.age(900)
        await storage.store(session)
        await self.age(900)
        assert await storage.update(session)
        await self.age(900)
        assert await storage.update(session, expected=session)
        await self.age(900)
        assert not await storage.create(session)
        assert not await storage.update(session, expected=Session(id="one", type="sse"))
        await self.age(200)
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")

    @scenario
    async def test_a_session_that_expired_can_be_created_and_not_updated(self, storage: Storage) -> None:
        """It is gone for every verb."""
        session = Session(id="one")
        await storage.store(session)
        await self.age(1100)
        assert await storage.update(session) is False
        assert await storage.update(session, expected=session) is False
        await storage.delete("one")
        assert await storage.create(session) is True
        assert await storage.load("one") == session

    @scenario
    async def test_deleting_what_expired_leaves_what_was_used(self, storage: Storage) -> None:
        """Last use counts, not the session's own times."""
        long_ago = datetime.now(UTC) - timedelta(days=400)
        await storage.store(Session(id="old"))
        await storage.store(Session(id="used", created_at=long_ago))
        await self.age(900)
        await storage.load("used")
        await self.age(200)
        await storage.delete_expired(datetime.now(UTC) - timedelta(seconds=self.ttl))
        assert await self.stored("old") is None
        assert await self.stored("used") is not None
        assert (await storage.load("used")).created_at == long_ago
