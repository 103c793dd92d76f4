"""The kinds of values that options take."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "time", "uvx://mcp-server-time", "--wait"),
        ("stop", "time", "--grace"),
        ("restart", "time", "--grace"),
        ("rm", "time", "--grace"),
        ("update", "time", "--from-config", "-", "--grace"),
        ("wake", "time", "--timeout"),
        ("hold", "time", "--timeout"),
        ("proxyrunner", "--pre-stop-delay"),
        ("proxyrunner", "--stall-timeout"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("seconds", "problem"), [("nan", "nan is not a number of seconds"), ("-1", "not in the range")]
)
def test_what_cannot_be_a_time_is_refused(command, arguments, seconds, problem):
    outcome = command(*arguments, seconds)
    assert outcome.code == 2
    assert f"Invalid value for '{arguments[-1]}': " in outcome.err
    assert problem in outcome.err
    assert command.manager.asked == []


def test_as_long_as_it_takes_is_a_time(command):
    outcome = command("rm", "time", "--grace", "inf")
    assert (outcome.code, outcome.out) == (0, "time: was not there\n")
