"""When a server that ended is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.backoff import Backoff, Restart


def test_ten_attempts_five_seconds_apart_at_first_and_doubling_to_sixty():
    backoff = Backoff()
    delays = []
    while (restart := backoff.ended(0.0)) is not None:
        delays.append(restart.delay)
    assert delays == [5, 10, 20, 40, 60, 60, 60, 60, 60]


def test_a_stable_run_is_followed_by_a_restart_at_once_and_a_new_count():
    backoff = Backoff()
    assert backoff.ended(1.0).delay == 5
    assert backoff.ended(29.9).delay == 10
    assert backoff.ended(30.0) == Restart(0.0, "Container exited after stable run, restarting")
    assert backoff.ended(1.0) == Restart(5.0, "Container exited, restarting")


@given(st.lists(st.floats(0, 29.9), max_size=20))
def test_without_a_stable_run_at_most_nine_restarts_follow_whatever_the_runs_lasted(runs):
    backoff = Backoff()
    decisions = [backoff.ended(ran) for ran in runs]
    assert all(decision is not None for decision in decisions[:9])
    assert all(decision is None for decision in decisions[9:])


@pytest.mark.parametrize("stable", range(1, 12))
def test_a_server_that_is_stable_now_and_then_is_restarted_for_ever(stable):
    backoff = Backoff()
    for _ in range(5):
        for _ in range(min(stable, 9)):
            assert backoff.ended(2.0) is not None
        assert backoff.ended(31.0) is not None
