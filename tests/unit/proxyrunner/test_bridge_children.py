"""Processes of a stdio server beside the one that is always up."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run, until

from workloads.proxyrunner.bridge.children import MAX_STARTING, Children
from workloads.proxyrunner.gate import UnavailableError


class Starting:
    """Supervises a process that is starting for as long as it is let."""

    def __init__(self, started):
        self._started = started

    async def run(self):
        self._started.append(self)
        await asyncio.Event().wait()

    def retire(self):
        return False

    async def stop(self, grace=None):
        pass


def test_what_waits_for_its_turn_to_start_is_not_started_once_all_are_stopped():
    async def body():
        started = []
        children = Children(lambda index, child: Starting(started), lambda replicas: None)
        starting = [asyncio.create_task(children.start(None)) for _ in range(MAX_STARTING + 1)]
        await until(lambda: len(started) == MAX_STARTING)
        await children.stop()
        done, waiting = await asyncio.wait(starting, timeout=30)
        for task in waiting:
            task.cancel()
        assert not waiting
        assert len(started) == MAX_STARTING
        with pytest.raises(UnavailableError):
            starting[-1].result()
        for task in done:
            task.exception()

    run(body())
