"""What a forked child must not take for its own: holds, and the threads and locks behind them."""

from __future__ import annotations

import logging
import os
import weakref
from typing import Protocol

__all__ = ("count", "in_child")

_LOG = logging.getLogger("workloads.scaletozero")

count: int = 0
"""How many forks away this process is from the first one that imported this module."""


class _Forked(Protocol):
    def after_fork(self) -> None:
        """Begin anew, as nothing of what was begun goes on in a child."""
        ...


_alive: weakref.WeakSet[_Forked] = weakref.WeakSet()


def in_child(forked: _Forked) -> None:
    """Have an object told in every forked child."""
    _alive.add(forked)


def _after_fork() -> None:
    global count  # noqa: PLW0603  # the one fact about this process that is kept here
    count += 1
    for each in list(_alive):
        try:
            each.after_fork()
        except Exception:  # noqa: BLE001  # such as that of a clock it was given; the others must be told all the same
            _LOG.exception("a controller could not begin anew in a forked child")


os.register_at_fork(after_in_child=_after_fork)
