"""Holds: counted, and each ended once."""

from __future__ import annotations

import threading

import pytest
from tests.support.idle import ManualClock
from tests.support.waiting import wait_until

from workloads.errors import ToggleError
from workloads.scaletozero import NoopController


def test_a_hold_forbids_sleeping_and_its_end_allows_it(subject):
    """S2Z-T01 acquire+release, cooldown 0 → D=1,E=1, in that order."""
    hold = subject.acquire("one", reason="work")
    assert subject.toggler.calls == ["disable"]
    subject.release(hold)
    assert subject.toggler.calls == ["disable", "enable"]
    assert not hold.live


def test_the_last_of_several_holds_counts(subject):
    """S2Z-T02 three acquires → D=1; two releases → E=0; third → E=1."""
    holds = [subject.acquire() for _ in range(3)]
    assert subject.toggler.count("disable") == 1
    for hold in holds[:2]:
        subject.release(hold)
    assert subject.toggler.count("enable") == 0
    subject.release(holds[2])
    assert subject.toggler.calls == ["disable", "enable"]


def test_each_cycle_toggles(subject):
    """S2Z-T03 interleaved acquire/release twice → D=2,E=2."""
    for _ in range(2):
        first, second = subject.acquire(), subject.acquire()
        subject.release(first)
        subject.release(second)
    assert subject.toggler.calls == ["disable", "enable"] * 2


def test_a_release_without_a_hold_does_nothing(subject):
    """S2Z-T04 release with no acquire → D=0,E=0, no exception, state unchanged."""
    hold = subject.acquire()
    subject.release(hold)
    before = subject.status()
    subject.release(hold)
    hold.release()
    assert subject.status() == before
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_second_release_leaves_the_others_alone(subject):
    """S2Z-T05 same token released twice while another holder exists → other holder keeps it awake (E=0)."""
    first, second = subject.acquire("first"), subject.acquire("second")
    subject.release(first)
    subject.release(first)
    assert [hold.owner for hold in subject.status().holds] == ["second"]
    assert second.live
    assert subject.toggler.count("enable") == 0


def test_a_thousand_at_once_make_one_call(subject, make):
    """S2Z-T06 1 000 concurrent acquires on a cold controller → exactly one D; all return only after it succeeded."""
    returned_early: list[bool] = []

    def acquire() -> None:
        subject.acquire()
        returned_early.append(subject.toggler.asleep)

    threads = [threading.Thread(target=acquire) for _ in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert subject.toggler.calls == ["disable"]
    assert returned_early == [False] * 1000
    assert len(subject.status().holds) == 1000


def test_a_block_that_fails_releases_and_one_that_cannot_hold_does_not_run(subject):
    """S2Z-T08 context-manager: exception in body still releases; body never runs if acquire fails."""
    with pytest.raises(ZeroDivisionError), subject.hold("one"):
        raise ZeroDivisionError
    assert subject.toggler.calls == ["disable", "enable"]
    subject.toggler.plan("disable", OSError("no"))
    ran = False
    with pytest.raises(ToggleError), subject.hold("two"):
        ran = True
    assert not ran
    assert subject.status().holds == ()


def test_a_hold_can_be_released_from_any_thread(make):
    subject = make(cooldown=1)
    hold = subject.acquire()
    thread = threading.Thread(target=hold.release)
    thread.start()
    thread.join()
    wait_until(lambda: not hold.live)
    subject.advance(1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_hold_with_a_time_to_live_ends_by_itself(make):
    subject = make(cooldown=2)
    hold = subject.acquire("lease", ttl=10)
    assert subject.status().holds[0].expires_in == 10
    subject.advance(9.9)
    assert hold.live
    subject.advance(0.1)
    assert not hold.live
    assert subject.toggler.count("enable") == 0
    subject.advance(2)
    assert subject.toggler.count("enable") == 1
    subject.release(hold)
    assert subject.toggler.count("enable") == 1


@pytest.mark.parametrize("arguments", [{"ttl": -1}, {"timeout": -1}, {"ttl": float("nan")}], ids=str)
def test_times_that_cannot_be_are_refused(subject, arguments):
    with pytest.raises(ValueError, match="must be a number of seconds, 0 or more"):
        subject.acquire(**arguments)
    assert subject.toggler.calls == []


def test_status_names_every_holder_its_reason_and_age(make):
    subject = make(cooldown=3)
    hold = subject.acquire("one", reason="recording")
    subject.look(5)
    status = subject.status()
    assert (status.sleep, status.sleeps_in, status.degraded) == ("forbidden", None, False)
    assert [(each.owner, each.reason, each.age) for each in status.holds] == [("one", "recording", 5)]
    assert (status.oldest_hold, status.oldest_disable) == (5, None)
    subject.release(hold)
    assert subject.status().sleeps_in == 3
    subject.advance(3)
    assert (subject.status().sleep, subject.status().sleeps_in) == ("allowed", 0)
    assert subject.status().to_dict()["counters"] == {
        "disables": 1, "enables": 1, "failed_disables": 0, "failed_enables": 0, "owed": 0,
    }  # fmt: skip


def test_where_nothing_sleeps_holds_that_end_by_themselves_do_not_pile_up():
    clock = ManualClock()
    with NoopController(clock=clock) as controller:
        first = controller.acquire(ttl=1)
        clock.now += 1
        second = controller.acquire(ttl=1)
        assert (first.live, second.live) == (False, True)
