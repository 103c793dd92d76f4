"""Numbers of seconds that callers give."""

from __future__ import annotations

import math

import pytest

from workloads._core.seconds import LONGEST_WAIT, check_seconds, seconds_to_wait


@pytest.mark.parametrize("value", [-1, -0.001, -math.inf, math.nan])
def test_what_is_negative_or_no_number_is_refused(value):
    for check in (check_seconds, seconds_to_wait):
        with pytest.raises(ValueError, match="grace must be a number of seconds, 0 or more, not "):
            check("grace", value)


@pytest.mark.parametrize(("value", "waited"), [(0, 0), (2.5, 2.5), (1e12, LONGEST_WAIT), (math.inf, LONGEST_WAIT)])
def test_the_system_can_wait_for_what_is_given_back(value, waited):
    assert seconds_to_wait("wait", value) == waited


@pytest.mark.parametrize("value", [None, 0, 2.5, math.inf])
def test_seconds_may_be_left_out_where_they_are_only_checked(value):
    check_seconds("ttl", value)


def test_the_longest_wait_fits_into_31_bits_of_milliseconds():
    assert LONGEST_WAIT * 1000 < 2**31
