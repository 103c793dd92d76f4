"""Sleeping deeper after a while: what was paused for long is stopped."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from workloads.errors import ToggleError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Descent",)

_LOG = logging.getLogger("workloads.scaletozero")


class Descent:
    """A step that is taken later, unless it is called off before. For togglers, with whose lock held it is used.

    Args:
        lock: The lock of the toggler, held while the step is taken.
        after: Seconds until it is; None for never.
        step: The step. When it raises ``ToggleError`` all stays as it is; after ``TimeoutError`` that is not known.
    """

    def __init__(self, lock: threading.Lock, after: float | None, step: Callable[[], object]) -> None:
        """Nothing is due yet."""
        self._lock = lock
        self._after = after
        self._step = step
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Take the step after its time."""
        self.call_off()
        if self._after is not None:
            self._timer = threading.Timer(self._after, self._take)
            self._timer.name, self._timer.daemon = "workloads-scaletozero-stop", True
            self._timer.start()

    def call_off(self) -> None:
        """Do not take it. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # it was called off at the last moment
            self._timer = None
            try:
                self._step()
            except ToggleError as error:
                _LOG.error("%s; it stays paused", error)
            except TimeoutError as error:
                _LOG.error("%s; it may stay paused", error)
