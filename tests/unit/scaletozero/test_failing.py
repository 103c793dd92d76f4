"""A toggler that fails, is late, or says so although it did what it was told."""

from __future__ import annotations

import logging
import threading

import pytest
from tests.support.idle import After, Gate, Looking, Subject, Toggler
from tests.support.waiting import wait_until

from workloads.errors import ToggleError, ToggleTimeoutError
from workloads.scaletozero import Backoff


def test_a_failed_disable_is_the_callers_error_and_the_next_one_tries_again(subject):
    """S2Z-T09 D fails → error to caller, holds=0, not off; next acquire calls D again and succeeds; release → E=1."""
    cause = OSError("no space")
    subject.toggler.plan("disable", cause)
    with pytest.raises(ToggleError, match="sleeping could not be forbidden: no space") as caught:
        subject.acquire()
    assert (caught.value.verb, caught.value.reason, caught.value.__cause__) == ("disable", "no space", cause)
    status = subject.status()
    assert status.holds == ()
    assert status.sleep != "forbidden"
    hold = subject.acquire()
    subject.release(hold)
    assert subject.toggler.calls == ["disable", "disable", "enable"]


def test_a_failed_disable_leaves_nobody_of_many_holding(subject):
    """S2Z-T10 D fails for N concurrent acquirers → each gets an error, nobody is left holding; D calls bounded."""
    gate = Gate(OSError("no"))
    subject.toggler.plan("disable", gate)
    waiting = [subject.begin("acquire") for _ in range(20)]
    wait_until(lambda: len(subject.status().holds) == 20)
    gate.open()
    errors = []
    for each in waiting:
        with pytest.raises(ToggleError) as caught:
            each.result()
        errors.append(caught.value)
    assert len(set(map(id, errors))) == 20
    assert subject.status().holds == ()
    assert subject.toggler.count("disable") == 1


def test_a_failed_hold_is_none_of_anybodys(make):
    """S2Z-T11 D fails, then release of the failed token → no effect on other holders."""
    from workloads.scaletozero import OneShot

    subject = make(cooldown=1)
    subject.toggler.plan("disable", OSError("no"))
    failed = OneShot(subject)
    with pytest.raises(ToggleError):
        failed.acquire()
    subject.acquire("other")
    failed.release()
    assert [hold.owner for hold in subject.status().holds] == ["other"]
    assert subject.toggler.count("enable") == 0


def test_a_late_disable_is_unknown_until_it_returns(make):
    """S2Z-T12 D hangs past toggler timeout → TimeoutError, state = unknown; late completion must not flip state."""
    subject = make(toggle_timeout=5, cooldown=1)
    gate = Gate()
    subject.toggler.plan("disable", gate)
    first = subject.begin("acquire")
    assert gate.entered.wait(30)
    status = subject.look(5)
    with pytest.raises(TimeoutError) as caught:
        first.result()
    assert isinstance(caught.value, ToggleTimeoutError)
    assert (status.sleep, status.toggling, status.overdue, status.holds) == ("unknown", "disable", True, ())
    # While it does not return nothing else is begun, and who waits does so no longer than the toggler may take.
    second = subject.begin("acquire")
    wait_until(lambda: subject.status().holds)
    subject.look(5)
    with pytest.raises(ToggleTimeoutError):
        second.result()
    assert subject.toggler.calls == ["disable"]
    # It returns: what was forbidden for nobody is allowed again, and who comes before that finds it forbidden.
    third = subject.begin("acquire")
    wait_until(lambda: subject.status().holds)
    gate.open()
    hold = third.result()
    assert subject.status().sleep == "forbidden"
    assert subject.toggler.calls == ["disable"]
    subject.release(hold)
    subject.advance(1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_late_disable_that_nobody_wants_any_more_is_undone(make):
    """S2Z-T12 ... late completion of the hung call must not flip state wrongly."""
    subject = make(toggle_timeout=5, cooldown=1)
    gate = Gate()
    subject.toggler.plan("disable", gate)
    waiting = subject.begin("acquire")
    assert gate.entered.wait(30)
    subject.look(5)
    with pytest.raises(ToggleTimeoutError):
        waiting.result()
    gate.open()
    subject.settle()
    subject.advance(1)
    assert subject.toggler.calls == ["disable", "enable"]
    assert subject.status().sleep == "allowed"


def test_a_toggler_that_can_be_asked_settles_a_late_call(make):
    """S2Z-T12 ... next acquire reconciles (reads)."""
    toggler = Looking()
    subject = make(toggler, toggle_timeout=5, cooldown=1)
    gate = Gate()
    toggler.plan("disable", gate)
    toggler.answers.extend(["unknown", "awake"])
    waiting = subject.begin("acquire")
    assert gate.entered.wait(30)
    subject.look(5)
    with pytest.raises(ToggleTimeoutError):
        waiting.result()
    wait_until(lambda: toggler.asked == 1)
    subject.answered()
    hold = subject.acquire()  # asks again at once
    assert toggler.asked == 2
    assert subject.status().sleep == "forbidden"
    subject.release(hold)
    subject.advance(1)
    assert toggler.calls == ["disable", "enable"]
    # The late one comes back after that: it may have undone what was done since, so the toggler is asked.
    toggler.answers.append("awake")
    gate.open()
    wait_until(lambda: toggler.asked == 3)
    wait_until(lambda: toggler.calls == ["disable", "enable", "enable"])
    subject.settle()
    assert subject.status().sleep == "allowed"


def test_a_disable_that_failed_after_its_effect_is_undone(make):
    """S2Z-T13 D raises after having taken effect (ambiguous) → an E is owed, so the workload can sleep eventually."""
    subject = make(cooldown=1, backoff=Backoff(first=3))
    subject.toggler.plan("disable", After(OSError("no answer")))
    with pytest.raises(ToggleError):
        subject.acquire()
    assert not subject.toggler.asleep
    assert subject.status().owed.verb == "enable"
    subject.advance(2.9)
    assert subject.toggler.count("enable") == 0
    subject.advance(0.1)
    assert subject.toggler.calls == ["disable", "enable"]
    assert subject.status().owed is None


def test_a_failed_enable_is_retried_until_it_succeeds(make, caplog):
    """S2Z-T14 cooldown 0, E fails on last release → degraded, off stays true, retry succeeds later → one E."""
    subject = make(backoff=Backoff(first=1))
    subject.toggler.plan("enable", OSError("busy"))
    hold = subject.acquire()
    with caplog.at_level(logging.ERROR, "workloads.scaletozero"):
        subject.release(hold)
    status = subject.status()
    assert (status.sleep, status.degraded, status.holds) == ("forbidden", True, ())
    assert (status.owed.verb, status.owed.attempts, status.owed.error) == ("enable", 1, "busy")
    assert status.owed.next_attempt_in == 1
    subject.advance(1)
    status = subject.status()
    assert (status.sleep, status.degraded, status.owed) == ("allowed", False, None)
    assert subject.toggler.calls == ["disable", "enable", "enable"]
    assert (status.counters.enables, status.counters.failed_enables, status.counters.owed) == (1, 1, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "sleeping could not be allowed: busy; the next attempt is due in 1 s"
    ]


def test_a_hold_before_the_retry_needs_no_call(make):
    """S2Z-T15 E fails, new acquire arrives before retry → retry cancelled, D not called again (still off)."""
    subject = make(backoff=Backoff(first=1))
    subject.toggler.plan("enable", OSError("busy"))
    subject.release(subject.acquire())
    hold = subject.acquire()
    subject.advance(100)
    assert subject.toggler.calls == ["disable", "enable"]
    subject.release(hold)
    assert subject.toggler.calls == ["disable", "enable", "enable"]


def test_repeating_a_release_after_a_failed_enable_takes_nobody_elses_hold(make):
    """S2Z-T16 E fails, holder B acquires, A "retries" its release → B still held (E=0)."""
    subject = make(backoff=Backoff(first=1))
    subject.toggler.plan("enable", OSError("busy"))
    first = subject.acquire("A")
    subject.release(first)
    subject.acquire("B")
    subject.release(first)
    subject.advance(100)
    assert subject.toggler.calls == ["disable", "enable"]
    assert [hold.owner for hold in subject.status().holds] == ["B"]


def test_a_failure_after_the_cooldown_is_told_and_retried(make):
    """S2Z-T17 E fails inside the cooldown timer → retried with backoff, error callback called, metric incremented."""
    subject = make(cooldown=1, backoff=Backoff(first=1))
    subject.toggler.plan("enable", OSError("one"), OSError("two"))
    subject.release(subject.acquire())
    subject.advance(1)
    assert [str(error) for error in subject.errors] == ["sleeping could not be allowed: one"]
    subject.advance(1)
    subject.advance(1.9)
    assert subject.toggler.count("enable") == 2
    subject.advance(0.1)
    assert subject.toggler.count("enable") == 3
    assert subject.status().counters.failed_enables == len(subject.errors) == 2
    assert subject.status().sleep == "allowed"


def test_a_permanent_failure_backs_off_to_a_limit_and_does_not_hinder_the_end(make):
    """S2Z-T18 E fails permanently → bounded backoff (cap), status shows last error and next attempt; ends in time."""
    subject = make(backoff=Backoff(first=1, longest=4))
    subject.toggler.plan("enable", *(OSError(f"attempt {number}") for number in range(1, 100)))
    subject.release(subject.acquire())
    waits = []
    for _ in range(5):
        owed = subject.status().owed
        waits.append(owed.next_attempt_in)
        subject.advance(owed.next_attempt_in)
    assert waits == [1, 2, 4, 4, 4]
    owed = subject.status().owed
    assert (owed.attempts, owed.error) == (6, "attempt 6")
    subject.close(timeout=5)
    assert subject.toggler.count("enable") == 7  # once more, at the end


def test_an_enable_of_which_nothing_is_known_makes_the_next_hold_disable_again(make):
    subject = make(cooldown=1, backoff=Backoff(first=5))
    subject.toggler.plan("enable", After(TimeoutError("no answer")))
    subject.release(subject.acquire())
    subject.advance(1)
    assert subject.toggler.asleep
    assert subject.status().sleep == "unknown"
    subject.acquire()
    assert subject.toggler.calls == ["disable", "enable", "disable"]
    assert not subject.toggler.asleep


def test_a_toggler_that_can_be_asked_is_asked_after_a_failure(make):
    toggler = Looking()
    subject = make(toggler, cooldown=1, backoff=Backoff(first=5))
    toggler.plan("enable", After(OSError("broken pipe")))
    subject.release(subject.acquire())
    subject.advance(1)
    wait_until(lambda: subject.status().sleep == "allowed")
    subject.advance(100)
    assert toggler.calls == ["disable", "enable"]
    assert subject.status().owed is None
    subject.acquire()
    assert toggler.calls == ["disable", "enable", "disable"]


def test_asking_that_fails_changes_nothing(make):
    toggler = Looking()
    subject = make(toggler, cooldown=1, backoff=Backoff(first=5))
    toggler.plan("enable", OSError("broken pipe"))
    toggler.answers.append(OSError("broken too"))
    subject.release(subject.acquire())
    subject.advance(1)
    wait_until(lambda: toggler.asked == 1)
    subject.advance(5)
    wait_until(lambda: toggler.calls == ["disable", "enable", "enable"])
    subject.settle()
    assert subject.status().sleep == "allowed"


def test_a_caller_that_waits_long_enough_gives_up_and_holds_nothing(make):
    subject = make(cooldown=1)
    gate = Gate()
    subject.toggler.plan("disable", gate)
    waiting = subject.begin("acquire", timeout=2)
    assert gate.entered.wait(30)
    assert [hold.waiting for hold in subject.look(1.9).holds] == [True]
    subject.look(0.1)
    with pytest.raises(ToggleTimeoutError, match="not in the time given"):
        waiting.result()
    assert subject.status().holds == ()
    gate.open()
    subject.settle()
    subject.advance(1)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_call_of_the_toggler_may_look_at_its_controller_and_cannot_wait_for_it(request):
    """S2Z-T45 re-entrancy: toggler callback calls status()/acquire() → no deadlock."""
    seen: list[object] = []

    class Curious(Toggler):
        def enable(self) -> None:
            seen.append(subject.status().toggling)
            try:
                subject.acquire()
            except RuntimeError as error:
                seen.append(str(error))
            super().enable()

    toggler = Curious()
    subject = Subject("threads", toggler)
    request.addfinalizer(subject.end)
    subject.release(subject.acquire())
    subject.settle()
    assert seen[0] == "enable"
    assert "a toggler cannot wait for its own controller" in seen[1]
    assert toggler.calls == ["disable", "enable"]
    assert subject.status().holds == ()


def test_an_error_callback_may_call_back(make):
    """S2Z-T45 re-entrancy: ... from the error callback."""
    called = threading.Event()

    def on_error(error) -> None:
        if subject.kind == "threads":
            assert subject.real.status().owed is not None
            subject.real.acquire("callback").release()
        called.set()
        raise ValueError("and it fails")

    subject = make(on_error=on_error)
    subject.toggler.plan("enable", OSError("busy"))
    subject.release(subject.acquire())
    assert called.wait(30)
