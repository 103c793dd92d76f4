"""For how long another process serves a session as it was, after a change of it was acknowledged here.

``python -m bench.coherence --trials 10000`` is the whole; a round of it takes part in ``python -m bench``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from tests.support import redis_server

from bench.harness import ROUNDS, Figure, failures, report, table
from bench.session_replica import TTL
from workloads.session import RedisStorage, RoutingStorage, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "bench:coherence:"
TRIALS = 50  # a round
LOADERS = 8
DELETIONS = 0.5  # of the changes of what is there
BOUND_MS = 5.0


@attrs.frozen
class Trial:
    """One change.

    Attributes:
        late: Seconds from its acknowledgement here until it was taken in there; 0 when that came first.
        lateness: Seconds by which the loop there was late at most.
        old: Whether it was loaded there as it was, after it was taken in.
    """

    late: float
    lateness: float
    old: bool


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure changes with an idle and with a busy process at the other end."""
    return run(TRIALS * rounds, seed=1)


def run(trials: int, seed: int) -> dict[str, Any]:
    """The document of so many changes.

    Args:
        trials: How many, with each of the two processes.
        seed: Decides which are updates, and which deletions.
    """
    with redis_server.running() as server:
        idle = asyncio.run(_changes(server.url, trials, random.Random(seed), loaders=0))
        busy = asyncio.run(_changes(server.url, trials, random.Random(seed + 1), loaders=LOADERS))
    late = _percentile([each.late for each in idle], 99) * 1000
    beyond = _percentile([max(0.0, each.late - each.lateness) for each in busy], 99) * 1000
    return report(
        "coherence",
        [
            Figure("p99, an idle process serves what was changed", late, "ms", BOUND_MS, steady=False),
            Figure("p99, a busy one, beyond its loop's lag", beyond, "ms", BOUND_MS, steady=False),
            Figure(
                "loads of the old, after the change was heard of", sum(each.old for each in idle + busy), "loads", 0
            ),
            Figure("changes", trials * 2, "changes"),
            Figure("median, idle", statistics.median(each.late for each in idle) * 1000, "ms"),
            Figure("worst, idle", max(each.late for each in idle) * 1000, "ms"),
            Figure("p99, busy", _percentile([each.late for each in busy], 99) * 1000, "ms"),
            Figure("p99, lag of the busy loop", _percentile([each.lateness for each in busy], 99) * 1000, "ms"),
        ],
        seed=seed,
    )


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@contextmanager
def replica(url: str, session_id: str, loaders: int) -> Iterator[subprocess.Popen[str]]:
    """The other process, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.session_replica", url, PREFIX, session_id, str(loaders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.write("\n")
        process.stdin.flush()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


async def _changes(url: str, trials: int, chance: random.Random, *, loaders: int) -> list[Trial]:
    session = Session(id=str(uuid.uuid4()), metadata={"version": "0"})
    storage = RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=TTL))
    await storage.store(session)
    found: list[Trial] = []
    present = True
    with replica(url, session.id, loaders) as process:
        assert process.stdout is not None
        for number in range(1, trials + 1):
            newest = attrs.evolve(session, metadata={"version": str(number)})
            if not present:
                await storage.create(newest)
                present = True
            elif chance.random() < DELETIONS:
                await storage.delete(session.id)
                present = False
            else:
                await storage.update(newest)
            acknowledged = time.monotonic()
            when, version, lateness = (await asyncio.to_thread(process.stdout.readline)).split()
            expected = number if present else -1
            found.append(Trial(max(0.0, float(when) - acknowledged), float(lateness), int(version) != expected))
    await storage.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.coherence", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="changes with each process (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is changed how (default: %(default)s)")
    options = parser.parse_args()
    document = run(options.trials, options.seed)
    print(table(document))
    return 1 if failures(document) else 0


if __name__ == "__main__":
    sys.exit(main())
