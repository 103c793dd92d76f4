"""What the end-to-end tests share."""

from __future__ import annotations

import signal

import pytest

import workloads


@pytest.fixture
def manager():
    """A manager of an application folder of its own; what a test leaves running is deleted."""
    with workloads.new_manager("process") as manager:
        try:
            yield manager
        finally:
            names = [workload.name for workload in manager.list_workloads(all=True)]
            manager.delete_workloads(names, grace=5).wait(30)


@pytest.fixture
def hears_hangups():
    """What is started hears SIGHUP, also where this run does not, as under nohup."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)
