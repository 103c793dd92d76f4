"""The table of sessions and their holders."""

from __future__ import annotations

from workloads.proxyrunner.pins import Pins


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def table(**options):
    clock = Clock()
    return Pins(**{"ttl": 10.0, "clock": clock, **options}), clock


def test_a_session_is_found_where_it_was_pinned_and_not_once_it_is_dropped():
    pins, _ = table()
    pins.pin("s", "a")
    assert pins.find("s").holder == "a"
    assert pins.find("t") is None
    pins.drop("s")
    pins.drop("s")
    assert pins.find("s") is None


def test_a_session_expires_when_nothing_used_it_for_its_time():
    pins, clock = table()
    pins.pin("s", "a")
    clock.now = 10.0
    pin = pins.find("s")
    pins.enter(pin)
    pins.leave(pin)
    clock.now = 20.0
    assert pins.find("s") is pin
    clock.now = 20.1
    assert pins.find("s") is None
    assert len(pins) == 0


def test_a_session_with_an_exchange_under_way_does_not_expire():
    pins, clock = table()
    pins.pin("s", "a")
    pin = pins.find("s")
    pins.enter(pin)
    clock.now = 1000.0
    assert pins.find("s") is pin
    pins.leave(pin)
    clock.now = 1010.0
    assert pins.find("s") is pin


def test_of_too_many_sessions_the_one_unused_for_longest_is_forgotten():
    pins, _ = table(limit=2)
    pins.pin("a", 1)
    pins.pin("b", 2)
    pins.find("a")
    pins.pin("c", 3)
    assert len(pins) == 2
    assert pins.find("b") is None
    assert pins.find("a").holder == 1
