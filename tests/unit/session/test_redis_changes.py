"""What is heard while nobody reads: merged, bounded, and ended by a loss."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.errors import SessionStoreUnavailableError
from workloads.session.redis.calls import Calls
from workloads.session.redis.changes import Changes
from workloads.session.redis.target import Target

PREFIX = b"p:"


class Silence:
    """A source that is open and tells nothing: the test speaks for it."""

    def __init__(self, error=None):
        self.error, self.closed = error, 0

    async def open(self, listener):
        if self.error is not None:
            raise self.error

    async def close(self):
        self.closed += 1


async def opened(source=None):
    calls = Calls(Target(kind="server", addresses=(("cache", 6379),), password="canary"))
    return await Changes(source or Silence(), calls, PREFIX, ended=lambda _: None).open(1.0)


def test_changes_are_merged_until_they_are_read():
    async def scenario():
        changes = await opened()
        changes.heard([b"p:a", b"p:b"])
        changes.heard([b"p:b", b"p:c"])
        assert await anext(changes) == {"a", "b", "c"}
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        changes.heard([b"p:d"])
        assert await waiting == {"d"}

    run(scenario())


def test_more_than_anybody_keeps_up_with_is_all():
    async def scenario():
        changes = await opened()
        for number in range(10_001):
            changes.heard([b"p:%d" % number])
        assert await anext(changes) is None
        changes.heard([b"p:a"])
        assert await anext(changes) == {"a"}
        changes.heard([b"p:%d" % number for number in range(10_001)])
        assert await anext(changes) is None

    run(scenario())


def test_all_swallows_each():
    async def scenario():
        changes = await opened()
        changes.heard([b"p:a"])
        changes.heard(None)
        changes.heard([b"p:b"])
        assert await anext(changes) is None
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        assert not waiting.done()
        await changes.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting

    run(scenario())


def test_a_loss_comes_before_what_was_heard_and_stays():
    async def scenario():
        changes = await opened()
        changes.heard([b"p:a"])
        changes.lost(OSError("cut, says canary"))
        changes.lost(None)
        for _ in range(2):
            with pytest.raises(SessionStoreUnavailableError, match=r"cut, says \*\*\*"):
                await anext(changes)
        await changes.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(changes)

    run(scenario())


@pytest.mark.parametrize("error", [OSError("refused"), asyncio.CancelledError(), KeyError("a defect")])
def test_what_cannot_be_opened_is_closed(error):
    async def scenario():
        source = Silence(error)
        with pytest.raises(SessionStoreUnavailableError if isinstance(error, OSError) else type(error)):
            await opened(source)
        assert source.closed == 1

    run(scenario())
