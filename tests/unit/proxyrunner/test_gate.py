"""Holding requests until there is a server."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.gate import Gate, UnavailableError


def test_an_open_gate_lets_pass_at_once():
    async def body():
        gate = Gate()
        gate.open("server")
        assert await gate.enter(0) == "server"

    run(body())


def test_requests_wait_until_the_gate_opens_and_get_what_it_opened_with():
    async def body():
        gate = Gate()
        waiting = [asyncio.create_task(gate.enter(5)) for _ in range(3)]
        await asyncio.sleep(0)
        gate.open("server")
        assert await asyncio.gather(*waiting) == ["server"] * 3

    run(body())


def test_a_gate_that_shuts_again_before_they_ran_keeps_requests_waiting():
    async def body():
        gate = Gate()
        waiting = asyncio.create_task(gate.enter(5))
        await asyncio.sleep(0)
        gate.open("old")
        gate.shut()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        gate.open("new")
        assert await waiting == "new"

    run(body())


def test_a_request_does_not_wait_for_ever():
    async def body():
        with pytest.raises(UnavailableError, match="not ready"):
            await Gate().enter(0.01)

    run(body())


def test_only_so_many_requests_wait_and_more_are_refused_at_once():
    async def body():
        gate = Gate(max_held=2)
        waiting = [asyncio.create_task(gate.enter(5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="too many"):
            await gate.enter(5)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        third = asyncio.create_task(gate.enter(5))
        await asyncio.sleep(0)
        gate.open("server")
        assert await asyncio.gather(waiting[1], third) == ["server", "server"]

    run(body())


def test_a_gate_that_refuses_ends_the_wait_of_all_and_never_opens_again():
    async def body():
        gate = Gate()
        waiting = asyncio.create_task(gate.enter(5))
        await asyncio.sleep(0)
        gate.refuse("going")
        with pytest.raises(UnavailableError, match="going"):
            await waiting
        gate.open("server")
        assert gate.target is None
        with pytest.raises(UnavailableError, match="going"):
            await gate.enter(5)

    run(body())


def test_what_the_gate_was_open_to_is_still_there_for_requests_in_flight_until_it_is_gone():
    async def body():
        gate = Gate()
        assert gate.leaving is None
        gate.open("server")
        gate.refuse("going")
        gate.refuse("really going")
        assert gate.leaving == "server"
        gate.shut()
        assert gate.leaving is None

    run(body())
