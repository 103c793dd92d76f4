"""A hold that is taken at most once and given back at most once, for code that is called without order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController, Controller

__all__ = ("AsyncOneShot", "OneShot")


class _Once:
    """What holds, and whether that is over."""

    def __init__(self, owner: str, reason: str) -> None:
        self._lock = threading.Lock()
        self._owner = owner
        self._reason = reason
        self._hold: Hold | None = None
        self._over = False

    @property
    def held(self) -> bool:
        """Whether it holds."""
        return self._hold is not None and not self._over

    def _keep(self, hold: Hold) -> Hold | None:
        """Keep a hold; returns one that is not needed."""
        with self._lock:
            if self._hold is not None or self._over:
                return hold
            self._hold = hold
            return None

    def _end(self) -> Hold | None:
        """End for good; returns what is to be released."""
        with self._lock:
            self._over = True
            hold, self._hold = self._hold, None
            return hold


class OneShot(_Once):
    """One hold of a controller. For any thread.

    A release without a hold does nothing to the holds of others: not before the hold is taken, not after taking it has
    failed, not twice. After a release nothing is held any more; one that comes while it is being taken wins.

    Args:
        controller: Whose hold it is.
        owner: Who holds.
        reason: What for.
    """

    def __init__(self, controller: Controller, owner: str = "", *, reason: str = "") -> None:
        """Nothing is held yet."""
        super().__init__(owner, reason)
        self._controller = controller

    def acquire(self, *, timeout: float | None = None) -> bool:
        """Hold it, the first time; after a failure it can be tried again.

        Args:
            timeout: As for :meth:`Controller.acquire`.

        Returns:
            Whether it is held.

        Raises:
            ToggleError: Sleeping could not be forbidden.
        """
        if self._hold is None and not self._over:
            hold = self._controller.acquire(self._owner, reason=self._reason, timeout=timeout)
            if (extra := self._keep(hold)) is not None:
                self._controller.release(extra)
        return self.held

    def release(self) -> None:
        """End the hold, if there is one, for good."""
        if (hold := self._end()) is not None:
            self._controller.release(hold)


class AsyncOneShot(_Once):
    """The asyncio twin of :class:`OneShot`.

    Args:
        controller: Whose hold it is.
        owner: Who holds.
        reason: What for.
    """

    def __init__(self, controller: AsyncController, owner: str = "", *, reason: str = "") -> None:
        """Nothing is held yet."""
        super().__init__(owner, reason)
        self._controller = controller

    async def acquire(self, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109  # as OneShot
        """Hold it, the first time; after a failure it can be tried again. See :meth:`OneShot.acquire`."""
        if self._hold is None and not self._over:
            hold = await self._controller.acquire(self._owner, reason=self._reason, timeout=timeout)
            if (extra := self._keep(hold)) is not None:
                await self._controller.release(extra)
        return self.held

    async def release(self) -> None:
        """End the hold, if there is one, for good."""
        if (hold := self._end()) is not None:
            await self._controller.release(hold)
