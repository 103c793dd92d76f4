"""Sessions of many clients while proxy runners and replicas end: ``python -m bench.rolling`` is the long edition."""

from __future__ import annotations

import pytest
from bench.rolling import roll

pytestmark = [pytest.mark.needs("redis")]


def rolled(kind, **options):
    return roll(kind, **{"clients": 60, "seed": 7, "pause": 0.5} | options)


def test_no_request_fails_and_no_call_is_lost_while_runners_are_restarted():
    tally = rolled("restart", seconds=30, times=4)
    assert not tally.failed
    assert (tally.wrong, tally.lost, tally.ended) == (0, 0, 4)
    assert tally.calls > 500


def test_only_what_is_in_flight_fails_when_a_runner_is_killed():
    tally = rolled("kill-runner", seconds=10, times=2)
    assert not tally.failed
    assert tally.lost == 0
    assert tally.calls > 100


def test_only_the_sessions_of_a_replica_that_is_killed_begin_anew():
    tally = rolled("kill-replica", seconds=10, times=2)
    assert not tally.failed
    assert tally.wrong == 0
    # Of sixty sessions a third is at each replica, and each that is lost is told, or begun again, once.
    assert 0 < tally.lost <= 60
