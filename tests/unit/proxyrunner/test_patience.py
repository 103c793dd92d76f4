"""One clock for all who wait."""

from __future__ import annotations

from workloads.proxyrunner.patience import Patience


class Loop:
    """A loop whose time is told by hand."""

    def __init__(self):
        self.now = 0.0
        self.clocks = []

    def time(self):
        return self.now

    def call_later(self, delay, call):
        return self.call_at(self.now + delay, call)

    def call_at(self, when, call):
        self.clocks.append((when, call))
        return call

    def call_soon(self, call):
        call()

    def go_to(self, now):
        self.now = now
        due = [clock for clock in self.clocks if clock[0] <= now]
        self.clocks = [clock for clock in self.clocks if clock[0] > now]
        for _, call in due:
            call()


class Waiter:
    def __init__(self):
        self.times = 0

    def waited(self):
        self.times += 1


def test_each_waits_its_time_and_there_is_one_clock_only():
    loop = Loop()
    patience, first, second, third = Patience(loop, 2), Waiter(), Waiter(), Waiter()
    patience.begin(first)
    loop.go_to(1)
    patience.begin(second)
    patience.begin(third)
    patience.end(third)
    assert len(loop.clocks) == 1
    loop.go_to(2)
    assert (first.times, second.times, len(loop.clocks)) == (1, 0, 1)
    loop.go_to(3)
    assert (first.times, second.times, third.times, loop.clocks) == (1, 1, 0, [])


def test_who_waits_again_waits_as_long_again_and_nothing_runs_while_nobody_waits():
    loop = Loop()
    patience, waiter = Patience(loop, 2), Waiter()
    patience.end(waiter)
    patience.begin(waiter)
    patience.end(waiter)
    loop.go_to(1)
    patience.begin(waiter)
    loop.go_to(2)
    assert waiter.times == 0
    loop.go_to(3)
    assert waiter.times == 1
    patience.begin(waiter)
    patience.end(waiter)
    loop.go_to(5)
    assert (waiter.times, loop.clocks) == (1, [])
