"""What it costs to count requests, and to write them down, beside the same request without.

One application answers as a small server does, through the outermost part of the proxy: with its counters, with the
access log as well, and by the same steps without either. All in one process, without a network.

Run it with ``python -m bench watching``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, Sample, interleaved, report, timed
from workloads.proxyrunner.access_log import ACCESS, AccessLog
from workloads.proxyrunner.app import Front
from workloads.proxyrunner.asgi import CONNECTION
from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.guard import Guard
from workloads.proxyrunner.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

GOAL_US = 3.0
"""The most that counting may cost a request, in microseconds of CPU time; the data path has 110 in all."""

REQUESTS = 10_000
REQUEST = [
    (b"host", b"127.0.0.1:8000"), (b"accept", b"application/json, text/event-stream"), (b"user-agent", b"bench"),
    (b"content-type", b"application/json"), (b"content-length", b"97"), (b"mcp-session-id", b"5ae0c1d2"),
]  # fmt: skip
ANSWER = [(b"content-type", b"application/json"), (b"content-length", b"200"), (b"cache-control", b"no-store")]


class Connection:
    lost = False


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": ANSWER})
    await send({"type": "http.response.body", "body": b"x" * 200})


async def discard(_message: Any) -> None:
    return


async def message() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


class Plain:
    """The steps of the proxy that are no counting."""

    def __init__(self, guard: Guard, exchanges: Exchanges) -> None:
        self._guard = guard
        self._exchanges = exchanges

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self._guard.judge(scope["headers"]) is None
        self._exchanges.begin()
        try:
            await answer(scope, receive, send)
        finally:
            self._exchanges.end()


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure the three in the same rounds."""
    guard = Guard(host="127.0.0.1", port=8000, loopback=True)
    log = logging.getLogger(ACCESS)
    sink = logging.NullHandler()
    log.addHandler(sink)
    with asyncio.Runner() as runner:
        plain = Plain(guard, Exchanges())
        front = Front(guard, None, answer, Exchanges(), Meter(), AccessLog("bench"))  # type: ignore[arg-type]

        def served(application: Callable[..., Coroutine[Any, Any, None]], level: int) -> Callable[[], Sample]:
            def call() -> Sample:
                log.setLevel(level)
                return timed(lambda: runner.run(repeat(application)))

            return call

        taken = interleaved(
            {
                "plain": served(plain, logging.WARNING),
                "counted": served(front, logging.WARNING),
                "counted and written down": served(front, logging.INFO),
            },
            rounds,
        )
    log.setLevel(logging.NOTSET)
    log.removeHandler(sink)
    us = {name: sample.cpu / REQUESTS * 1e6 for name, sample in taken.items()}
    return report(
        "watching",
        [
            Figure("CPU, counting a request", us["counted"] - us["plain"], "us", GOAL_US, steady=False),
            Figure("CPU, writing a request down", us["counted and written down"] - us["counted"], "us"),
            *(Figure(f"CPU, {name}", value, "us") for name, value in us.items()),
        ],
        plot={"title": "A request", "unit": "us", "values": us},
    )


async def repeat(application: Callable[..., Coroutine[Any, Any, None]]) -> None:
    for _ in range(REQUESTS):
        scope = {
            "type": "http", "method": "POST", "path": "/mcp", "raw_path": b"/mcp", "headers": REQUEST,
            CONNECTION: Connection,
        }  # fmt: skip
        await application(scope, message, discard)
