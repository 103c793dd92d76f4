"""The ports that replicas get."""

from __future__ import annotations

import pytest

from workloads import RunConfig
from workloads.runtimes.process import ports
from workloads.runtimes.process.runtime import ProcessRuntime


@pytest.fixture(autouse=True)
def same_draw_and_nothing_in_use(monkeypatch):
    monkeypatch.setattr(ports.random, "choice", lambda ports: 20_000)
    monkeypatch.setattr(ports, "is_free", lambda port, host: True)


def test_a_port_that_was_given_away_is_passed_over():
    assert ports.free_port() == 20_000
    assert ports.free_port(taken={20_000, 10_000}) == 10_001


def test_two_replicas_never_get_the_same_port_though_neither_has_taken_it_yet():
    runtime = ProcessRuntime()
    config = RunConfig(name="a", command=("x",), transport="streamable-http", backend_replicas=2)
    assert runtime._address(config) != runtime._address(config)
