"""Which sessions were used lately."""

from __future__ import annotations

from tests.support.idle import ManualClock

from workloads.proxyrunner.recent import RecentSessions


def test_a_session_counts_for_a_while_after_its_last_exchange():
    clock = ManualClock()
    sessions = RecentSessions(60, clock)
    assert sessions.look() == (0, None)
    sessions.used(b"a")
    clock.now += 40
    sessions.used(b"b")
    assert sessions.look() == (2, 0)
    clock.now += 19
    assert sessions.look() == (2, 19)
    clock.now += 1
    assert sessions.look() == (1, 20)
    sessions.used(b"b")
    clock.now += 59
    assert sessions.look() == (1, 59)
    clock.now += 1
    assert sessions.look() == (0, None)


def test_one_that_ends_no_longer_counts():
    sessions = RecentSessions(60, ManualClock())
    sessions.used(b"a")
    sessions.used(b"b")
    sessions.ended(b"b")
    sessions.ended(b"unknown")
    assert sessions.look()[0] == 1
    sessions.forget()
    assert sessions.look() == (0, None)


def test_no_more_are_remembered_than_may_be():
    sessions = RecentSessions(60, ManualClock(), most=2)
    for name in (b"a", b"b", b"a", b"c"):
        sessions.used(name)
    sessions.ended(b"b")
    assert sessions.look()[0] == 2
