"""One event loop to a storage."""

from __future__ import annotations

import asyncio
from threading import get_ident

__all__ = ("Owner",)


class Owner:
    """The first event loop that uses a thing, and the only one that may: nothing in it is safe in two at once."""

    def __init__(self, kind: str) -> None:
        """Belong to nobody yet.

        Args:
            kind: What belongs to the loop, for the error.
        """
        self._kind = kind
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def check(self) -> None:
        """Take the thing for the running loop, or find that it is its own.

        Raises:
            RuntimeError: It belongs to another loop.
        """
        if self._thread == get_ident() and self._loop is not None and self._loop.is_running():
            return  # a thread runs one loop at a time; to ask for that would ask the kernel, in Python 3.11
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._thread = get_ident()
            self._loop = running
        elif self._loop is not running:
            raise RuntimeError(
                f"this {self._kind} belongs to another event loop, the first that awaited it; make one for each loop"
            )
