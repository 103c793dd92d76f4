"""What it takes to look up a session through RoutingStorage, beside redis-py's GETEX, on a private Redis."""

from __future__ import annotations

import asyncio
import time
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from tests.support import redis_server

from bench.harness import ROUNDS, Figure, Sample, interleaved, report
from workloads.session import Peeked, RedisStorage, RoutingStorage, Session
from workloads.session.codec import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

TTL = 7200
PREFIX = "bench:session:"
ELSEWHERE = "bench:elsewhere:"  # the same texts as no sessions, so that a GETEX tells nobody of a change
BATCH = 500  # sessions that one round looks up, one after the other
MANY_BATCH = 1500  # and many at once
HITS = 20_000
COUNTED_HITS = 100_000
FEW, MANY = 10, 100_000
LOADERS = 50
WAITERS = 64
HIT_GOAL_US = 2.0
ROUND_TRIP_GOAL = 50.0
GROWTH_GOAL = 1.3
MISS_GOAL = 1.5
TOGETHER_GOAL = 4.0
BEATS = {"info", "ping"}  # this module's own look, and signs of life of the connection that hears of changes


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure hits, misses and many misses at once, beside GETEX in the same rounds, and count round trips."""
    with redis_server.running() as server, server.client() as control, asyncio.Runner() as runner:
        subject = runner.run(Subject.open(server.url, control, rounds))
        try:
            taken = interleaved(
                {
                    "GETEX": lambda: runner.run(subject.getex()),
                    "a hit": lambda: runner.run(subject.hits(subject.few, FEW)),
                    "a hit among 100,000": lambda: runner.run(subject.hits(subject.many, MANY)),
                    "a miss": lambda: runner.run(subject.misses()),
                    "GETEX, 50 at once": lambda: runner.run(subject.getex(LOADERS)),
                    "a miss, 50 at once": lambda: runner.run(subject.misses(LOADERS)),
                },
                rounds,
            )
            commands_of_hits = runner.run(subject.commands_of_hits())
            commands_of_misses = runner.run(subject.commands_of_misses())
            commands_of_waiters = runner.run(subject.commands_of_waiters())
        finally:
            runner.run(subject.close())
    us = {name: sample.wall * 1e6 for name, sample in taken.items()}
    getex, hit, many, miss = (taken[name] for name in ("GETEX", "a hit", "a hit among 100,000", "a miss"))
    many_getex, many_misses = taken["GETEX, 50 at once"], taken["a miss, 50 at once"]
    together = Sample(many_getex.wall / many_misses.wall, many_getex.cpu / many_misses.cpu)
    return report(
        "sessions",
        [
            Figure("CPU, a hit", hit.cpu * 1e6, "us", HIT_GOAL_US),
            Figure("wall, GETEX to a hit", getex.wall / hit.wall, "x", ROUND_TRIP_GOAL, higher_is_better=True),
            Figure("CPU, a hit among 100,000 to one among 10", many.cpu / hit.cpu, "x", GROWTH_GOAL),
            Figure("Redis commands of 100,000 hits", commands_of_hits, "commands", 0),
            Figure("CPU, a miss to GETEX", miss.cpu / getex.cpu, "x", MISS_GOAL, steady=False),
            Figure("round trips of a miss", commands_of_misses, "trips", 1),
            Figure("round trips of 64 loads of a missing id", commands_of_waiters, "trips", 1),
            *(
                Figure(what, value, "x", TOGETHER_GOAL, higher_is_better=True, steady=False)
                for what, value in (
                    ("CPU, GETEX to a miss, 50 at once", together.cpu),
                    ("throughput, misses to GETEX, 50 at once", together.wall),
                )
            ),
            *(Figure(f"CPU, {name}", sample.cpu * 1e6, "us") for name, sample in taken.items()),
            *(Figure(f"wall, {name}", value, "us", steady=False) for name, value in us.items()),
        ],
        plot={"title": "A session", "unit": "us", "values": us},
    )  # fmt: skip


def sessions(count: int) -> list[Session]:
    """Sessions as a proxy keeps them, of about 280 bytes of JSON."""
    return [
        Session(
            id=str(uuid.uuid4()),
            metadata={"backend_url": f"http://10.2.4.{number % 250}:8080", "backend_sid": uuid.uuid4().hex},
        )
        for number in range(count)
    ]


class Subject:
    """Storages in front of a Redis that has sessions, and redis-py's own client."""

    few: RoutingStorage
    many: RoutingStorage

    @classmethod
    async def open(cls, url: str, control: Any, rounds: int) -> Subject:
        self = cls()
        self.control = control
        self.redis = Redis.from_url(url)
        self.few, self.many, self.missing = (
            RoutingStorage(RedisStorage.from_url(url, key_prefix=PREFIX, ttl=TTL), max_local_entries=limit)
            for limit in (FEW, MANY, MANY)
        )
        kept = sessions(MANY)
        self.ids = [each.id for each in kept]
        with control.pipeline(transaction=False) as pipeline:
            for each in kept[: (BATCH + MANY_BATCH) * (rounds + 3)]:
                for prefix in (PREFIX, ELSEWHERE):
                    pipeline.set(prefix + each.id, encode(each), ex=TTL)
            pipeline.execute()
        self.unread, self.unread_elsewhere = iter(self.ids), iter(self.ids)
        await self.few.load(self.ids[0])
        await self.many.load(self.ids[0])
        for storage, limit in ((self.few, FEW), (self.many, MANY)):  # as if that many had been read
            storage._copies.keep_used({each.id: Peeked(each, TTL) for each in kept[:limit]}, time.monotonic())
        assert (self.few.local_entries, self.many.local_entries) == (FEW, MANY)
        return self

    async def close(self) -> None:
        for storage in (self.few, self.many, self.missing):
            await storage.close()
        await self.redis.aclose()

    async def getex(self, tasks: int = 1) -> Sample:
        ids = _next(self.unread_elsewhere, tasks)
        return await _each(ids, lambda session_id: self.redis.getex(ELSEWHERE + session_id, ex=TTL), tasks)

    async def misses(self, tasks: int = 1) -> Sample:
        return await _each(_next(self.unread, tasks), self.missing.load, tasks)

    async def hits(self, storage: RoutingStorage, entries: int) -> Sample:
        """Ten sessions in turn, however many others there are beside them."""
        ids = self.ids[: entries : entries // FEW]
        turns = HITS // len(ids)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(turns):
            for session_id in ids:
                await storage.load(session_id)
        return Sample((time.perf_counter() - wall) / HITS, (time.process_time() - cpu) / HITS)

    async def commands_of_hits(self) -> int:
        before = self._commands()
        for _ in range(COUNTED_HITS // FEW):
            for session_id in self.ids[:FEW]:
                await self.few.load(session_id)
        return self._commands() - before

    async def commands_of_misses(self) -> float:
        ids = _next(self.unread, 1)
        before = self._commands()
        for session_id in ids:
            await self.missing.load(session_id)
        return (self._commands() - before) / BATCH

    async def commands_of_waiters(self) -> int:
        before = self._commands()
        await asyncio.gather(*(self.missing.load("missing") for _ in range(WAITERS)), return_exceptions=True)
        return self._commands() - before

    def _commands(self) -> int:
        """Commands so far; those of a script, and PTTL that travels with MGET, as one with it."""
        known = self.control.info("commandstats")
        inside = {"cmdstat_get", "cmdstat_pttl", "cmdstat_pexpire"}
        return sum(
            each["calls"]
            for name, each in known.items()
            if name not in inside and name.removeprefix("cmdstat_") not in BEATS
        )


def _next(ids: Iterator[str], tasks: int) -> list[str]:
    """The ids of the next round of so many tasks."""
    return list(islice(ids, BATCH if tasks == 1 else MANY_BATCH))


async def _each(ids: Sequence[str], look_up: Callable[[str], Awaitable[object]], tasks: int) -> Sample:
    """Look up every id, so many at a time; what one takes."""
    rest = iter(ids)

    async def work() -> None:
        for session_id in rest:
            await look_up(session_id)

    wall, cpu = time.perf_counter(), time.process_time()
    if tasks == 1:
        await work()
    else:
        await asyncio.gather(*(work() for _ in range(tasks)))
    return Sample((time.perf_counter() - wall) / len(ids), (time.process_time() - cpu) / len(ids))
