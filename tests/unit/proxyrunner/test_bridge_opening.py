"""Which era a stdio server speaks."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.opening import Era, open_server
from workloads.proxyrunner.link import OtherEraError, RefusedError, ServerGoneError

RESULT = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}


async def opening(script, first=Era.MODERN):
    calls = Calls(lambda message: None)
    async with connected(calls) as peer:
        task = asyncio.create_task(open_server(calls, first))
        await script(peer, calls)
        return await asyncio.wait_for(task, 30)


def no(peer, request, code=-32601):
    peer.answer(request, error={"code": code, "message": "no"})


def test_a_server_that_answers_discover_is_of_the_new_era():
    async def script(peer, _):
        request = await peer.hear()
        assert request["method"] == "server/discover"
        assert request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        peer.answer(request, result=DISCOVERED)

    opened = run(opening(script))
    assert (opened.era, opened.result) == (Era.MODERN, DISCOVERED)


@pytest.mark.parametrize("code", [-32022, -32601, -32602, -32600])
def test_a_server_that_refuses_discover_is_initialized_and_may_then_ask_anything(code):
    async def script(peer, _):
        no(peer, await peer.hear(), code)
        request = await peer.hear()
        assert request["method"] == "initialize"
        assert request["params"]["protocolVersion"] == "2025-11-25"
        assert set(request["params"]["capabilities"]) == {"sampling", "roots", "elicitation"}
        peer.answer(request, result=RESULT)
        assert (await peer.hear())["method"] == "notifications/initialized"

    opened = run(opening(script))
    assert (opened.era, opened.result) == (Era.LEGACY, RESULT)


@pytest.mark.parametrize("versions", [["2025-11-25"], [], None, "2026-07-28"])
def test_a_server_that_does_not_discover_the_new_version_is_initialized(versions):
    async def script(peer, _):
        peer.answer(await peer.hear(), result={**DISCOVERED, "supportedVersions": versions})
        peer.answer(await peer.hear(), result=RESULT)

    assert run(opening(script)).era is Era.LEGACY


def test_a_server_that_refuses_both_is_refused_with_its_own_words():
    async def script(peer, _):
        no(peer, await peer.hear())
        peer.answer(await peer.hear(), error={"code": -32600, "message": "no license"})

    with pytest.raises(RefusedError, match="-32600: no license"):
        run(opening(script))


def test_MCP_T46_a_server_that_ends_when_it_is_asked_in_the_new_way_wants_a_new_process():
    """MCP-T46: child that exits on `server/discover` (rmcp style)."""

    async def script(peer, calls):
        await peer.hear()
        peer.hang_up()
        await calls.pipe.ended.wait()
        calls.fail("ended")

    with pytest.raises(OtherEraError):
        run(opening(script))


def test_a_server_that_ends_when_it_is_initialized_is_gone():
    async def script(peer, calls):
        no(peer, await peer.hear())
        await peer.hear()
        peer.hang_up()
        await calls.pipe.ended.wait()
        calls.fail("exited with code 3")

    with pytest.raises(ServerGoneError, match="code 3"):
        run(opening(script))


def test_a_server_known_to_be_of_the_old_era_is_asked_that_way_first_and_may_have_changed():
    async def legacy(peer, _):
        request = await peer.hear()
        assert request["method"] == "initialize"
        peer.answer(request, result=RESULT)

    assert run(opening(legacy, Era.LEGACY)).era is Era.LEGACY

    async def modern(peer, _):
        no(peer, await peer.hear(), -32022)
        peer.answer(await peer.hear(), result=DISCOVERED)

    assert run(opening(modern, Era.LEGACY)).era is Era.MODERN

    async def neither(peer, _):
        no(peer, await peer.hear(), -32600)
        no(peer, await peer.hear())

    with pytest.raises(RefusedError, match="-32600"):
        run(opening(neither, Era.LEGACY))


@pytest.mark.parametrize("answers", ["initialize", "server/discover", "both"])
def test_a_server_that_says_nothing_is_asked_in_the_old_way_too_and_what_it_answers_counts(monkeypatch, answers):
    monkeypatch.setattr("workloads.proxyrunner.bridge.opening.PATIENCE", 0.01)

    async def script(peer, _):
        discover, initialize = await peer.hear(), await peer.hear()
        assert (discover["method"], initialize["method"]) == ("server/discover", "initialize")
        if answers == "initialize":
            peer.answer(initialize, result=RESULT)
            assert (await peer.hear())["method"] == "notifications/initialized"
            return
        if answers == "both":  # it speaks the new era, and is quicker to refuse the old one
            no(peer, initialize, -32022)
        peer.answer(discover, result=DISCOVERED)

    assert run(opening(script)).era is (Era.LEGACY if answers == "initialize" else Era.MODERN)


def test_progress_and_logs_during_the_opening_are_no_answer():
    async def script(peer, _):
        request = await peer.hear()
        peer.notify("notifications/message", level="info", data="starting")
        peer.say(b"Listening on stdio")
        peer.answer(request, result=DISCOVERED)

    assert run(opening(script)).era is Era.MODERN
