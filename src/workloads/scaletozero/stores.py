"""What remembers the names that forbid sleeping, so that a restart does not forget them."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Protocol

import attrs

from workloads._core.records import RecordFolder, dump_object, load_object
from workloads.errors import CorruptStateError
from workloads.scaletozero._ledger import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ("DisableStore", "FileDisableStore", "StoredDisable")

_LOG = logging.getLogger("workloads.scaletozero")


@attrs.frozen(kw_only=True)
class StoredDisable:
    """One name that forbids sleeping, as it is remembered.

    Attributes:
        name: The name.
        since: When it was disabled, in seconds since 1970.
        expires: When it ends by itself, in seconds since 1970; None for never.
    """

    name: str
    since: float
    expires: float | None = None


class DisableStore(Protocol):
    """Remembers the names that forbid sleeping. Blocking; asked by one thread at a time, one name at a time.

    Every method raises ``StateError`` when what it keeps cannot be reached.
    """

    def load(self) -> Sequence[StoredDisable]:
        """All that is remembered."""
        ...

    def put(self, disable: StoredDisable) -> None:
        """Remember a name, in the place of what was remembered of it. Lasts when this returns."""
        ...

    def remove(self, name: str) -> None:
        """Forget a name. That it is not known is fine."""
        ...


class FileDisableStore:
    """Remembers names in a folder, one file each, so that several processes can share it.

    A file that is damaged counts as a name that forbids sleeping for ever: to stay awake is the safe side.

    Args:
        folder: The folder; created when first needed, for this user alone.
    """

    def __init__(self, folder: Path) -> None:
        """A store in that folder, which need not exist."""
        self._records = RecordFolder(folder, folder, check_name, kind="disable")

    def load(self) -> list[StoredDisable]:
        """All that is remembered, sorted by name. What has ended by itself is removed."""
        today, found = time.time(), list[StoredDisable]()
        for name in self._records.names():
            each = self._read(name)
            if each is not None and each.expires is not None and each.expires <= today:
                self._records.remove(name)
            elif each is not None:
                found.append(each)
        return found

    def put(self, disable: StoredDisable) -> None:
        """Remember a name, in the place of what was remembered of it."""
        document = {"since": disable.since, "expires": disable.expires}
        self._records.write(disable.name, dump_object(document))

    def remove(self, name: str) -> None:
        """Forget a name. That it is not known is fine."""
        self._records.remove(name)

    def _read(self, name: str) -> StoredDisable | None:
        data = self._records.read(name)
        if data is None:
            return None
        try:
            return _parse(name, load_object(data))
        except ValueError as error:
            _LOG.warning("%s", CorruptStateError(self._records.path(name), f"{error}; it counts as a disable for ever"))
            return StoredDisable(name=name, since=0.0)


def _parse(name: str, document: Mapping[str, object]) -> StoredDisable:
    expires = document.get("expires")
    return StoredDisable(
        name=name,
        since=_time("since", document.get("since")),
        expires=None if expires is None else _time("expires", expires),
    )


def _time(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key}: expected a number of seconds, got {value!r}")  # a damaged file
    return float(value)
