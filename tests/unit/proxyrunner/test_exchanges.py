"""Waiting for what is under way, and ending what would not end by itself."""

from __future__ import annotations

import asyncio

from tests.support.aio import run

from workloads.proxyrunner.exchanges import Exchanges


def test_nothing_under_way_is_finished_at_once():
    async def body():
        await Exchanges().finish()

    run(body())


def test_streams_are_ended_only_after_requests_have_ended_by_themselves():
    async def body():
        exchanges = Exchanges()
        events = []
        ended = asyncio.Event()

        async def stream():
            exchanges.begin()
            with exchanges.stream(lambda: (events.append("stream told to end"), ended.set())):
                await ended.wait()
            exchanges.end()
            events.append("stream ended")

        streaming = asyncio.create_task(stream())
        exchanges.begin()
        await asyncio.sleep(0)
        assert (exchanges.requests, exchanges.streams) == (1, 1)
        finishing = asyncio.create_task(exchanges.finish())
        await asyncio.sleep(0.01)
        assert events == []
        events.append("request ended")
        exchanges.end()
        await finishing
        assert events == ["request ended", "stream told to end", "stream ended"]
        await streaming

    run(body())


def test_a_request_that_becomes_a_stream_while_streams_are_ended_is_ended_too():
    async def body():
        exchanges = Exchanges()
        exchanges.begin()
        told = []
        finishing = asyncio.create_task(exchanges.finish())
        await asyncio.sleep(0)
        with exchanges.stream(lambda: told.append("end")):
            await asyncio.sleep(0)
            assert told == ["end"]
        exchanges.end()
        await finishing

    run(body())
