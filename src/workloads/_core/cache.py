"""The records of a folder in memory, read again where their files changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads._core.records import RecordFolder, Stamp

__all__ = ("RecordCache",)

T = TypeVar("T")

# A file may be written twice within one tick of the clock that stamps it, and the second time get the number and size
# of the first. Only what has been left alone for longer than a tick is known by its stamp.
_TICK_NS = 100_000_000


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
        # Replaced as a whole, so that threads which read at once cannot mix what they remember.
        self._known: tuple[dict[str, Stamp], dict[str, T | StateError]] = {}, {}

    def read(self) -> dict[str, T | StateError]:
        """Every record as it is on the disk now, by name; of one that cannot be read, the reason.

        Raises:
            InsecureStateError: Others could have changed what is in the folder.
            StateError: The folder cannot be read.
        """
        (known, former), settled = self._known, time.time_ns() - _TICK_NS
        stamps: dict[str, Stamp] = {}
        found: dict[str, T | StateError] = {}
        for name, stamp, content in self._folder.look(known):
            if content is None:
                found[name] = former[name]
            elif isinstance(content, StateError):
                found[name] = content
            else:
                try:
                    found[name] = self._parse(name, content)
                except StateError as error:
                    found[name] = error
            if stamp is not None and stamp[0] < settled:
                stamps[name] = stamp
        self._known = stamps, found
        return dict(found)
