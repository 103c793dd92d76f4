"""Sessions in memory: what the suite of storages does not ask."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from tests.support.aio import run
from tests.support.idle import ManualClock

from workloads.errors import InvalidSessionStoreError, SessionNotFoundError
from workloads.session import LocalStorage, Session


@attrs.frozen(kw_only=True)
class Closing(Session):
    """A session that holds something."""

    ended: list = attrs.field(factory=list, eq=False)

    def close(self):
        self.ended.append(self.id)


@attrs.frozen(kw_only=True)
class ClosingSlowly(Session):
    """A session whose end takes an event."""

    allowed: asyncio.Event = attrs.field(factory=asyncio.Event, eq=False)
    ended: list = attrs.field(factory=list, eq=False)

    async def aclose(self):
        try:
            await self.allowed.wait()
        finally:
            self.ended.append(self.id)


@attrs.frozen(kw_only=True)
class FailingToClose(Session):
    def close(self):
        raise OSError("no luck")


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "60", None, 1e300, 0.0001])
def test_what_is_no_time_to_live_is_refused(ttl):
    with pytest.raises(InvalidSessionStoreError, match="ttl: expected seconds") as caught:
        LocalStorage(ttl=ttl)
    assert [problem.path for problem in caught.value.problems] == ["ttl"]


def test_what_expires_is_closed_by_whatever_is_done_next():
    async def scenario():
        clock, ended = ManualClock(0.0), []
        storage = LocalStorage(ttl=10, clock=clock)
        for number in range(20):
            await storage.store(Closing(id=str(number), ended=ended))
        clock.now = 10
        await storage.store(Session(id="other"))
        await asyncio.sleep(0)
        assert ended == [str(number) for number in range(8)]  # bounded work: the rest is for those who come next
        await storage.delete("absent")
        await storage.delete("absent")
        await asyncio.sleep(0)
        assert ended == [str(number) for number in range(20)]
        assert repr(storage) == "LocalStorage(ttl=10, sessions=1)"
        await storage.close()

    run(scenario())


def test_memory_is_bounded_by_what_is_alive():
    async def scenario():
        clock = ManualClock(0.0)
        storage = LocalStorage(ttl=10, clock=clock)
        for number in range(5000):
            await storage.create(Session(id=str(number)))
            clock.now += 1
        assert len(storage._entries) <= 11

    run(scenario())


def test_what_is_deleted_and_what_is_left_at_the_end_is_closed():
    async def scenario():
        ended = []
        storage = LocalStorage(ttl=10)
        for session_id in ("one", "two"):
            await storage.store(Closing(id=session_id, ended=ended))
        await storage.delete("one")
        await asyncio.sleep(0)
        assert ended == ["one"]
        await storage.close()
        assert ended == ["one", "two"]

    run(scenario())


def test_what_is_replaced_is_not_closed():
    async def scenario():
        storage = LocalStorage(ttl=10)
        session = Closing(id="one")
        await storage.store(session)
        assert await storage.update(attrs.evolve(session, metadata={"a": "1"}), expected=session)
        await storage.store(session)
        await asyncio.sleep(0)
        assert session.ended == []

    run(scenario())


def test_nobody_waits_for_the_end_of_a_session_but_close():
    async def scenario():
        storage = LocalStorage(ttl=10)
        session = ClosingSlowly(id="one")
        await storage.store(session)
        await storage.delete("one")
        await storage.store(Session(id="one"))
        assert session.ended == []
        closing = asyncio.ensure_future(storage.close())
        await asyncio.sleep(0)
        assert not closing.done()
        session.allowed.set()
        await closing
        assert session.ended == ["one"]

    run(scenario())


def test_a_session_that_never_ends_does_not_hold_up_the_close(monkeypatch):
    monkeypatch.setattr("workloads.session.local._CLOSING_TIMEOUT", 0.01)

    async def scenario():
        storage = LocalStorage(ttl=10)
        session = ClosingSlowly(id="one")
        await storage.store(session)
        await storage.close()
        assert session.ended == ["one"]  # it was told to end
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


def test_a_session_that_cannot_be_closed_is_logged_without_its_id(caplog):
    async def scenario():
        storage = LocalStorage(ttl=10)
        await storage.store(FailingToClose(id="canary"))
        await storage.close()

    run(scenario())
    (record,) = caplog.records
    assert record.kind == "FailingToClose"
    assert "canary" not in caplog.text


def test_deleting_what_expired_counts_last_uses_and_lets_others_run():
    async def scenario():
        clock = ManualClock(0.0)
        storage = LocalStorage(ttl=10_000, clock=clock)
        for number in range(2500):
            await storage.store(Session(id=str(number)))
        clock.now = 100
        await storage.store(Session(id="new"))

        async def touch_the_last_one():
            await storage.load("2499")

        toucher = asyncio.ensure_future(touch_the_last_one())
        await storage.delete_expired(datetime.now(UTC) - timedelta(seconds=50))
        assert toucher.done()
        assert set(storage._entries) == {"new", "2499"}

    run(scenario())


def test_a_moment_without_a_time_zone_is_refused():
    async def scenario():
        with pytest.raises(ValueError, match="time zone"):
            await LocalStorage(ttl=10).delete_expired(datetime(2026, 1, 1))  # noqa: DTZ001

    run(scenario())


def test_the_moment_of_expiry_is_the_end_of_the_time_to_live():
    async def scenario():
        clock = ManualClock(0.0)
        storage = LocalStorage(ttl=10, clock=clock)
        await storage.store(Session(id="one"))
        clock.now = 9.999
        await storage.load("one")
        clock.now += 10
        with pytest.raises(SessionNotFoundError):
            await storage.load("one")

    run(scenario())


def test_to_recall_a_session_is_to_use_it():
    async def scenario():
        clock = ManualClock(0.0)
        storage = LocalStorage(ttl=10, clock=clock)
        await storage.store(Session(id="one"))
        clock.now = 9
        assert storage.recall("one").id == "one"
        clock.now = 18
        assert storage.recall("one").id == "one"
        assert storage.recall("other") is None
        clock.now = 28
        assert storage.recall("one") is None

    run(scenario())
