"""The streams of several replicas as one."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner import fan_in
from workloads.proxyrunner.body import MAX_BODY
from workloads.proxyrunner.fan_in import EventSplitter, FanIn
from workloads.proxyrunner.upstream import StreamCutError

ACK = b'data: {"method":"notifications/subscriptions/acknowledged"}\n\n'
PING = b": ping\n\n"


def event(name):
    return b'data: {"method":"%s"}\n\n' % name


class Stream:
    """An answer that a test writes."""

    def __init__(self):
        self._parts = asyncio.Queue()
        self.at_end = False

    def say(self, part):
        self._parts.put_nowait(part)

    async def read(self):
        part = await self._parts.get()
        if isinstance(part, Exception):
            raise part
        self.at_end = part == b""
        return part


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_events_are_cut_where_they_end_and_their_bytes_stay(end):
    splitter = EventSplitter()
    text = b"data: 1" + end + b": c" + end + b"data: 2" + end
    assert splitter.feed(text + b"data") == [b"data: 1" + end, b": c" + end, b"data: 2" + end]
    assert splitter.feed(b": 3" + end) == [b"data: 3" + end]


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_events_are_cut_wherever_their_parts_were(end):
    text = b"data: 1" + end + b": c" + end + b"data: 2" + end
    for size in range(1, 8):
        splitter = EventSplitter()
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        assert [event for part in parts for event in splitter.feed(part)] == [
            b"data: 1" + end, b": c" + end, b"data: 2" + end,
        ]  # fmt: skip


def test_a_long_event_is_searched_once_and_too_long_a_one_is_refused(monkeypatch):
    searched: list[int] = []

    class Counting:
        def finditer(self, text, begin):
            searched.append(len(text) - begin)
            return iter(())

    monkeypatch.setattr(fan_in, "_BOUNDARY", Counting())
    splitter, part = EventSplitter(limit=10_000), bytes(1000)
    for _ in range(10):
        assert splitter.feed(part) == []
    assert sum(searched) <= 10_000 + 10 * 4
    with pytest.raises(ValueError, match="too long"):
        splitter.feed(part)


def opened(others=1):
    main, grown = Stream(), asyncio.Event()
    beside = [Stream() for _ in range(others)]
    return main, beside, grown, FanIn(main, beside, grown)


def test_events_of_the_others_come_after_the_acknowledgement_without_their_own():
    async def body():
        main, (one, two), _, fan_in = opened(2)
        for other, name in ((one, b"one"), (two, b"two")):
            other.say(ACK + PING + event(name))
        main.say(ACK + event(b"main"))
        parts = fan_in.parts()
        assert await anext(parts) == ACK
        assert {await anext(parts) for _ in range(3)} == {event(b"main"), event(b"one"), event(b"two")}
        main.say(b"data: {}\n\n")
        assert await anext(parts) == b"data: {}\n\n"
        main.say(b"")
        assert [part async for part in parts] == []

    run(body())


@pytest.mark.parametrize("how", ["end", "cut", "growth"])
def test_what_cannot_be_whole_any_more_ends(how):
    async def body():
        main, (other,), grown, fan_in = opened()
        other.say(ACK)
        main.say(ACK)
        parts = fan_in.parts()
        assert await anext(parts) == ACK
        match how:
            case "end":
                other.say(b"")
            case "cut":
                other.say(StreamCutError("reset"))
            case _:
                grown.set()
        assert [part async for part in parts] == []

    run(body())


def test_a_main_stream_that_is_cut_is_cut_for_the_client_too():
    async def body():
        main, (other,), _, fan_in = opened()
        other.say(ACK)
        main.say(ACK)
        main.say(StreamCutError("reset"))
        parts = fan_in.parts()
        assert await anext(parts) == ACK
        with pytest.raises(StreamCutError):
            await anext(parts)

    run(body())


def test_an_event_that_is_too_long_cuts_the_stream():
    async def body():
        main, (other,), _, merged = opened()
        other.say(ACK)
        main.say(ACK)
        main.say(bytes(MAX_BODY + 1))
        parts = merged.parts()
        assert await anext(parts) == ACK
        with pytest.raises(StreamCutError, match="too long"):
            await anext(parts)

    run(body())


def test_a_replica_that_does_not_acknowledge_does_not_hold_up_the_client(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.fan_in._ACK_TIMEOUT", 0.01)

    async def body():
        main, _, _, fan_in = opened()
        main.say(ACK)
        parts = fan_in.parts()
        assert await anext(parts) == ACK
        await parts.aclose()

    run(body())
