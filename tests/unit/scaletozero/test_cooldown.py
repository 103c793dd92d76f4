"""When sleeping is allowed after the last hold."""

from __future__ import annotations

import time

import pytest


def test_sleeping_is_allowed_after_the_cooldown_and_once(make):
    """S2Z-T29 release → E not before cooldown, exactly once after."""
    subject = make(cooldown=2)
    subject.release(subject.acquire())
    subject.advance(1.9)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    subject.advance(100)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_hold_during_the_cooldown_begins_it_anew(make):
    """S2Z-T30 new acquire during cooldown → no E, no D; second release starts a *full* new cooldown."""
    subject = make(cooldown=2)
    subject.release(subject.acquire())
    subject.advance(1.5)
    hold = subject.acquire()
    subject.advance(5)
    subject.release(hold)
    subject.advance(1.9)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_quick_cycles_make_one_of_each_call(make):
    """S2Z-T31 10 quick cycles → D=1, E=1, E at last release + cooldown."""
    subject = make(cooldown=2)
    for _ in range(10):
        subject.release(subject.acquire())
        subject.advance(0.5)
    subject.advance(1.4)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_spurious_release_moves_no_timer(make):
    """S2Z-T32 spurious release during cooldown → does not re-arm, shift or duplicate the timer."""
    subject = make(cooldown=2)
    hold = subject.acquire()
    subject.release(hold)
    subject.advance(1.5)
    subject.release(hold)
    subject.advance(0.5)
    assert subject.toggler.calls == ["disable", "enable"]
    subject.advance(10)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_timer_that_fires_late_finds_the_new_deadline(make):
    """S2Z-T33 timer fired but blocked, acquire+release slip in → no E before the *new* deadline."""
    subject = make(cooldown=2)
    subject.release(subject.acquire())
    subject.rest()
    subject.clock.now += 2  # it is due, and before anybody comes to look
    hold = subject.acquire()
    subject.release(hold)
    subject.advance(1.9)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_disable_during_the_cooldown_ends_it(make):
    """S2Z-T34 pin during cooldown cancels; unpin re-arms."""
    subject = make(cooldown=2)
    subject.release(subject.acquire())
    subject.advance(1)
    subject.disable()
    subject.advance(100)
    assert subject.toggler.calls == ["disable"]
    subject.enable()
    subject.advance(1.9)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]


@pytest.mark.parametrize("bad", [-1, float("nan")])
def test_without_a_cooldown_a_release_returns_when_sleeping_is_allowed(make, bad):
    """S2Z-T35 cooldown 0 == synchronous; negative rejected or treated as 0, documented."""
    subject = make(cooldown=0)
    subject.release(subject.acquire())
    assert subject.toggler.asleep
    with pytest.raises(ValueError, match="cooldown must be a number of seconds, 0 or more"):
        make(cooldown=bad)
    with pytest.raises(ValueError, match="cooldown must be a number of seconds, 0 or more"):
        subject.real.cooldown = bad
    assert subject.real.cooldown == 0


def test_sleeping_is_allowed_at_once_when_somebody_asks_for_it_and_nobody_forbids_it(make):
    subject = make(cooldown=1000)
    hold = subject.acquire()
    subject._call("allow_now")
    assert subject.toggler.calls == ["disable"]
    subject.release(hold)
    subject._call("allow_now")
    assert subject.toggler.calls == ["disable", "enable"]
    subject._call("allow_now")
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_changed_cooldown_counts_from_the_next_time(make):
    """S2Z-T36 cooldown changed at run time applies to the next arming only."""
    subject = make(cooldown=2)
    subject.release(subject.acquire())
    subject.real.cooldown = 10
    subject.advance(2)
    assert subject.toggler.calls == ["disable", "enable"]
    subject.release(subject.acquire())
    subject.advance(9.9)
    assert subject.toggler.count("enable") == 1
    subject.advance(0.1)
    assert subject.toggler.count("enable") == 2


def test_the_clock_is_monotonic_and_a_jump_finds_the_holders(make):
    """S2Z-T37 wall-clock jump does not fire or freeze the timer: monotonic clock; after a suspend, re-check holders."""
    import inspect

    subject = make(cooldown=2)
    assert inspect.signature(type(subject.real)).parameters["clock"].default is time.monotonic
    subject.release(subject.acquire())
    subject.rest()
    subject.clock.now += 10_000  # it was suspended for long
    subject.acquire()
    subject.advance(0)
    assert subject.toggler.calls == ["disable"]


def test_it_stays_awake_for_a_least_time(make):
    """S2Z-T38 min-awake time: wake, instant release → E not before `min_awake`; anti-flap: max M per window."""
    subject = make(cooldown=1, min_awake=10)
    subject.release(subject.acquire())
    assert subject.status().sleeps_in == 10
    subject.advance(9.9)
    assert subject.toggler.calls == ["disable"]
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_too_many_sleeps_within_a_window_keep_it_awake(make):
    """S2Z-T38 ... anti-flap: max M transitions per window, then stay awake."""
    subject = make(cooldown=0, max_sleeps=2, window=100)
    for _ in range(2):
        subject.release(subject.acquire())
        subject.advance(10)
    subject.release(subject.acquire())
    assert subject.toggler.count("enable") == 2
    assert subject.status().sleeps_in == 80
    subject.advance(79)
    assert subject.toggler.count("enable") == 2
    subject.advance(1)
    assert subject.toggler.count("enable") == 3


def test_what_is_awake_at_the_beginning_may_sleep_after_the_cooldown(make):
    subject = make(cooldown=2, awake=True)
    subject.release(subject.acquire())  # the first await of the one for asyncio
    assert subject.toggler.calls == []
    subject.advance(2)
    assert subject.toggler.calls == ["enable"]
