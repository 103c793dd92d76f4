"""What runner and manager tell each other."""

from __future__ import annotations

import os

import pytest

from workloads.errors import PortInUseError, RunConfigError, WorkloadFailedError
from workloads.managers.handshake import Event, Reporter, Start


def test_a_start_survives_the_pipe_and_shows_no_secret():
    start = Start({"TOKEN": "canary-7f3"}, foreground=True)
    assert Start.decode(start.encode()) == start
    assert "canary-7f3" not in repr(start)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (WorkloadFailedError("a", "exited with code 3", logs=["x", "y"]), WorkloadFailedError),
        (PortInUseError("127.0.0.1", 8080), PortInUseError),
        (RunConfigError([]), WorkloadFailedError),
    ],
)
def test_a_failure_comes_out_of_the_pipe_as_the_error_it_was(error, expected):
    twin = Event.decode(Event.failure(error).encode()).error("a")
    assert type(twin) is expected
    if type(error) is expected:
        assert str(twin) == str(error)


def test_a_manager_that_has_gone_needs_not_be_told():
    read, write = os.pipe()
    os.close(read)
    reporter = Reporter(write)
    reporter.send(Event("ready"))
    reporter.close()
    reporter.close()


def test_a_start_that_was_cut_is_none():
    start = Start({}, launch_id="0123")
    line = start.encode()
    assert Start.decode(line) == start
    assert all(Start.decode(line[:length]) is None for length in range(len(line)))
