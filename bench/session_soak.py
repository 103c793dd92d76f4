"""What holds over time: replicas that read the same sessions leave each other their copies, and many take no room.

``python -m bench.session_soak --whole`` reads for a minute and passes a million sessions through a cache of a thousand;
without ``--whole``, and in ``python -m bench``, less of the same.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import psutil
from tests.support import redis_server

from bench.editions import command
from bench.harness import ROUNDS, Figure, report
from bench.sessions import sessions
from workloads.session import RedisStorage, RoutingStorage, Session
from workloads.session.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "bench:soak:"
HIT_RATIO_GOAL = 0.99
MEMORY_GOAL_MIB = 10.0
THROUGHPUT_GOAL = 0.75
CHUNK = 10_000
CACHE = 1_000
LOADERS = 50


@attrs.frozen(kw_only=True)
class Edition:
    """How much of it.

    Attributes:
        ttl: Seconds that a session is kept.
        seconds: For how long it is read.
        shared: How many sessions both replicas read.
        reads: How often a second each of them is read; with ``seconds`` it decides what the first misses weigh.
        sessions: How many pass through the cache.
    """

    ttl: float
    seconds: float
    shared: int
    reads: float
    sessions: int


WHOLE = Edition(ttl=20, seconds=60, shared=100, reads=10, sessions=1_000_000)
SHORT = Edition(ttl=4, seconds=12, shared=20, reads=50, sessions=50_000)


def measure(rounds: int = ROUNDS) -> dict[str, Any]:  # noqa: ARG001  # it goes on for a time, not for rounds
    """Measure the short edition."""
    return run(SHORT, seed=1)


def run(edition: Edition, seed: int) -> dict[str, Any]:
    """The document of an edition.

    Args:
        edition: Which.
        seed: Decides in which order sessions are read.
    """
    with redis_server.running() as server, closing(server.client()) as control:
        ratios, alive = asyncio.run(_shared(server.url, control, edition, random.Random(seed)))
        growth, speeds = asyncio.run(_many(server.url, control, edition, random.Random(seed)))
    later = statistics.median(speeds[1:]) / speeds[0]
    return report(
        "session soak",
        [
            Figure("hit ratio, the worse of two replicas", min(ratios), "", HIT_RATIO_GOAL, higher_is_better=True),
            Figure("sessions alive of those used", alive / edition.shared, "", 1.0, higher_is_better=True),
            Figure("memory, after the first 20,000 sessions", growth, "MiB", MEMORY_GOAL_MIB),
            Figure(
                "throughput, later to the first 10,000", later, "x", THROUGHPUT_GOAL,
                higher_is_better=True, steady=False,
            ),
            Figure("throughput, the first 10,000", speeds[0], "loads/s", steady=False),
            Figure("sessions through the cache", edition.sessions, "sessions"),
            Figure("time to live", edition.ttl, "s"),
        ],
        seed=seed,
    )  # fmt: skip


async def _shared(url: str, control: Any, edition: Edition, chance: random.Random) -> tuple[list[float], int]:
    """Two replicas read the same sessions again and again."""
    kept = sessions(edition.shared)
    _keep(control, kept, edition.ttl)
    replicas = [RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=edition.ttl)) for _ in range(2)]
    end = time.monotonic() + edition.seconds

    async def read(storage: RoutingStorage, session_id: str) -> None:
        due = time.monotonic() + chance.random() / edition.reads
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            await storage.load(session_id)
            due += 1 / edition.reads

    await asyncio.gather(*(read(storage, each.id) for storage in replicas for each in kept))
    alive = control.exists(*(PREFIX + each.id for each in kept))
    for storage in replicas:
        await storage.close()
    return [each.stats.hits / (each.stats.hits + each.stats.misses) for each in replicas], alive


async def _many(url: str, control: Any, edition: Edition, chance: random.Random) -> tuple[float, list[float]]:
    """Sessions that come, are read twice and go; the memory that is taken after the first of them, and the speeds."""
    storage = RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=7200), max_local_entries=CACHE)
    speeds: list[float] = []
    process, before, most = psutil.Process(), 0, 0
    for number in range(edition.sessions // CHUNK):
        kept = sessions(CHUNK)
        _keep(control, kept, 7200)
        await _heard(storage, control)
        ids = [each.id for each in kept]
        chance.shuffle(ids)
        began = time.perf_counter()
        await _load_all(storage, ids)
        speeds.append(len(ids) / (time.perf_counter() - began))
        control.unlink(*(PREFIX + session_id for session_id in ids))
        await _heard(storage, control)
        del kept, ids
        taken = process.memory_info().rss
        before, most = (taken, taken) if number <= 1 else (before, max(most, taken))  # by then all is allocated
    assert storage.local_entries <= CACHE
    await storage.close()
    return (most - before) / 2**20, speeds


async def _load_all(storage: RoutingStorage, ids: Sequence[str]) -> None:
    rest = iter(ids)

    async def work() -> None:
        for session_id in rest:
            await storage.load(session_id)

    await asyncio.gather(*(work() for _ in range(LOADERS)))


async def _heard(storage: RoutingStorage, control: Any) -> None:
    """Until the storage heard of all changes so far: one more, of a session that it has a copy of."""
    marker = Session(id="marker", metadata={"now": str(time.monotonic())})
    _keep(control, [marker], 60)
    while await storage.load("marker") != marker:  # noqa: ASYNC110  # what is waited for is not in this process
        await asyncio.sleep(0.001)


def _keep(control: Any, kept: Sequence[Session], ttl: float) -> None:
    with control.pipeline(transaction=False) as pipeline:
        for each in kept:
            pipeline.set(PREFIX + each.id, encode(each), px=round(ttl * 1000))
        pipeline.execute()


if __name__ == "__main__":
    sys.exit(command("session_soak", __doc__, run, short=SHORT, whole=WHOLE))
