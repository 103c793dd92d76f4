"""What waking takes: from the moment at which a started server accepts its first client, and over a frozen one."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.raw_http import raw_client, request
from tests.support.runners import Recorder

from bench.harness import ROUNDS, Figure, report
from workloads import RunConfig
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIFE = Path(__file__).parents[1] / "tests" / "servers" / "life.py"
WAKES = 20
CROWD = 500
P50_GOAL, P90_GOAL, FROZEN_GOAL = 50.0, 150.0, 15.0
IDLE = "200ms"


def measure(rounds: int = ROUNDS) -> dict[str, Any]:  # noqa: ARG001  # so many wakes are asked for, not rounds
    """Measure 20 wakes of each kind, and a crowd that comes during one."""
    with tempfile.TemporaryDirectory(prefix="waking-") as folder:
        started = asyncio.run(_started(Path(folder)))
        frozen, awake = asyncio.run(_frozen())
        starts, answers, took = asyncio.run(_crowd())
    p50, p90 = statistics.median(started), statistics.quantiles(started, n=10)[8]
    over = statistics.median(frozen) - statistics.median(awake)
    return report(
        "waking",
        [
            Figure("from first accept to first byte, p50", p50, "ms", P50_GOAL, steady=False),
            Figure("from first accept to first byte, p90", p90, "ms", P90_GOAL, steady=False),
            Figure("added to a request by a frozen server", over, "ms", FROZEN_GOAL, steady=False),
            Figure(f"starts for {CROWD} requests during one wake", starts, "starts", 1),
            Figure(f"of {CROWD} requests during one wake, answered", answers, "answers", CROWD, higher_is_better=True),
            Figure("request to a frozen server, p50", statistics.median(frozen), "ms"),
            Figure("request to one that is awake, p50", statistics.median(awake), "ms"),
            Figure(f"until {CROWD} requests were answered", took, "s"),
        ],
        plot={
            "title": "Waking",
            "unit": "ms",
            "values": {"started, p50": p50, "started, p90": p90, "frozen, p50": statistics.median(frozen)},
        },
    )


@asynccontextmanager
async def _sleeper(life: dict[str, Any], **fields: Any) -> AsyncIterator[tuple[int, Recorder]]:
    told = Recorder()
    settings = {"name": "sleeper", "transport": "streamable-http", "idle_timeout": IDLE, **fields}
    config = RunConfig(command=[sys.executable, str(LIFE)], env_vars={"LIFE": json.dumps(life)}, **settings)
    async with ProxyRunner(config, observer=told) as runner:
        yield runner.port, told


async def _asleep(told: Recorder, times: int) -> None:
    await told.until(lambda told: told.statuses.count((WorkloadStatus.RUNNING, "asleep")) >= times)


async def _first_byte(port: int) -> float:
    """The time at which the first byte of an answer has come."""
    message = json.dumps(request("server/info")).encode()
    async with raw_client(port) as client:
        client.write("POST", "/mcp", ("content-type", "application/json"), body=message)
        head = await client.head()
        now = time.monotonic()
        assert head.status == 200, head.status
    return now


async def _started(folder: Path) -> list[float]:
    """Milliseconds from a server's first accept to the first byte, for each wake."""
    accepted, taken = folder / "accepted", list[float]()
    async with _sleeper({"accepted": str(accepted)}) as (port, told):
        for number in range(WAKES):
            await _asleep(told, number + 1)
            came = await _first_byte(port)
            taken.append((came - float(accepted.read_text())) * 1000)
    return taken


async def _frozen() -> tuple[list[float], list[float]]:
    """Milliseconds of requests to a server that is frozen, and to the same just after."""
    frozen, awake = list[float](), list[float]()
    async with _sleeper({}, sleep_mode="suspend") as (port, told):
        for number in range(WAKES):
            await _asleep(told, number + 1)
            for taken in (frozen, awake):
                begun = time.monotonic()
                taken.append((await _first_byte(port) - begun) * 1000)
    return frozen, awake


async def _crowd() -> tuple[int, int, float]:
    """Servers started, requests answered and seconds taken, for many requests that come to one that sleeps."""
    async with _sleeper({}) as (port, told):
        await _asleep(told, 1)
        before, begun = len(told.pids), time.monotonic()
        outcomes = await asyncio.gather(*(_first_byte(port) for _ in range(CROWD)), return_exceptions=True)
        took = time.monotonic() - begun
        return len(told.pids) - before, sum(isinstance(each, float) for each in outcomes), took
