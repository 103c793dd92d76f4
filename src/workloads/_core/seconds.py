"""Numbers of seconds that callers give."""

from __future__ import annotations

__all__ = ("LONGEST_WAIT", "check_seconds", "seconds_to_wait")

LONGEST_WAIT = 24 * 86400.0
"""Seconds. The system counts the milliseconds of a wait in 31 bits, and who waits longer waits for ever."""


def check_seconds(name: str, value: float | None) -> None:
    """Check a number of seconds that may be left out.

    Args:
        name: What the caller knows it by.
        value: The seconds; None when they are left out.

    Raises:
        ValueError: It is negative or not a number.
    """
    if value is not None and not value >= 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


def seconds_to_wait(name: str, value: float) -> float:
    """A number of seconds that any call of the system can wait for: as given, infinite too, but no more than 24 days.

    Args:
        name: What the caller knows it by.
        value: The seconds.

    Raises:
        ValueError: It is negative or not a number.
    """
    check_seconds(name, value)
    return min(value, LONGEST_WAIT)
