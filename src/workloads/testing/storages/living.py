"""Loops, cancellation and the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from workloads.errors import SessionNotFoundError, SessionStoreUnavailableError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks, scenario

if TYPE_CHECKING:
    from datetime import datetime

    from workloads.session import Storage

__all__ = ("LivingTests",)


class LivingTests(StorageHooks):
    """A storage belongs to one loop, survives those who give up, and can be closed."""

    def test_another_loop_is_refused(self, runner: asyncio.Runner) -> None:
        """The loop that awaited it first goes on."""

        async def begin() -> Storage:
            storage = self.open()
            await storage.store(Session(id="one"))
            return storage

        async def misuse(storage: Storage) -> None:
            with pytest.raises(RuntimeError, match="loop"):
                await storage.load("one")
            with pytest.raises(RuntimeError, match="loop"):
                await storage.close()

        storage = runner.run(begin())
        with asyncio.Runner() as stranger:
            stranger.run(misuse(storage))
        assert runner.run(storage.load("one")).id == "one"
        runner.run(storage.close())

    @scenario
    async def test_those_who_give_up_harm_nobody(self, storage: Storage) -> None:
        """Calls are cancelled at every moment; every other gets its own answer."""
        sessions = {f"id {number}": Session(id=f"id {number}") for number in range(20)}
        for session in sessions.values():
            await storage.store(session)
        for turns in range(30):
            tasks = [asyncio.ensure_future(storage.load(session_id)) for session_id in sessions]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [found[number] for number in range(1, 20, 2)] == list(sessions.values())[1::2]
        for session_id, session in sessions.items():
            assert await storage.load(session_id) == session

    @scenario
    async def test_a_closed_storage_says_so(self, storage: Storage) -> None:
        """Closing can be repeated; what is asked then is refused, and never taken for an answer."""
        session = Session(id="one")
        await storage.store(session)
        await storage.close()
        await storage.close()
        moment: datetime = session.created_at
        for call in (
            storage.store(session), storage.load("one"), storage.delete("one"), storage.delete_expired(moment),
            storage.create(session), storage.update(session), storage.update(session, expected=session),
        ):  # fmt: skip
            with pytest.raises(SessionStoreUnavailableError, match="closed"):
                await call

    @scenario
    async def test_sessions_outlive_the_storage(self, storage: Storage) -> None:
        """They are the store's; closing lets go of connections only."""
        other = self.another()
        try:
            await other.store(Session(id="one"))
        finally:
            await other.close()
        assert (await storage.load("one")).id == "one"

    @scenario
    async def test_a_storage_can_be_closed_before_it_was_used(self, storage: Storage) -> None:
        """Nothing was opened, and nothing is left."""
        await storage.close()

    @scenario
    async def test_many_calls_at_once_are_answered(self, storage: Storage) -> None:
        """More than there are connections; each gets its own answer."""
        await asyncio.gather(*(storage.store(Session(id=f"id {number}")) for number in range(0, 300, 2)))
        found = await asyncio.gather(*(storage.load(f"id {number}") for number in range(300)), return_exceptions=True)
        for number, each in enumerate(found):
            assert isinstance(each, SessionNotFoundError if number % 2 else Session)
            assert getattr(each, "id", None) or getattr(each, "session_id", None) == f"id {number}"
