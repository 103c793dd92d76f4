"""Which era a stdio server speaks."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.opening import Era, open_server
from workloads.proxyrunner.link import RefusedError, ServerGoneError, TryModernError

RESULT = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}


async def opening(script, first=Era.LEGACY):
    calls = Calls(lambda message: None)
    async with connected(calls) as peer:
        task = asyncio.create_task(open_server(calls, first))
        await script(peer, calls)
        return await asyncio.wait_for(task, 5)


def test_a_server_that_answers_initialize_is_of_the_old_era_and_is_initialized_at_once():
    async def script(peer, _):
        request = await peer.hear()
        assert request["method"] == "initialize"
        assert request["params"]["protocolVersion"] == "2025-11-25"
        assert request["params"]["capabilities"] == {}
        peer.answer(request, result=RESULT)
        assert (await peer.hear())["method"] == "notifications/initialized"

    opened = run(opening(script))
    assert (opened.era, opened.result) == (Era.LEGACY, RESULT)


@pytest.mark.parametrize("code", [-32022, -32601, -32602, -32600])
def test_a_server_that_refuses_initialize_and_answers_discover_is_modern(code):
    async def script(peer, _):
        peer.answer(await peer.hear(), error={"code": code, "message": "no"})
        request = await peer.hear()
        assert request["method"] == "server/discover"
        assert request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        peer.answer(request, result=DISCOVERED)

    opened = run(opening(script))
    assert (opened.era, opened.result) == (Era.MODERN, DISCOVERED)


def test_a_server_that_refuses_both_is_refused_with_its_own_words():
    async def script(peer, _):
        peer.answer(await peer.hear(), error={"code": -32600, "message": "no license"})
        peer.answer(await peer.hear(), error={"code": -32601, "message": "what?"})

    with pytest.raises(RefusedError, match="-32600: no license"):
        run(opening(script))


def test_MCP_T46_a_server_that_ends_when_it_is_asked_a_second_time_wants_a_new_process():
    async def script(peer, calls):
        peer.answer(await peer.hear(), error={"code": -32022, "message": "no"})
        await peer.hear()
        peer.hang_up()
        await calls.pipe.ended.wait()
        calls.fail("ended")

    with pytest.raises(TryModernError):
        run(opening(script))


def test_a_server_that_ends_at_once_is_gone():
    async def script(peer, calls):
        peer.hang_up()
        await calls.pipe.ended.wait()
        calls.fail("exited with code 3")

    with pytest.raises(ServerGoneError, match="code 3"):
        run(opening(script))


def test_a_server_known_to_be_modern_is_asked_that_way_first_and_may_have_changed():
    async def modern(peer, _):
        request = await peer.hear()
        assert request["method"] == "server/discover"
        peer.answer(request, result=DISCOVERED)

    assert run(opening(modern, Era.MODERN)).era is Era.MODERN

    async def legacy(peer, _):
        peer.answer(await peer.hear(), error={"code": -32601, "message": "what?"})
        peer.answer(await peer.hear(), result=RESULT)

    assert run(opening(legacy, Era.MODERN)).era is Era.LEGACY


def test_progress_and_logs_during_the_opening_are_no_answer():
    async def script(peer, _):
        request = await peer.hear()
        peer.notify("notifications/message", level="info", data="starting")
        peer.say(b"Listening on stdio")
        peer.answer(request, result=RESULT)

    assert run(opening(script)).era is Era.LEGACY
