"""Sleeping deeper after a while."""

from __future__ import annotations

import threading

import pytest

from workloads.errors import ToggleError
from workloads.scaletozero.togglers.descent import Descent


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ToggleError("enable", "the engine refuses"), "the engine refuses; it stays paused"),
        (TimeoutError("the engine does not answer"), "the engine does not answer; it may stay paused"),
    ],
)
def test_a_step_that_fails_is_told_in_the_log(caplog, error, told):
    def step():
        raise error

    lock = threading.Lock()
    descent = Descent(lock, 0.0, step)
    with lock:
        descent.begin()
        taking = descent._timer
    assert taking is not None
    taking.join(60)
    assert [record.getMessage() for record in caplog.records if told in record.getMessage()]
