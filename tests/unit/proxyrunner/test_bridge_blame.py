"""Whom a message of the server is about that does not say so."""

from __future__ import annotations

import pytest
from tests.support.idle import ManualClock

from workloads.proxyrunner.bridge.blame import AFTERLIFE, Blame
from workloads.proxyrunner.bridge.call import Call, loud_enough


def call(name, owner=None, *, endless=False):
    return Call(1, name, None, {}, owner=owner, endless=endless)


def test_it_is_about_the_only_client_with_requests_in_flight():
    blame = Blame(ManualClock(0.0))
    one, again, other = call("w1", "a"), call("w2", "a"), call("w3", "b")
    assert blame.find([]) is None
    assert blame.find([one]) is one
    assert blame.find([one, again]) is again
    assert blame.find([one, other]) is None
    # Of a client without session every request stands for itself.
    assert blame.find([call("w4"), call("w5")]) is None


def test_subscriptions_cause_nothing():
    blame = Blame(ManualClock(0.0))
    one, listen = call("w1", "a"), call("w2", "b", endless=True)
    assert blame.find([one, listen]) is one
    assert blame.find([listen]) is None
    assert blame.quiet([listen])
    assert not blame.quiet([one])


def test_a_cancelled_request_casts_doubt_until_it_is_answered_or_long_ago():
    clock = ManualClock(0.0)
    blame = Blame(clock)
    gone, one = call("w1", "a"), call("w2", "b")
    blame.cancelled(gone)
    assert blame.find([one]) is None
    assert not blame.quiet([])
    assert blame.find([call("w3", "a")]) is not None
    blame.answered("w1")
    assert blame.find([one]) is one
    blame.cancelled(gone)
    clock.now = AFTERLIFE + 1
    assert blame.find([one]) is one
    assert blame.quiet([])


@pytest.mark.parametrize(
    ("said", "wanted", "loud"),
    [
        ("info", "info", True),
        ("debug", "info", False),
        ("error", "info", True),
        ("error", None, False),
        ("strange", "info", True),
        ("info", "strange", True),
        (None, "info", True),
    ],
)
def test_a_client_gets_log_messages_as_urgent_as_it_wants(said, wanted, loud):
    assert loud_enough({"params": {"level": said}}, wanted) is loud
