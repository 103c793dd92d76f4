"""The end of a controller, forks, and one-shot holds."""

from __future__ import annotations

import logging
import os
import threading

import pytest
from tests.support.idle import Gate
from tests.support.waiting import wait_until

from workloads.errors import ControllerClosedError, ToggleError
from workloads.scaletozero import Backoff, DebouncedController, OneShot


def test_closing_during_the_cooldown_allows_sleeping(make):
    """S2Z-T47 close() with cooldown pending → policy `enable_now` (default) performs E once; idempotent."""
    subject = make(cooldown=100)
    subject.release(subject.acquire())
    for _ in range(2):
        assert subject.close() == ()
    assert subject.toggler.calls == ["disable", "enable"]


def test_closing_may_leave_it_as_it_is(make):
    """S2Z-T47 ... `leave` performs none; both idempotent, bounded by timeout."""
    subject = make(cooldown=100)
    subject.release(subject.acquire())
    for _ in range(2):
        subject.close(policy="leave")
    assert subject.toggler.calls == ["disable"]


def test_closing_waits_no_longer_than_told(make, caplog):
    """S2Z-T47 ... bounded by timeout."""
    subject = make(cooldown=100)
    gate = Gate()
    subject.toggler.plan("enable", gate)
    subject.release(subject.acquire())
    with caplog.at_level(logging.ERROR, "workloads.scaletozero"):
        subject.close(timeout=0.05)
    assert "closed before the toggler has allowed sleeping" in caplog.text
    gate.open()


def test_closing_with_holders_reports_them(make, caplog):
    """S2Z-T48 close() with holders → reports them; after grace, policy decides; later acquire raises `Closed`."""
    subject = make(cooldown=100)
    subject.acquire("recorder", reason="show")
    with caplog.at_level(logging.WARNING, "workloads.scaletozero"):
        (left,) = subject.close(grace=0.02)
    assert (left.owner, left.reason) == ("recorder", "show")
    assert "closed while 1 holds were left: recorder" in caplog.text
    assert subject.toggler.calls == ["disable", "enable"]
    for verb in (subject.acquire, subject.disable, subject.enable):
        with pytest.raises(ControllerClosedError):
            verb()
    assert subject.status().closed


def test_closing_waits_for_holders_as_long_as_told(make):
    """S2Z-T48 ... after grace, policy decides."""
    subject = make(cooldown=100)
    hold = subject.acquire()
    closing = subject.begin("close", grace=20)
    wait_until(lambda: subject.status().closed)
    hold.release()
    assert closing.result() == ()
    assert subject.toggler.calls == ["disable", "enable"]


def test_closing_ends_the_waiting_of_others(make):
    subject = make()
    gate = Gate()
    subject.toggler.plan("disable", gate)
    waiting = subject.begin("acquire")
    assert gate.entered.wait(30)
    subject.close(policy="leave", timeout=0)
    with pytest.raises(ControllerClosedError):
        waiting.result()
    gate.open()


def test_a_controller_is_a_context_manager():
    from tests.support.idle import Toggler

    toggler = Toggler()
    with DebouncedController(toggler) as controller:
        controller.acquire().release()
    assert toggler.calls == ["disable", "enable"]


def test_freezing_that_fails_changes_nothing_and_one_that_succeeds_is_for_good(make):
    """S2Z-T50 drain/freeze failing does not freeze; succeeding makes later calls no-ops."""
    subject = make(backoff=Backoff(first=100))
    hold = subject.acquire("one")
    subject.toggler.plan("enable", OSError("no"))
    with pytest.raises(ToggleError):
        subject.freeze()
    assert hold.live
    assert [each.owner for each in subject.status().holds] == ["one"]
    assert subject.status().sleep == "forbidden"
    subject.freeze()
    assert subject.toggler.calls == ["disable", "enable", "enable"]
    subject.acquire()
    subject.disable()
    subject.enable()
    subject.release(hold)
    subject.freeze()
    subject.advance(100)
    assert subject.toggler.calls == ["disable", "enable", "enable"]
    assert subject.status().closed


def test_freezing_what_may_sleep_already_needs_no_call(subject):
    subject.freeze()
    subject.acquire()
    assert subject.toggler.calls == []


def test_a_one_shot_hold_ends_only_what_it_took(subject):
    """S2Z-T51 one-shot: release before acquire = no effect; failed acquire = no effect; two racing = one."""
    other = subject.acquire("other")
    early = OneShot(subject, "early")
    early.release()
    assert not early.acquire()
    assert [hold.owner for hold in subject.status().holds] == ["other"]

    once = OneShot(subject, "once", reason="a reason")
    assert once.acquire()
    assert once.acquire()
    assert once.held
    assert [hold.owner for hold in subject.status().holds] == ["other", "once"]
    threads = [threading.Thread(target=once.release) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not once.held
    assert [hold.owner for hold in subject.status().holds] == ["other"]
    assert subject.toggler.calls == ["disable"]
    subject.release(other)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_release_while_a_one_shot_hold_is_taken_wins(subject):
    gate = Gate()
    subject.toggler.plan("disable", gate)
    once = OneShot(subject)
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(once.acquire()))
    thread.start()
    assert gate.entered.wait(30)
    once.release()
    gate.open()
    thread.join()
    assert outcome == [False]
    assert subject.status().holds == ()


def test_a_forked_child_leaves_its_parents_hold_alone_and_has_its_own():
    """S2Z-T46 fork after acquire (gunicorn prefork): child does not release the parent's hold; per-process shares."""
    from tests.support.idle import Toggler

    toggler = Toggler()
    parent = os.getpid()

    def fragile() -> float:
        if os.getpid() != parent:
            raise OSError("no time in a child")
        return 0.0

    # One that cannot begin anew, such as for the clock it was given, does not keep the others from it.
    with DebouncedController(Toggler(), clock=fragile), DebouncedController(toggler, cooldown=0) as controller:
        hold = controller.acquire("parent")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover  # not followed into the child
            try:
                hold.release()
                controller.release(hold)
                seen = [hold.foreign, len(controller.status().holds), list(toggler.calls)]
                with controller.hold("child"):
                    seen.append([each.owner for each in controller.status().holds])
                seen.append(list(toggler.calls))
                os.write(write, repr(seen).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        seen = os.read(read, 10_000).decode()
        os.close(read)
        assert seen == repr([True, 0, ["disable"], ["child"], ["disable", "disable", "enable"]])
        assert not hold.foreign
        assert [each.owner for each in controller.status().holds] == ["parent"]
        controller.release(hold)
        assert toggler.calls == ["disable", "enable"]
