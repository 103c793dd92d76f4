"""What the cache makes of a stream that it overhears."""

from __future__ import annotations

from tests.support.aio import run

from workloads.proxyrunner.answer_cache import AnswerCache
from workloads.proxyrunner.body import MAX_BODY
from workloads.proxyrunner.caching import Caching
from workloads.proxyrunner.gate import Gate

LIST = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", "tools": []}
CHANGED = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'


def kept_after(*parts: bytes) -> bool:
    """Whether a list of tools is kept still when a subscriber was told this, all of which must have passed."""

    async def body() -> bool:
        cache = AnswerCache(lambda: 0.0)
        cache.keep("tools/list", {}, "", LIST)

        async def application(scope, receive, send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        passed: list[bytes] = []

        async def send(message) -> None:
            passed.append(message.get("body", b""))

        async def receive():
            raise AssertionError("nobody reads the request")

        scope = {"method": "POST", "headers": [(b"mcp-method", b"subscriptions/listen")]}
        await Caching(application, cache, Gate(), max_body=MAX_BODY)(scope, receive, send)
        assert b"".join(passed) == b"".join(parts)
        return cache.find("tools/list", {}, "") is not None

    return run(body())


def test_what_a_stream_says_has_changed_is_forgotten():
    assert kept_after(b": ping\n\n")
    assert not kept_after(CHANGED[:10], CHANGED[10:])


def test_a_stream_whose_events_cannot_be_told_apart_passes_and_everything_is_forgotten():
    assert not kept_after(bytes(MAX_BODY), b"x", b"y")
