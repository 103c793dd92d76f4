"""What all streams share: being read by one thread at a time, and closed from any."""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from workloads._core.closing import Closing

if TYPE_CHECKING:
    from typing import Self

__all__ = ("ClosingStream",)

T = TypeVar("T")

_CLOSE_TIMEOUT = 1.0


class ClosingStream(Closing, Generic[T]):
    """An iterator that can be closed from any thread, and by a signal handler in the midst of ``next``.

    What it holds is freed by whoever comes last: by ``close``, or by the ``next`` that ``close`` has interrupted.
    Satisfies ``manager.Stream``.
    """

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._reader: int | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._lock:
            self._reader = threading.get_ident()
            try:
                item = None if self._closed.is_set() else self._next()
                if item is None or self._closed.is_set():
                    self._closed.set()
                    self._free()
                    raise StopIteration
                return item
            finally:
                self._reader = None

    def close(self) -> None:
        """End the stream and free what it holds. Idempotent, from any thread; a blocked ``next`` ends at once."""
        self._closed.set()
        self._interrupt()
        if self._reader == threading.get_ident():
            return  # called by a signal handler in the midst of `next`, which frees everything as it ends
        if self._lock.acquire(timeout=_CLOSE_TIMEOUT):
            try:
                self._free()
            finally:
                self._lock.release()

    @abstractmethod
    def _next(self) -> T | None:
        """Wait for the next item; None at the end, and as soon as ``_closed`` is set."""

    @abstractmethod
    def _interrupt(self) -> None:
        """Wake a ``_next`` that waits for something other than ``_closed``."""

    @abstractmethod
    def _free(self) -> None:
        """Free what the stream holds. Idempotent."""
