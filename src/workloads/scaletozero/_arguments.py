"""The hold that is made of what a controller is asked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.seconds import check_seconds
from workloads.scaletozero.holds import Hold

if TYPE_CHECKING:
    from workloads.scaletozero.holds import HoldKeeper

__all__ = ("new_hold",)


def new_hold(keeper: HoldKeeper, now: float, owner: str, reason: str, ttl: float | None) -> Hold:
    """A hold that its keeper has still to count.

    Raises:
        ValueError: ``ttl`` is negative or not a number.
    """
    if ttl is None:
        return Hold(keeper, owner, reason, now, None)
    check_seconds("ttl", ttl)
    return Hold(keeper, owner, reason, now, now + ttl)
