"""A short edition of ``python -m tests.fuzz``: clients and servers that say anything, and a proxy that stands it."""

from __future__ import annotations

from tests.fuzz.run import run


def test_nothing_that_is_sent_makes_a_500_or_a_hang_or_is_left_behind():
    assert run(300, number=1) >= 300
