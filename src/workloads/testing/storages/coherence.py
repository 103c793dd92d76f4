"""What a cache in front of a storage needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from workloads.errors import CorruptSessionError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks, scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from workloads.session import CoherentStorage, Invalidations, Storage

__all__ = ("CoherenceTests",)


def _coherent(storage: Storage) -> CoherentStorage:
    if not hasattr(storage, "peek"):
        pytest.skip("no cache can stand in front of it")
    coherent: CoherentStorage = storage  # type: ignore[assignment]  # what has one of its verbs has them all
    return coherent


class CoherenceTests(StorageHooks):
    """What holds for every :class:`workloads.session.CoherentStorage`."""

    @scenario
    async def test_peeking_finds_those_that_there_are(self, storage: Storage) -> None:
        """With the time that is left, which is never too long."""
        coherent = _coherent(storage)
        assert coherent.ttl == self.ttl
        sessions = {f"id {number}": Session(id=f"id {number}", extra={"data": "1"}) for number in range(50)}
        for session in sessions.values():
            await coherent.store(session)
        found = await coherent.peek([*sessions, "absent", "id 0"])
        assert {session_id: peeked.session for session_id, peeked in found.items()} == sessions
        assert all(self.ttl - self.patience < peeked.remaining <= self.ttl for peeked in found.values())
        assert await coherent.peek([]) == {}

    @scenario
    async def test_peeking_leaves_times_to_live_alone(self, storage: Storage) -> None:
        """It shows them, and a session that is only peeked at expires."""
        coherent = _coherent(storage)
        await coherent.store(Session(id="one"))
        await self.age(600)
        peeked = (await coherent.peek(["one"]))["one"]
        assert 450 - self.patience < peeked.remaining <= 450
        await self.age(500)
        assert await coherent.peek(["one"]) == {}

    @scenario
    async def test_touching_lets_them_start_anew(self, storage: Storage) -> None:
        """Of those that there are, and brings nothing back."""
        coherent = _coherent(storage)
        await coherent.store(Session(id="one"))
        await coherent.store(Session(id="two"))
        await self.age(900)
        assert await coherent.touch(["one", "absent"]) == {"one"}
        assert await coherent.touch([]) == frozenset()
        await self.age(200)
        assert await coherent.touch(["two"]) == frozenset()
        assert set(await coherent.peek(["one", "two"])) == {"one"}

    @scenario
    async def test_a_text_is_no_collection_of_ids(self, storage: Storage) -> None:
        """Else its letters would be taken for ids."""
        coherent = _coherent(storage)
        for verb in (coherent.peek, coherent.touch):
            with pytest.raises(TypeError):
                await verb("one")

    @scenario
    async def test_peeking_at_a_damaged_session_names_it(self, storage: Storage) -> None:
        """The others can be peeked at without it."""
        coherent = _coherent(storage)
        await coherent.store(Session(id="one"))
        await coherent.store(Session(id="two"))
        if not await self.damage("two"):
            pytest.skip("what it keeps cannot be damaged")
        with pytest.raises(CorruptSessionError) as caught:
            await coherent.peek(["one", "two"])
        assert caught.value.session_id == "two"
        assert set(await coherent.peek(["one"])) == {"one"}

    @scenario
    async def test_every_change_is_heard(self, storage: Storage) -> None:
        """Whoever makes it: this storage, another, somebody past both; and nothing that is no change."""
        coherent = _coherent(storage)
        other = _coherent(self.another())
        session = Session(id="one")
        try:
            async with await coherent.invalidations() as changes:
                for change in (
                    coherent.store(session), other.update(session), other.update(session, expected=session),
                    coherent.touch(["one"]), other.load("one"), self.put(session), other.delete("one"),
                    other.create(session),
                ):  # fmt: skip
                    await change
                    assert await self._heard(changes) == {"one"}
                await coherent.peek(["one", "two"])
                await coherent.delete("absent")
                assert not await coherent.update(Session(id="absent"))
                await coherent.store(Session(id="last"))
                assert await self._heard(changes) == {"last"}
        finally:
            await other.close()

    @scenario
    async def test_changes_wait_for_a_slow_reader(self, storage: Storage) -> None:
        """None is lost, and one that stops waiting takes none with it."""
        coherent = _coherent(storage)
        changes = await coherent.invalidations()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await anext(aiter(changes))
        expected = {f"id {number}" for number in range(100)}
        for session_id in sorted(expected):
            await coherent.store(Session(id=session_id))
        heard: set[str] = set()
        while heard < expected:
            heard |= await self._heard(changes)
        assert heard == expected
        await changes.aclose()

    @scenario
    async def test_whoever_listens_ends_with_what_is_closed(self, storage: Storage) -> None:
        """The stream that is closed, or the storage; both can be closed again."""
        coherent = _coherent(storage)
        first, second = await coherent.invalidations(), await coherent.invalidations()
        waiting = asyncio.ensure_future(_all(aiter(first)))
        await asyncio.sleep(0)
        await first.aclose()
        assert await waiting == []
        waiting = asyncio.ensure_future(_all(aiter(second)))
        await asyncio.sleep(0)
        await coherent.close()
        assert await waiting == []
        await second.aclose()
        await first.aclose()

    async def _heard(self, changes: Invalidations) -> frozenset[str]:
        async with asyncio.timeout(self.patience):
            heard = await anext(aiter(changes))
        assert heard is not None, "all may have changed, though nothing was lost"
        return heard


async def _all(changes: AsyncIterator[frozenset[str] | None]) -> list[frozenset[str] | None]:
    return [change async for change in changes]
