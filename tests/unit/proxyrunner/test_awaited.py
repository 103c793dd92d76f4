"""What is awaited on streams of other proxies, as all of them know it."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.awaited import Awaited
from workloads.proxyrunner.gate import UnavailableError
from workloads.session import LocalStorage, Session, SessionManager


class Behind(LocalStorage):
    """A storage that has heard of no change yet: a load that follows one tells what was there before."""

    def __init__(self):
        super().__init__(ttl=60)
        self.old = None

    async def load(self, session_id):
        old, self.old = self.old, None
        return old or await super().load(session_id)

    async def update(self, session, *, expected=None):
        await asyncio.sleep(0)
        before = await super().load(session.id)
        done = await super().update(session, expected=expected)
        if done:
            self.old = before
        return done


def kept(body, storage=None):
    """Run a test body with what is awaited, and the session of a stream."""

    async def whole():
        async with SessionManager(storage or LocalStorage(ttl=60)) as manager:
            session = await manager.add(Session(id="/messages?session_id=a", type="sse", metadata={"other": "stays"}))
            await body(Awaited(manager), session, manager)
            assert (await manager.get(session.id)).metadata["other"] == "stays"

    run(whole())


@pytest.mark.parametrize("storage", [LocalStorage, Behind])
def test_a_stream_may_end_when_nothing_is_awaited_on_it(storage):
    async def body(awaited, session, manager):
        await asyncio.gather(*(awaited.expect(session, request, None) for request in ("1", '"1"', "2")))
        await awaited.expect(session, "2", None)
        assert await awaited.end(session, None) == (True, [])
        await awaited.settle(session, ("1", "3"), None)
        assert await awaited.end(session, None) == (True, [])
        await asyncio.gather(*(awaited.settle(session, (request,), None) for request in ("2", '"1"')))
        while (await awaited.end(session, None))[0]:  # a look may be behind, not for ever
            pass

    kept(body, Behind() if storage is Behind else None)


def test_nothing_is_posted_whose_answer_would_miss_the_end_of_its_stream():
    async def body(awaited, session, manager):
        assert await awaited.end(session, None) == (False, [])
        with pytest.raises(UnavailableError, match="about to end"):
            await awaited.expect(session, "1", None)
        assert await awaited.end(session, None) == (False, [])

    kept(body)


def test_who_holds_a_stream_is_told_what_of_its_own_was_cancelled_elsewhere():
    async def body(awaited, session, manager):
        await awaited.expect(session, "1", None)
        await awaited.cancel(session, "1", None)
        assert await awaited.end(session, None) == (False, [])
        for number in range(200):
            await awaited.cancel(session, str(number), None)
        assert await awaited.end(session, None) == (False, [str(number) for number in range(100, 200)])

    kept(body)


def test_what_was_read_before_a_change_was_heard_of_is_not_taken_for_what_there_is():
    async def body(awaited, session, manager):
        await awaited.expect(session, "1", None)
        assert manager.storage.old is not None, "the next look does not see that"
        await awaited.settle(session, ("1",), None)
        manager.storage.old = None
        assert await awaited.end(session, None) == (False, [])

    kept(body, Behind())


def test_of_a_session_that_is_over_nothing_is_awaited():
    async def whole():
        async with SessionManager(LocalStorage(ttl=60)) as manager:
            awaited, session = Awaited(manager), Session(id="gone", type="sse")
            await awaited.expect(session, "1", None)
            await awaited.settle(session, ("1",), None)
            assert await awaited.end(session, None) == (False, [])

    run(whole())
