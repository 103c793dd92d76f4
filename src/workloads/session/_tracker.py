"""Follows what changes in a store, and begins anew when it is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.session.protocols import CoherentStorage, Invalidations

__all__ = ("Tracker",)

_log = logging.getLogger("workloads.session")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts to hear of changes


class Tracker:
    """Hears of every change, or says that it does not.

    Attributes:
        tried: Set once it was tried for the first time, whether or not it succeeded.
    """

    def __init__(
        self,
        remote: CoherentStorage,
        *,
        opened: Callable[[], None],
        changed: Callable[[frozenset[str] | None], None],
        lost: Callable[[], None],
    ) -> None:
        """Hear nothing yet.

        Args:
            remote: The store.
            opened: Called when every change from then on will be heard of.
            changed: Called with the ids of what changed; None for all.
            lost: Called when changes may go unheard from then on.
        """
        self._remote = remote
        self._opened = opened
        self._changed = changed
        self._lost = lost
        self.tried = asyncio.Event()

    async def run(self) -> None:
        """Follow the changes, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with await self._remote.invalidations() as changes:
                    pause = _FIRST_PAUSE
                    await self._follow(changes)
            except SessionStoreUnavailableError as error:
                _log.warning(
                    "changes of sessions are not followed", extra={"store": error.store, "reason": error.reason}
                )
            finally:
                self.tried.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _follow(self, changes: Invalidations) -> None:
        self._opened()
        self.tried.set()
        try:
            async for ids in changes:
                self._changed(ids)
        finally:
            self._lost()  # before anything else is awaited, such as that the connection is closed
