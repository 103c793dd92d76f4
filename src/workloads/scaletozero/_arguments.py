"""What every controller is asked with: how its arguments are checked, and the hold that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.scaletozero.holds import Hold

if TYPE_CHECKING:
    from workloads.scaletozero.holds import HoldKeeper

__all__ = ("check_seconds", "new_hold")


def check_seconds(name: str, value: float | None) -> None:
    """Check a number of seconds that may be left out.

    Raises:
        ValueError: It is negative or not a number.
    """
    if value is not None and not value >= 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


def new_hold(keeper: HoldKeeper, now: float, owner: str, reason: str, ttl: float | None) -> Hold:
    """A hold that its keeper has still to count.

    Raises:
        ValueError: ``ttl`` is negative or not a number.
    """
    if ttl is None:
        return Hold(keeper, owner, reason, now, None)
    check_seconds("ttl", ttl)
    return Hold(keeper, owner, reason, now, now + ttl)
