"""Removing a container that the engine cannot remove at once."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from workloads.runtimes.container import leftovers

errors = pytest.importorskip("docker.errors")

BUSY = "removing container c root filesystem: unlinkat /data/c/userdata/shm: device or resource busy"


class Engine:
    """An engine that says one thing after the other when a container is to be removed, then nothing."""

    def __init__(self, *said):
        self.said = list(said)
        self.asked = 0

    @contextmanager
    def client(self, doing, *, name):
        yield self

    def remove_container(self, container, *, v, force):
        self.asked += 1
        if self.said:
            status, explanation = self.said.pop(0)
            kind = errors.NotFound if status == 404 else errors.APIError
            raise kind("", response=SimpleNamespace(status_code=status), explanation=explanation)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(leftovers, "_PAUSE", 0)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ((), 1),
        (((404, "no such container"),), 1),
        (((409, "removal of container c is already in progress"),), 1),
        (((500, BUSY),), 2),
        (((500, BUSY), (404, "no such container")), 2),
    ],
    ids=["at-once", "gone", "by-somebody-else", "busy", "busy-then-gone"],
)
def test_a_container_is_removed_or_gone(said, asked):
    engine = Engine(*said)
    leftovers.remove_container(engine, "w", "c")
    assert engine.asked == asked


@pytest.mark.parametrize(
    ("status", "explanation", "asked"),
    [(500, BUSY, leftovers._TRIES), (500, "no space left on device", 1), (409, "it is needed", 1)],
    ids=["busy-for-good", "other", "conflict"],
)
def test_what_lasts_is_told(status, explanation, asked):
    engine = Engine(*[(status, explanation)] * 20)
    with pytest.raises(errors.APIError) as caught:
        leftovers.remove_container(engine, "w", "c")
    assert (caught.value.explanation, engine.asked) == (explanation, asked)
