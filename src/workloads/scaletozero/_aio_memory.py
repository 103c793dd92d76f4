"""A store behind a controller for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from workloads.scaletozero._memory import write
from workloads.scaletozero._offload import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.scaletozero.stores import DisableStore, StoredDisable

__all__ = ("AsyncMemory",)


class AsyncMemory:
    """A store on asyncio.

    Args:
        store: The store; None remembers nothing.
    """

    def __init__(self, store: DisableStore | None) -> None:
        """Nothing is read or written yet."""
        self._store = store
        self._lock = asyncio.Lock()
        self._loading: asyncio.Future[Sequence[StoredDisable]] | None = None
        self.loaded = store is None
        """Whether nothing is left to be read."""

    async def load(self) -> Sequence[StoredDisable]:
        """All that is remembered, to the first who gets it; nothing to the others. Read once, unless that fails."""
        if self.loaded or self._store is None:
            return ()
        loading = self._loading = self._loading or in_thread("store", self._store.load)
        try:
            stored = await asyncio.shield(loading)
        except Exception:
            if self._loading is loading:
                self._loading = None
            raise
        first, self.loaded = not self.loaded, True
        return stored if first else ()

    async def update(self, name: str, current: Callable[[str], StoredDisable | None]) -> None:
        """As ``Memory.update``. Written to the end however often the caller is cancelled, which waits for that."""
        if self._store is None:
            return
        writing = asyncio.ensure_future(self._write(self._store, name, current))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            while not writing.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({writing})
            raise

    async def _write(self, store: DisableStore, name: str, current: Callable[[str], StoredDisable | None]) -> None:
        async with self._lock:  # nothing else may be written meanwhile
            await in_thread("store", partial(write, store, name, current(name)))
