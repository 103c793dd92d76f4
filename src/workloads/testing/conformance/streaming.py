"""Streams: logs and events, and that they end when they are closed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from workloads.errors import GroupNotFoundError
from workloads.model import Capability, EventType, WorkloadStatus
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.manager import Manager, Stream
    from workloads.model import WorkloadEvent

__all__ = ("StreamingTests",)

_CLOSE_LIMIT = 0.1
_TRIES = 5


class StreamingTests(Hooks):
    """What holds for every :class:`workloads.Stream` of a manager."""

    def test_a_watch_begins_with_what_there_is(self, subject: Manager) -> None:
        """``ADDED`` for all present, then ``SYNCED``."""
        _need_watch(subject)
        one, two = self.run_all(subject, self.make_config("one"), self.make_config("two"))
        subject.stop_workloads(["two"]).wait(self.patience)
        with subject.watch_workloads() as watch:
            first, second, third = next(watch), next(watch), next(watch)
        assert {first.type, second.type} == {EventType.ADDED}
        told = {event.workload.name: event.workload for event in (first, second) if event.workload is not None}
        assert told["one"] == one
        assert told["two"].status is WorkloadStatus.STOPPED
        assert told["two"].url == two.url
        assert (third.type, third.workload) == (EventType.SYNCED, None)

    def test_a_watch_tells_the_life_of_a_workload(self, subject: Manager) -> None:
        """From ``ADDED`` to ``DELETED``, with the states between that a reader keeps up with."""
        _need_watch(subject)
        with subject.watch_workloads() as watch:
            assert next(watch).type is EventType.SYNCED
            self.run(subject)
            events = [_until(watch, lambda event: _status(event) is WorkloadStatus.RUNNING)]
            subject.stop_workloads(["one"]).wait(self.patience)
            events.append(_until(watch, lambda event: _status(event) is WorkloadStatus.STOPPED))
            subject.delete_workloads(["one"]).wait(self.patience)
            events.append(_until(watch, lambda event: event.type is EventType.DELETED))
        assert [event.type for event in events][1:] == [EventType.MODIFIED, EventType.DELETED]

    def test_a_slow_reader_gets_the_last_state_and_not_every_one(self, subject: Manager) -> None:
        """Nothing is kept for it but what is new; what it reads in the end is what is."""
        _need_watch(subject)
        self.run(subject)
        with subject.watch_workloads() as watch:
            _until(watch, lambda event: event.type is EventType.SYNCED)
            subject.restart_workloads(["one"]).wait(self.patience)
            subject.stop_workloads(["one"]).wait(self.patience)
            now = subject.get_workload("one")
            # A surface may have read one ahead, and be holding another.
            events = [next(watch)]
            while events[-1].workload != now:
                events.append(next(watch))
        assert len(events) <= 3  # of more than six changes where something really runs
        assert {event.type for event in events} == {EventType.MODIFIED}

    def test_a_watch_of_a_group_tells_who_joins_and_leaves(self, subject: Manager, manager: Manager) -> None:
        """As ``ADDED`` and ``DELETED``; a group that does not exist cannot be watched."""
        _need_watch(subject)
        from workloads.factory import new_group_manager

        with pytest.raises(GroupNotFoundError):
            subject.watch_workloads(group="blue")
        new_group_manager(manager).create("blue")
        self.run(subject)
        with subject.watch_workloads(group="blue") as watch:
            assert next(watch).type is EventType.SYNCED
            subject.move_to_group(["one"], "default", "blue")
            joined = next(watch)
            subject.move_to_group(["one"], "blue", "default")
            left = _until(watch, lambda event: event.type is not EventType.MODIFIED)
        assert (joined.type, left.type) == (EventType.ADDED, EventType.DELETED)

    def test_closing_a_stream_ends_a_blocked_reader_within_a_tenth_of_a_second(self, subject: Manager) -> None:
        """From another thread, any number of times, watch or followed log."""
        self.run(subject)

        def followed() -> Stream[Any]:
            return subject.get_logs("one", follow=True, lines=0)

        streams: list[Callable[[], Stream[Any]]] = [followed]
        if Capability.WATCH in subject.capabilities:
            streams.append(subject.watch_workloads)
        for opening in streams:
            # A busy machine may hold up one attempt; it does not hold up all of them.
            assert min(_time_to_close(opening, self.patience) for _ in range(_TRIES)) < _CLOSE_LIMIT

    def test_logs_hold_what_the_server_wrote(self, subject: Manager) -> None:
        """All of it, the last lines, or none."""
        self.call(self.run(subject).url, "text")
        self.until(lambda: _all(subject.get_logs("one")))
        every = _all(subject.get_logs("one"))
        assert _all(subject.get_logs("one", lines=1)) == every[-1:]
        assert _all(subject.get_logs("one", lines=len(every) + 10)) == every
        assert _all(subject.get_logs("one", lines=0)) == []
        assert _all(subject.get_logs("one", replica=0)) == every
        assert _all(subject.get_logs("one", replica=7)) == []
        assert not any(line.endswith("\n") for line in every)
        with pytest.raises(ValueError, match="negative"):
            subject.get_logs("one", lines=-1)
        with pytest.raises(ValueError, match="negative"):
            subject.get_logs("one", replica=-1)

    def test_followed_logs_show_new_lines_and_end_with_the_workload(self, subject: Manager) -> None:
        """Without being closed."""
        workload = self.run(subject)
        seen: list[str] = []
        with subject.get_logs("one", follow=True, lines=0) as lines:
            reader = threading.Thread(target=lambda: seen.extend(lines))
            reader.start()
            try:
                self.call(workload.url, "text")
                self.until(lambda: seen)
            finally:
                subject.stop_workloads(["one"]).wait(self.patience)
            reader.join(self.patience)
            assert not reader.is_alive()


def _need_watch(subject: Manager) -> None:
    if Capability.WATCH not in subject.capabilities:
        pytest.skip("it cannot watch")


def _until(watch: Stream[WorkloadEvent], condition: Callable[[WorkloadEvent], bool]) -> WorkloadEvent:
    """The first event for which a condition holds."""
    for event in watch:
        if condition(event):
            return event
    raise AssertionError("the watch ended")


def _status(event: WorkloadEvent) -> WorkloadStatus | None:
    return None if event.workload is None else event.workload.status


def _all(stream: Stream[str]) -> list[str]:
    with stream as lines:
        return list(lines)


def _time_to_close(opening: Callable[[], Stream[Any]], patience: float) -> float:
    """Seconds from closing a stream to the end of a reader that waits for its next item."""
    stream, ended = opening(), threading.Event()

    def read() -> None:
        for _ in stream:
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    ended.wait(0.05)  # long enough for it to have taken what there is, and to wait
    began = time.monotonic()
    stream.close()
    assert ended.wait(patience), "closing does not end a reader"
    took = time.monotonic() - began
    stream.close()
    reader.join()
    assert next(stream, None) is None
    return took
