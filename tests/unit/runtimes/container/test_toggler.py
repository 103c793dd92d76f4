"""A container whose engine refuses to pause it, or to let it go on."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from workloads.errors import ToggleError
from workloads.runtimes.container.toggler import ContainerToggler

errors = pytest.importorskip("docker.errors")

REFUSED = "OCI runtime pause unsuccessful: freezer not supported"


class Engine:
    """An engine that has one container, which it neither pauses nor lets go on."""

    def __init__(self, **state):
        self.condition = state

    @contextmanager
    def client(self, doing):
        yield self

    def inspect_container(self, container):
        return {"State": self.condition}

    def pause(self, container):
        raise errors.APIError("", response=SimpleNamespace(status_code=500), explanation=REFUSED)

    unpause = pause


@pytest.mark.parametrize("stop_after", [None, 60.0])
def test_one_that_cannot_be_paused_is_not_taken_for_asleep(stop_after):
    toggler = ContainerToggler(Engine(Running=True), "c", stop_after=stop_after)
    with pytest.raises(ToggleError, match=f"cannot be paused: {REFUSED}"):
        toggler.enable()
    assert toggler.state() == "awake"
    toggler.close()


def test_one_that_stays_paused_is_not_taken_for_awake():
    toggler = ContainerToggler(Engine(Running=True, Paused=True), "c", stop_after=None)
    with pytest.raises(ToggleError, match=f"stays paused: {REFUSED}"):
        toggler.disable()
    assert toggler.state() == "asleep"
