"""The records of a folder in memory, read again where their files changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads._core.records import RecordFolder

__all__ = ("RecordCache",)

T = TypeVar("T")

# A file may be written twice within one tick of the clock that stamps it, and the second time get the number and size
# of the first. Only what has been left alone for longer than a tick is known by its stamp.
_TICK_NS = 100_000_000

_Stamp = tuple[int, int, int]


class RecordCache(Generic[T]):
    """Whole folders of records, for who wants to see all of them again and again. Use it from any thread."""

    def __init__(self, folder: RecordFolder, parse: Callable[[str, bytes], T]) -> None:
        """Remember nothing yet.

        Args:
            folder: The folder.
            parse: Makes a record of a name and the content of its file, or raises ``CorruptStateError``.
        """
        self._folder = folder
        self._parse = parse
        self._known: dict[str, tuple[_Stamp, T | StateError]] = {}

    def read(self) -> dict[str, T | StateError]:
        """Every record as it is on the disk now, by name; of one that cannot be read, the reason.

        Raises:
            InsecureStateError: Others could have changed what is in the folder.
            StateError: The folder cannot be read.
        """
        known, now = self._known, time.time_ns()
        found: dict[str, T | StateError] = {}
        keep: dict[str, tuple[_Stamp, T | StateError]] = {}
        for name, status in self._folder.scan(known):
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            former = known.get(name)
            if former is not None and former[0] == stamp:
                found[name] = former[1]
                keep[name] = former
                continue
            try:
                data = self._folder.read_quickly(name, status)
                if data is None:  # removed meanwhile
                    continue
                found[name] = self._parse(name, data)
            except StateError as error:
                found[name] = error
            if now - status.st_mtime_ns > _TICK_NS:
                keep[name] = stamp, found[name]
        self._known = keep
        return found
