"""The choice among replicas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.balance import Balance


def test_equally_loaded_replicas_take_turns():
    balance = Balance()
    assert [balance.choose([0, 0, 0]) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_the_least_loaded_is_chosen_out_of_turn_and_the_turn_goes_on_from_there():
    balance = Balance()
    assert balance.choose([2, 2, 1, 2]) == 2
    assert balance.choose([0, 0, 0, 0]) == 3
    assert balance.choose([0, 0, 0, 0]) == 0


def test_a_turn_beyond_the_replicas_that_are_left_begins_anew():
    balance = Balance()
    assert balance.choose([1, 1, 0]) == 2
    assert balance.choose([0]) == 0
    assert balance.choose([0, 0]) == 1


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), max_size=20))
def test_nothing_is_ever_chosen_that_has_more_to_do_than_another(rounds):
    balance = Balance()
    for loads in rounds:
        assert loads[balance.choose(loads)] == min(loads)
