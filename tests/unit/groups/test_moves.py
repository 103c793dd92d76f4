"""Which workloads may move from one group to another."""

from __future__ import annotations

import pytest

from workloads.errors import BatchError, WorkloadFailedError, WorkloadNotFoundError
from workloads.groups.moves import check_moves


def test_all_may_move_that_are_in_the_one_group_or_the_other():
    check_moves({"here": "blue", "there": "red"}, "blue", "red")
    check_moves({}, "blue", "red")


def test_none_is_told_to_have_moved_when_one_cannot():
    absent = WorkloadNotFoundError("absent")
    groups = {"here": "blue", "there": "red", "elsewhere": "green", "absent": absent}
    with pytest.raises(BatchError) as caught:
        check_moves(groups, "blue", "red")
    results = caught.value.results
    assert list(results) == list(groups)
    assert results["there"] is None  # it is where it shall be
    assert results["absent"] is absent
    assert str(results["here"]) == "workload 'here' failed: was not moved, because others cannot be"
    assert str(results["elsewhere"]) == "workload 'elsewhere' failed: is in group 'green', not 'blue'"
    assert all(isinstance(results[name], WorkloadFailedError) for name in ("here", "elsewhere"))


def test_what_shall_stay_where_it_is_has_not_failed():
    with pytest.raises(BatchError) as caught:
        check_moves({"here": "blue", "elsewhere": "green"}, "blue", "blue")
    assert caught.value.results["here"] is None
