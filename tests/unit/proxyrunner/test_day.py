"""A day of traffic, replayed in seconds: what sleeps does so only while nobody uses it, and nobody is turned away."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tests.support.virtual_time import clock, run

from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.sleep_gate import SleepGate
from workloads.scaletozero.aio import DebouncedController

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 24 * 3600
IDLE = 300.0
BOOT, SHUTDOWN = 2.5, 1.0
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
LINE = re.compile(r'(\S+) \S+ "(\S+) (\S+) HTTP/1\.1" \d+ ([\d.]+)')


class Request(NamedTuple):
    at: float
    path: str
    seconds: float


def a_day(seed: int) -> Iterator[str]:
    """The access log of a server that people use in working hours, with a check of its health every half minute."""
    chance = random.Random(seed)
    lines = [(float(second), "GET /health", 0.001) for second in range(0, DAY, 30)]
    second = 0.0
    while (second := second + chance.expovariate(0.02)) < DAY:
        hour = second / 3600
        busy = max(0.0, math.sin((hour - 6) / 14 * math.pi)) if 6 < hour < 20 else 0.004
        if chance.random() > busy:
            continue
        # Somebody works for a while: calls, some of them long, and perhaps a stream for as long as that.
        at, calls = second, 1 + int(chance.expovariate(1 / 20))
        lines.append((at, "GET /mcp", chance.uniform(60, 900))) if chance.random() < 0.2 else None
        for _ in range(calls):
            at += chance.expovariate(1 / 12)
            seconds = min(900.0, chance.lognormvariate(-2.5, 1.6))
            lines.append((at, "POST /mcp", seconds))
    for at, what, seconds in sorted(lines):
        moment = (MIDNIGHT + timedelta(seconds=at)).isoformat(timespec="milliseconds")
        yield f'{moment} 10.0.0.{1 + int(at) % 50} "{what} HTTP/1.1" 200 {seconds:.3f}'


def read(line: str) -> Request:
    found = LINE.match(line)
    assert found is not None
    moment, _, path, seconds = found.groups()
    return Request((datetime.fromisoformat(moment) - MIDNIGHT).total_seconds(), path, float(seconds))


class Server:
    """Takes a while to start and to end. Notes whether it was ended while somebody was served."""

    drives = True

    def __init__(self) -> None:
        self.exchanges = Exchanges()
        self.controller = DebouncedController(self, cooldown=IDLE, clock=clock, toggle_timeout=1000)
        self.gate: SleepGate[str] = SleepGate(self.controller, self.exchanges)
        self.serving = self.cut = self.wakes = self.served = 0
        self.slowest = self.asleep = 0.0
        self._slept_at = 0.0

    async def disable(self) -> None:
        self.asleep += clock() - self._slept_at
        self.wakes += 1
        await asyncio.sleep(BOOT)
        self.gate.open("server")

    async def enable(self) -> None:
        self.gate.shut()
        self.cut += self.serving
        await asyncio.sleep(SHUTDOWN)
        self._slept_at = clock()

    async def serve(self, request: Request) -> None:
        begun = clock()
        self.exchanges.begin()
        await self.gate.enter(60)
        self.slowest = max(self.slowest, clock() - begun)
        self.serving += 1
        await asyncio.sleep(request.seconds)
        self.serving -= 1
        self.served += 1
        self.exchanges.end()


def test_a_day_of_traffic_is_replayed_in_seconds_and_nobody_is_cut_off_or_refused():
    async def body():
        server = Server()
        requests = [request for request in map(read, a_day(seed=1)) if request.path != "/health"]
        async with asyncio.TaskGroup() as group:
            for request in requests:
                await asyncio.sleep(max(0.0, request.at - clock()))
                group.create_task(server.serve(request))
        await asyncio.sleep(DAY - clock())
        await server.controller.close(policy="leave")
        return server, len(requests)

    begun = time.process_time()
    server, count = run(body(), debug=False)
    took = time.process_time() - begun
    assert count > 5_000
    assert (server.served, server.cut) == (count, 0)
    assert server.slowest <= BOOT + SHUTDOWN + 0.001
    # At night it sleeps, though its health is looked at all the time, and it does not flap while people work.
    assert 6 * 3600 < server.asleep < 18 * 3600
    assert 2 < server.wakes < 60
    assert took < 10
