"""``python -m bench.idle_soak --whole --seed N``: random traffic around the moment at which a workload goes to sleep.

Two proxy runners with real servers, one that ends them to sleep and one that freezes them. Clients pause for about
as long as the idle timeout, and then send something quick, something that takes longer than the idle timeout, or
read a stream. A request that does not get its answer is a failure; a server that is ended while it serves says so.
The whole edition goes on for 30 minutes; without ``--whole``, and in ``python -m bench``, for 30 seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.raw_http import raw_client, request
from tests.support.runners import Recorder

from bench.editions import command
from bench.harness import ROUNDS, Figure, report
from workloads import RunConfig
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIFE = Path(__file__).parents[1] / "tests" / "servers" / "life.py"
SHORT, WHOLE = 30.0, 30 * 60.0
IDLE = 0.25
CLIENTS = 3
PATIENCE = 30.0
"""Seconds after which an answer counts as lost: many times what a wake takes on a busy machine."""

QUICK, SLOW, STREAM = 0.7, 0.9, 1.0
"""How likely each kind is, added up."""


class Tally:
    """What came of everything."""

    def __init__(self) -> None:
        self.requests = 0
        self.sleeps = 0
        self.cut = 0
        self.failed: Counter[str] = Counter()
        self.slowest = 0.0


def measure(rounds: int = ROUNDS) -> dict[str, Any]:  # noqa: ARG001  # it goes on for a time, not for rounds
    """Measure the short edition."""
    return run(SHORT, seed=1)


def run(seconds: float, seed: int) -> dict[str, Any]:
    """The document of an edition.

    Args:
        seconds: For how long there is traffic.
        seed: Decides who sends what when.
    """
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="idle-soak-") as folder:
        asyncio.run(_both(tally, Path(folder), seconds, seed))
    for what, count in tally.failed.most_common(5):
        print(f"{count} x {what}", file=sys.stderr)
    return report(
        "idle soak",
        [
            Figure("requests that failed", tally.failed.total(), "requests", 0),
            Figure("servers ended while they served", tally.cut, "servers", 0),
            # Else the traffic was not at the boundary, and nothing is shown.
            Figure("times asleep, a minute", tally.sleeps * 60 / seconds, "sleeps", 10, higher_is_better=True),
            Figure("requests", tally.requests, "requests"),
            Figure("the slowest answer", tally.slowest, "s"),
            Figure("traffic", seconds, "s"),
        ],
        seed=seed,
    )


async def _both(tally: Tally, folder: Path, seconds: float, seed: int) -> None:
    await asyncio.gather(*(_one(mode, tally, folder / mode, seconds, seed) for mode in ("stop", "suspend")))


async def _one(mode: str, tally: Tally, trail: Path, seconds: float, seed: int) -> None:
    """Traffic for one workload."""
    told = Recorder()
    config = RunConfig(
        name=mode,
        command=[sys.executable, str(LIFE)],
        transport="streamable-http",
        env_vars={"LIFE": json.dumps({"trail": str(trail), "beat": 0.05})},
        idle_timeout=f"{IDLE * 1000:.0f}ms",
        sleep_mode=mode,
    )
    async with ProxyRunner(config, observer=told) as runner:
        end = time.monotonic() + seconds
        chances = [random.Random(f"{seed} {mode} {number}") for number in range(CLIENTS)]
        await asyncio.gather(*(_client(runner.port, tally, chance, end) for chance in chances))
    tally.sleeps += told.statuses.count((WorkloadStatus.RUNNING, "asleep"))
    tally.cut += (await asyncio.to_thread(trail.read_text, encoding="utf-8")).split("\n").count("in use")


async def _client(port: int, tally: Tally, chance: random.Random, end: float) -> None:
    while time.monotonic() < end:
        # All of them pause at once now and then, and come back when it is about to sleep, or has just done so.
        await asyncio.sleep(IDLE * chance.uniform(0.8, 2.2))
        kind, length = chance.random(), IDLE * chance.uniform(0.2, 2.0)
        begun = time.monotonic()
        tally.requests += 1
        if kind < QUICK:
            await _counted(tally, lambda: _call(port, 0.0))
        elif kind < SLOW:
            await _counted(tally, lambda length=length: _call(port, length))
        else:
            await _counted(tally, lambda length=length: _listen(port, length))
        tally.slowest = max(tally.slowest, time.monotonic() - begun)


async def _counted(tally: Tally, work: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await work()
    except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
        tally.failed[repr(error)] += 1


async def _call(port: int, seconds: float) -> None:
    message = request("tools/call", seconds=seconds) if seconds else request("server/info")
    async with raw_client(port) as client:
        answer = await client.post(message)
    if answer.status != 200 or answer.json.get("id") != message["id"]:
        raise ValueError(f"status {answer.status}: {answer.body[:200]!r}")


async def _listen(port: int, seconds: float) -> None:
    """Read a stream for so long: it must go on."""
    async with raw_client(port) as client:
        client.write("GET", "/mcp", ("accept", "text/event-stream"))
        head = await client.head()
        if head.status != 200:
            raise ValueError(f"status {head.status} for a stream")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not await client.reader.read(4096):
                raise ValueError("the stream ended")


if __name__ == "__main__":
    sys.exit(command("idle_soak", __doc__, run, short=SHORT, whole=WHOLE))
