"""Waiting for what cannot be awaited: a condition, looked at until it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ORPHANS_END = 2.0
"""Seconds after which nothing may be left of what somebody killed."""


def wait_until(condition: Callable[[], object], *, timeout: float = 30.0, every: float = 0.01) -> None:
    """Return as soon as a condition holds.

    Args:
        condition: Looked at again and again.
        timeout: Seconds after which the test fails; many times what it takes, for a machine that does much else.
        every: Seconds between two looks.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not so after {timeout:g} s"
        time.sleep(every)
