"""What belongs to one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ("OwnLoop",)


class OwnLoop:
    """The loop that first awaited something; what it guards is used by no other."""

    __slots__ = ("_closed", "_loop", "_what")

    def __init__(self, what: str) -> None:
        """Belong to no loop yet.

        Args:
            what: What it guards, for people.
        """
        self._what = what
        self._loop: AbstractEventLoop | None = None
        self._closed = False

    def enter(self) -> bool:
        """Check that the running loop is the one; the first is.

        Returns:
            Whether it is the first time.

        Raises:
            RuntimeError: It is another loop, none runs, or this is closed.
        """
        running = asyncio.get_running_loop()
        if running is self._loop:
            return False
        if self._closed:
            raise RuntimeError(f"the {self._what} is closed")
        if self._loop is not None:
            raise RuntimeError(
                f"the {self._what} belongs to another event loop, the one that used it first; make one for each loop"
            )
        self._loop = running
        return True

    def close(self) -> bool:
        """Let no loop in any more.

        Returns:
            Whether it was open.

        Raises:
            RuntimeError: It is open, and belongs to another loop.
        """
        if self._closed:
            return False
        self.enter()
        self._loop, self._closed = None, True
        return True
