"""Storing, loading and deleting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import attrs
import pytest

from workloads.errors import CorruptSessionError, SessionNotFoundError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks, scenario

if TYPE_CHECKING:
    from workloads.session import Storage

__all__ = ("KeepingTests",)

_MOMENT = datetime(2026, 1, 5, 9, 12, 44, 123456, tzinfo=UTC)


class KeepingTests(StorageHooks):
    """What is kept comes back as it was."""

    @scenario
    async def test_a_session_that_is_not_there_is_not_found(self, storage: Storage) -> None:
        """By the one error that means it; deleting succeeds."""
        with pytest.raises(SessionNotFoundError) as caught:
            await storage.load("absent")
        assert caught.value.session_id == "absent"
        await storage.delete("absent")

    @scenario
    async def test_a_session_comes_back_as_it_was_stored(self, storage: Storage) -> None:
        """Every field, and what others stored with it."""
        session = Session(
            id="one",
            type="streamable",
            created_at=_MOMENT,
            updated_at=datetime(2026, 1, 5, 11, 13, 2, tzinfo=timezone(timedelta(hours=2))),
            metadata={"backend_url": "http://10.2.4.17:8080", "": "ünï \U0001f600 \x00 <&>", "empty": ""},
            extra={"data": '{"a": 1.0e+400, "b": [1, {"ü": null}]}', "new key": "17"},
        )
        await storage.store(session)
        found = await storage.load("one")
        assert found == session
        assert await self.stored("one") == session
        assert [found.extra, found.type, found.updated_at.utcoffset()] == [
            session.extra, session.type, session.updated_at.utcoffset(),
        ]  # fmt: skip

    @scenario
    async def test_storing_replaces(self, storage: Storage) -> None:
        """All of it, what is left out too."""
        await storage.store(Session(id="one", type="sse", metadata={"a": "1"}, extra={"data": "1"}))
        session = Session(id="one")
        await storage.store(session)
        assert await storage.load("one") == session
        assert await self.stored("one") == session

    @scenario
    async def test_deleting_forgets_one_and_no_other(self, storage: Storage) -> None:
        """It can be stored again."""
        one, two = Session(id="one"), Session(id="two")
        await storage.store(one)
        await storage.store(two)
        await storage.delete("one")
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")
        assert await self.stored("one") is None
        assert await storage.load("two") == two
        await storage.store(one)
        assert await storage.load("one") == one

    @scenario
    async def test_any_text_is_an_id(self, storage: Storage) -> None:
        """Each is another session's: nothing is cut, folded or taken for a part of something else."""
        ids = ["a", "A", " a", "a ", "a:b", "a/b", "a\nb", "a\x00b", "{a}b", "*", "é", "e\u0301", "\ud800", "a" * 5000]
        for number, session_id in enumerate(ids):
            await storage.store(Session(id=session_id, metadata={"number": str(number)}))
        for number, session_id in enumerate(ids):
            assert (await storage.load(session_id)).metadata == {"number": str(number)}

    @scenario
    async def test_a_large_session_comes_back(self, storage: Storage) -> None:
        """Larger than any buffer on its way."""
        session = Session(id="one", metadata={f"key {number}": "x" * 4000 for number in range(256)})
        await storage.store(session)
        assert await storage.load("one") == session

    @scenario
    async def test_what_another_stored_is_seen(self, storage: Storage) -> None:
        """New, changed and gone."""
        other = self.another()
        try:
            session = Session(id="one")
            await other.store(session)
            assert await storage.load("one") == session
            changed = attrs.evolve(session, metadata={"a": "1"})
            await storage.store(changed)
            await self.until(lambda: _is(other, changed))
            await other.delete("one")
            await self.until(lambda: _is(storage, None, "one"))
        finally:
            await other.close()

    @scenario
    async def test_what_was_put_past_the_storage_is_seen(self, storage: Storage) -> None:
        """Also when the storage looked before and found nothing."""
        session = Session(id="one")
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")
        await self.put(session)
        await self.until(lambda: _is(storage, session))

    @scenario
    async def test_a_damaged_session_is_not_taken_for_absent(self, storage: Storage) -> None:
        """It is told, left alone by what must not lose it, and ended by being deleted or replaced."""
        await storage.store(Session(id="one"))
        if not await self.damage("one"):
            pytest.skip("what it keeps cannot be damaged")
        other = self.another()
        try:
            with pytest.raises(CorruptSessionError) as caught:
                await other.load("one")
            assert caught.value.session_id == "one"
            assert not await other.create(Session(id="one"))
            with pytest.raises(CorruptSessionError):
                await other.update(Session(id="one"), expected=Session(id="one"))
            await other.delete("one")
            with pytest.raises(SessionNotFoundError):
                await other.load("one")
            assert await other.create(Session(id="one"))
        finally:
            await other.close()


async def _is(storage: Storage, expected: Session | None, session_id: str = "") -> bool:
    try:
        return await storage.load(expected.id if expected else session_id) == expected
    except SessionNotFoundError:
        return expected is None
