"""Streams are closed from wherever, and freed by whoever comes last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from workloads._core import streams
from workloads._core.streams import ClosingStream

if TYPE_CHECKING:
    from workloads.manager import Stream


class Waiting(ClosingStream[int]):
    """Gives 1, 2, and then waits."""

    def __init__(self, limit=None):
        super().__init__()
        self.given, self.limit, self.waits, self.woken, self.freed = 0, limit, threading.Event(), threading.Event(), 0

    def _next(self):
        self.given += 1
        if self.given == self.limit:
            return None
        if self.given > 2:
            self.waits.set()
            self.woken.wait(30)
        return self.given

    def _interrupt(self):
        self.woken.set()

    def _free(self):
        self.freed += 1


def test_it_is_a_stream_and_ends_by_itself():
    stream: Stream[int] = Waiting(limit=3)
    assert list(stream) == [1, 2]
    assert stream.freed
    with pytest.raises(StopIteration):
        next(stream)
    assert stream.given == 3, "an ended stream is not asked again"


def test_a_blocked_next_is_interrupted_and_gives_nothing():
    with Waiting() as stream:
        given: list[int] = []
        reader = threading.Thread(target=lambda: given.extend(stream))
        reader.start()
        assert stream.waits.wait(30)
        stream.close()
        reader.join(30)
        assert given == [1, 2]
        assert stream.freed


def test_closing_in_the_midst_of_next_leaves_the_freeing_to_it():
    class ClosedBySignal(Waiting):
        def _next(self):
            self.close()
            assert not self.freed
            return 1

    stream = ClosedBySignal()
    assert list(stream) == []
    assert stream.freed == 1


def test_a_reader_that_does_not_wake_does_not_hold_up_who_closes(monkeypatch):
    monkeypatch.setattr(streams, "_CLOSE_TIMEOUT", 0.01)

    class Deaf(Waiting):
        def _interrupt(self):
            """Not now."""

    stream = Deaf()
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    assert stream.waits.wait(30)
    stream.close()
    assert not stream.freed
    stream.woken.set()
    reader.join(30)
    assert stream.freed == 1
