"""Signals that become a shutdown."""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.support.aio import LOOPS, run

from workloads.cli.signals import ShutdownSignals, drain_on_signals, exit_on_termination


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


@pytest.mark.parametrize("listening", [drain_on_signals, exit_on_termination])
def test_a_hangup_that_was_ignored_before_changes_nothing(listening):
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        went_on = False
        with listening():
            signal.raise_signal(signal.SIGHUP)
            went_on = True
        assert went_on
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_hangup_that_was_not_ignored_ends_the_block():
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with drain_on_signals():
            signal.raise_signal(signal.SIGHUP)
            pytest.fail("it was not interrupted")
        with pytest.raises(SystemExit), exit_on_termination():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)
