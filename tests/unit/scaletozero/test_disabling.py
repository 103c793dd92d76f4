"""Names that forbid sleeping until they are enabled."""

from __future__ import annotations

import logging

import pytest
from tests.support.idle import Gate
from tests.support.waiting import wait_until

from workloads.errors import InvalidNameError, StateError, ToggleError, TooManyDisablesError
from workloads.scaletozero import Backoff, FileDisableStore


def test_both_can_be_repeated(subject):
    """S2Z-T19 disable x3 → D=1; enable x3 → E=1."""
    for _ in range(3):
        subject.disable()
    assert subject.toggler.calls == ["disable"]
    for _ in range(3):
        subject.enable()
    assert subject.toggler.calls == ["disable", "enable"]


def test_enabling_what_is_enabled_does_nothing(subject):
    """S2Z-T20 enable without disable → D=0,E=0."""
    subject.enable()
    assert subject.toggler.calls == []


def test_a_request_does_not_end_a_disable(subject):
    """S2Z-T21 pin, then request in/out → E=0; unpin → E=1."""
    subject.disable()
    subject.release(subject.acquire())
    assert subject.toggler.calls == ["disable"]
    subject.enable()
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_request_outlives_a_disable(subject):
    """S2Z-T22 request in flight, pin, unpin → E=0 until release; then E=1."""
    hold = subject.acquire()
    subject.disable()
    subject.enable()
    assert subject.toggler.calls == ["disable"]
    subject.release(hold)
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_disable_during_a_request_needs_no_call(subject):
    """S2Z-T23 pin while holds exist → no second D; release all → E=0; unpin → E=1."""
    hold = subject.acquire()
    subject.disable()
    subject.release(hold)
    assert subject.toggler.calls == ["disable"]
    subject.enable()
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_failed_disable_is_not_in_force(subject):
    """S2Z-T24 pin's D fails → not pinned, error returned; second try works."""
    subject.toggler.plan("disable", OSError("no"))
    with pytest.raises(ToggleError):
        subject.disable()
    assert subject.status().disables == ()
    subject.disable()
    assert [each.name for each in subject.status().disables] == ["default"]


def test_a_failed_enable_is_an_error_and_repeating_it_tries_again(make):
    """S2Z-T25 unpin's E fails (cooldown 0) → still reported as owed; second unpin retries and succeeds."""
    subject = make(backoff=Backoff(first=100))
    subject.disable()
    subject.toggler.plan("enable", OSError("no"))
    with pytest.raises(ToggleError) as caught:
        subject.enable()
    assert caught.value.verb == "enable"
    assert subject.status().owed.verb == "enable"
    subject.enable()
    assert subject.toggler.calls == ["disable", "enable", "enable"]
    assert subject.status().owed is None


def test_names_are_independent(subject):
    """S2Z-T26 two named pins: removing one keeps it awake; removing the second enables."""
    subject.disable("first")
    subject.disable("second")
    subject.enable("first")
    assert subject.toggler.calls == ["disable"]
    subject.enable("second")
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_disable_with_a_time_to_live_ends_by_itself(make):
    """S2Z-T27 lease with TTL expires without release → enable after TTL (+cooldown); renew extends, never shortens."""
    subject = make(cooldown=1, max_disables=2)
    subject.disable("lease", ttl=10)
    subject.look(5)
    subject.disable("lease", ttl=10)
    subject.disable("lease", ttl=1)
    assert subject.status().disables[0].expires_in == 10
    assert subject.status().disables[0].age == 5
    subject.disable("second", ttl=10)
    with pytest.raises(TooManyDisablesError) as caught:
        subject.disable("third")
    assert caught.value.limit == 2
    subject.advance(10)
    assert subject.status().disables == ()
    assert subject.toggler.count("enable") == 0
    subject.advance(1)
    assert subject.toggler.count("enable") == 1
    subject.enable("lease")  # late, and without effect
    assert subject.toggler.calls == ["disable", "enable"]


def test_a_disable_for_ever_is_not_shortened(make):
    subject = make(cooldown=0)
    subject.disable()
    subject.disable(ttl=1)
    assert subject.status().disables[0].expires_in is None
    subject.advance(10)
    assert subject.toggler.calls == ["disable"]


def test_a_disable_survives_a_restart_only_with_a_store(make, tmp_path):
    """S2Z-T28 pin survives process restart when a store is configured; does not when it is not (explicit)."""
    store = FileDisableStore(tmp_path / "disables")
    first = make(store=store)
    first.disable("kept")
    first.disable("leased", ttl=1000)
    first.disable("over", ttl=1000)
    first.enable("over")
    first.close()
    assert first.toggler.calls == ["disable"]  # it stays forbidden

    second = make(store=store)
    assert second.real is not first.real
    second.enable("not-there")  # the first await of the one for asyncio
    wait_until(lambda: second.toggler.calls == ["disable"])
    assert {each.name: each.expires_in is None for each in second.status().disables} == {"kept": True, "leased": False}
    second.settle()
    second.enable("kept")
    second.enable("leased")
    assert second.toggler.calls == ["disable", "enable"]
    assert store.load() == []

    without = make()
    without.disable()
    without.close()
    assert without.toggler.calls == ["disable", "enable"]
    assert make().status().disables == ()


def test_what_a_store_remembers_is_tried_again_until_it_is_in_force(make, tmp_path):
    store = FileDisableStore(tmp_path)
    first = make(store=store)
    first.disable()
    first.close()
    from tests.support.idle import Toggler

    toggler = Toggler()
    toggler.plan("disable", OSError("no"))
    second = make(toggler, store=store, backoff=Backoff(first=5))
    second.enable("not-there") if second.kind == "asyncio" else None
    wait_until(lambda: second.status().owed)
    assert second.status().owed.verb == "disable"
    assert [each.name for each in second.status().disables] == ["default"]
    second.advance(5)
    assert toggler.calls == ["disable", "disable"]
    assert second.status().sleep == "forbidden"


def test_a_disable_that_cannot_be_remembered_is_an_error_and_not_in_force(make, tmp_path):
    folder = tmp_path / "disables"
    subject = make(store=FileDisableStore(folder))
    subject.enable("another")  # the first await of the one for asyncio, which reads the store
    folder.write_text("not a folder")
    with pytest.raises(StateError):
        subject.disable()
    subject.settle()
    assert subject.status().disables == ()
    assert subject.toggler.calls == ["disable", "enable"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a\n", "x" * 129])
def test_names_that_cannot_be_are_refused(subject, name):
    for verb in (subject.disable, subject.enable):
        with pytest.raises(InvalidNameError):
            verb(name)
    assert subject.toggler.calls == []


def test_two_who_disable_the_same_name_at_once_share_a_call(subject):
    gate = Gate()
    subject.toggler.plan("disable", gate)
    both = [subject.begin("disable") for _ in range(2)]
    assert gate.entered.wait(30)
    gate.open()
    for each in both:
        each.result()
    assert subject.toggler.calls == ["disable"]


def test_an_old_disable_is_warned_of_once(make, caplog):
    subject = make(disable_limit=60, cooldown=0)
    with caplog.at_level(logging.WARNING, "workloads.scaletozero"):
        subject.disable("forgotten")
        subject.look(59)
        assert caplog.records == []
        for _ in range(3):
            subject.look(60)
    assert [record.getMessage() for record in caplog.records] == [
        "'forgotten' has forbidden sleeping for 119 s; enable it if that is over"
    ]
    assert subject.status().oldest_disable == 239
