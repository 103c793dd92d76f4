"""Servers that can neither be put to sleep nor go on: whoever comes next is served all the same."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from tests.support.aio import until

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus
from workloads.proxyrunner.activator import Activator
from workloads.proxyrunner.exchanges import Exchanges

LIMIT = 30.0


class Keeper:
    """Keeps up a server that is ready at once. What an engine is asked for fails as often as planned, and waits."""

    def __init__(self, bed: Bed, vitals, news) -> None:
        self._bed, self._vitals, self._news = bed, vitals, news
        self._number = bed.started = bed.started + 1
        self.ended = asyncio.Event()

    async def run(self) -> None:
        self._vitals.ready(0.0)
        self._bed.activator.gate.open(f"server {self._number}")
        self._news.status(WorkloadStatus.RUNNING)
        await self.ended.wait()

    def retire(self) -> bool:
        return not self.ended.is_set()

    async def stop(self, grace: float | None = None) -> None:
        await self._bed.fail("stop")
        self.ended.set()

    async def kill(self) -> None:
        self.ended.set()

    async def suspend(self) -> bool:
        await self._bed.fail("suspend")
        return True

    async def resume(self) -> bool:
        await self._bed.fail("resume")
        return self._bed.resumes


class Bed:
    """An activator that is told to put its server to sleep as soon as that has started."""

    def __init__(self, *, suspends: bool, fails: list[str], resumes: bool = True) -> None:
        self.exchanges = Exchanges()
        self.activator: Activator[str] = Activator(
            idle_timeout=0.01, suspends=suspends, ready_timeout=10, exchanges=self.exchanges, health=self, told=self
        )
        self.activator.keeping(self._made)
        self.resumes = resumes
        self.started = 0
        self.keepers: list[Keeper] = []
        self.failing, self.go_on = asyncio.Event(), asyncio.Event()
        self._fails = deque(fails)

    def _made(self, vitals, news) -> Keeper:
        keeper = Keeper(self, vitals, news)
        self.keepers.append(keeper)
        return keeper

    async def fail(self, verb: str) -> None:
        if self._fails and self._fails[0] == verb:
            self._fails.popleft()
            self.failing.set()
            await self.go_on.wait()
            raise WorkloadFailedError("time", f"the engine cannot {verb} it")

    def ready(self, took: float) -> None: ...

    def down(self, reason: str) -> None: ...

    def status(self, status: WorkloadStatus, context: str = "") -> None: ...

    def replicas(self, replicas, ready: int) -> None: ...


async def serve(bed: Bed, body) -> None:
    """Do something while the activator runs."""
    running = asyncio.create_task(bed.activator.run())
    try:
        async with asyncio.timeout(LIMIT):
            await body(running)
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.mark.parametrize(("suspends", "fails"), [(True, ["suspend"]), (False, ["stop"])])
def test_a_request_that_comes_while_sleeping_fails_is_served(suspends, fails, caplog):
    async def test() -> None:
        bed = Bed(suspends=suspends, fails=fails)

        async def body(_running: asyncio.Task[None]) -> None:
            await bed.failing.wait()
            bed.exchanges.begin()
            request = asyncio.create_task(bed.activator.gate.enter(LIMIT))
            await asyncio.sleep(0)
            bed.go_on.set()
            assert await request == "server 2"
            assert bed.keepers[0].ended.is_set()

        await serve(bed, body)

    asyncio.run(test())
    assert f"the engine cannot {fails[0]} it" in caplog.text


def test_a_server_that_ends_by_itself_after_it_could_not_be_stopped_is_started_for_whoever_comes():
    async def test() -> None:
        bed = Bed(suspends=False, fails=["stop"])

        async def body(running: asyncio.Task[None]) -> None:
            await bed.failing.wait()
            bed.go_on.set()
            bed.keepers[0].ended.set()
            await until(lambda: bed.activator.controller.status().sleep == "allowed")
            assert not running.done()
            bed.exchanges.begin()
            assert await bed.activator.gate.enter(LIMIT) == "server 2"

        await serve(bed, body)

    asyncio.run(test())


def test_what_cannot_be_thawed_nor_ended_is_ended_for_the_next_who_comes():
    async def test() -> None:
        bed = Bed(suspends=True, fails=["stop"], resumes=False)
        bed.go_on.set()

        async def body(_running: asyncio.Task[None]) -> None:
            await until(lambda: bed.activator.controller.status().sleep == "allowed")
            bed.exchanges.begin()
            with pytest.raises(Exception, match="the engine cannot stop it"):
                await bed.activator.gate.enter(LIMIT)
            assert await bed.activator.gate.enter(LIMIT) == "server 2"

        await serve(bed, body)

    asyncio.run(test())
