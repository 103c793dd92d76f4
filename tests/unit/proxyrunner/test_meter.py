"""What a proxy runner counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.meter import BUCKETS, Histogram, Meter


@given(st.lists(st.floats(0, 1e6)))
def test_each_class_holds_what_is_not_above_its_bound(durations):
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    classes = list(histogram.cumulative())
    assert [bound for bound, _ in classes] == [*BUCKETS, float("inf")]
    assert all(count == sum(seconds <= bound for seconds in durations) for bound, count in classes)
    assert histogram.total == pytest.approx(sum(durations))


def test_a_stream_counts_as_a_request_and_not_as_a_duration():
    meter = Meter()
    meter.answered("POST", 200, 0.5)
    meter.answered("GET", 200, None)
    meter.answered("GET", 200, None)
    assert meter.requests == {("POST", 200): 1, ("GET", 200): 2}
    assert sum(meter.durations.counts) == 1


def test_methods_that_clients_make_up_take_no_room():
    meter = Meter()
    for number in range(100):
        meter.answered(f"METHOD{number}", 405, 0.5)
    meter.answered("other", 405, 0.5)
    assert meter.requests == {("other", 405): 101}
