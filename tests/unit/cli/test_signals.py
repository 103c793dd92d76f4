"""Signals that become a shutdown."""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.support.aio import LOOPS, run

from workloads.cli.signals import ShutdownSignals


@pytest.mark.parametrize("loop", LOOPS)
def test_a_signal_that_comes_when_the_loop_has_ended_changes_nothing(loop):
    async def serve(signals: ShutdownSignals) -> None:
        shutdown = asyncio.Event()
        signals.bind(asyncio.get_running_loop(), shutdown)
        signal.raise_signal(signal.SIGTERM)
        await shutdown.wait()

    with ShutdownSignals() as signals:
        run(serve(signals), loop=loop)
        signal.raise_signal(signal.SIGTERM)
        assert signals.received


@pytest.mark.parametrize("loop", LOOPS)
def test_a_signal_that_comes_before_there_is_a_loop_ends_what_begins_then(loop):
    async def serve(signals: ShutdownSignals) -> None:
        shutdown = asyncio.Event()
        signals.bind(asyncio.get_running_loop(), shutdown)
        assert shutdown.is_set()

    with ShutdownSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        run(serve(signals), loop=loop)
