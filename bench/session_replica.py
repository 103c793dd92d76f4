"""The other process of the coherence benchmark: has a copy of one session, and tells when it learns of each change.

``python -m bench.session_replica URL PREFIX SESSION_ID LOADERS``. After each change that it hears of it writes a line:
when it had taken it in, by the clock that all processes of a machine share; the version that it loads from then on; and
by how much its loop was late, at most, since the line before. A line on its standard input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from workloads.errors import SessionNotFoundError
from workloads.session import RedisStorage, RoutingStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TTL = 7200
_SAMPLE = 0.001  # seconds between two looks at how late the loop is


class Watched:
    """A store whose changes are told again, once they were taken in."""

    def __init__(self, remote: RedisStorage, taken_in: asyncio.Queue[tuple[float, frozenset[str] | None]]) -> None:
        self._remote, self._taken_in = remote, taken_in

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)

    @contextlib.asynccontextmanager
    async def _watch(self) -> AsyncIterator[AsyncIterator[frozenset[str] | None]]:
        async with await self._remote.invalidations() as changes:
            yield self._retell(changes)

    async def invalidations(self) -> Any:
        return self._watch()

    async def _retell(self, changes: Any) -> AsyncIterator[frozenset[str] | None]:
        async for change in changes:
            yield change
            self._taken_in.put_nowait((time.monotonic(), change))


async def _load_always(storage: RoutingStorage, ids: list[str]) -> None:
    """A loader of a proxy under load: hits, and misses, since not all have room."""
    while True:
        for session_id in ids:
            with contextlib.suppress(SessionNotFoundError):
                await storage.load(session_id)
            await asyncio.sleep(0)


class Lateness:
    """By how much the loop was late at most."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._due = time.monotonic()

    async def watch(self) -> None:
        while True:
            self._due = time.monotonic() + _SAMPLE
            await asyncio.sleep(_SAMPLE)
            self._worst = max(self._worst, time.monotonic() - self._due)

    def take(self) -> float:
        worst, self._worst = max(self._worst, time.monotonic() - self._due), 0.0
        return worst


async def _version(storage: RoutingStorage, session_id: str) -> int:
    try:
        return int((await storage.load(session_id)).metadata["version"])
    except SessionNotFoundError:
        return -1


async def main(url: str, prefix: str, session_id: str, loaders: int) -> None:
    taken_in: asyncio.Queue[tuple[float, frozenset[str] | None]] = asyncio.Queue()
    remote = RedisStorage.from_url(url, key_prefix=prefix, ttl=TTL)
    storage = RoutingStorage(Watched(remote, taken_in), max_local_entries=1000)
    lateness = Lateness()
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await _version(storage, session_id)
    others = [f"other-{number}" for number in range(40)]
    tasks = [
        asyncio.create_task(lateness.watch()),
        *(asyncio.create_task(_load_always(storage, others[number:])) for number in range(loaders)),
    ]
    print("ready", flush=True)
    while not end.done():
        news = asyncio.create_task(taken_in.get())
        await asyncio.wait([news, end], return_when=asyncio.FIRST_COMPLETED)
        if not news.done():
            news.cancel()
            break
        when, ids = news.result()
        if ids is not None and session_id in ids:
            version = await _version(storage, session_id)
            print(when, version, lateness.take(), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await storage.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
