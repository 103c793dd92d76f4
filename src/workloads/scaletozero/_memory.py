"""A store behind a controller: each name is written as it stands, whichever of two calls at once writes last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.scaletozero.stores import DisableStore, StoredDisable

__all__ = ("Memory", "write")


class Memory:
    """A store for threads.

    Args:
        store: The store; None remembers nothing.
    """

    def __init__(self, store: DisableStore | None) -> None:
        """Nothing is read or written yet."""
        self._store = store
        self._lock = threading.Lock()

    def load(self) -> Sequence[StoredDisable]:
        """All that is remembered."""
        return () if self._store is None else self._store.load()

    def update(self, name: str, current: Callable[[str], StoredDisable | None]) -> None:
        """Bring the store up to what holds for a name.

        Args:
            name: The name.
            current: Tells what holds: what is to be remembered, or None when it is to be forgotten.
        """
        if self._store is None:
            return
        with self._lock:
            write(self._store, name, current(name))


def write(store: DisableStore, name: str, stored: StoredDisable | None) -> None:
    """Remember a name, or forget it."""
    if stored is None:
        store.remove(name)
    else:
        store.put(stored)
