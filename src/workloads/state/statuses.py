"""Statuses of workloads on disk, in ToolHive's format."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from workloads._core.cache import RecordCache
from workloads._core.collections import EMPTY_DICT, read_only
from workloads._core.fields import others, text, whole_number
from workloads._core.records import RecordFolder, dump_object, load_object
from workloads.config.names import check_workload_name
from workloads.errors import CorruptStateError, WorkloadBusyError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads._core.paths import Paths

__all__ = ("StatusRecord", "StatusStore")

# Its holders only write a file, but a disk may be slow, and a status that is given up is lost.
_LOCK_TIMEOUT = 10.0
_STATUSES = {status.value: status for status in WorkloadStatus}
_ACTIVE = frozenset(status.value for status in WorkloadStatus if status.is_active)
_KEYS = frozenset({"status", "status_context", "created_at", "updated_at", "process_id", "started_at"})


# Without slots one is made faster, and a list of workloads makes many.
@attrs.frozen(kw_only=True, slots=False)
class StatusRecord:
    """The status of a workload as its owner last wrote it.

    Attributes:
        status: The status; ``unknown`` for one that this version does not know.
        status_context: Why it is in that state, for people; often empty.
        created_at: When the workload was created, UTC.
        updated_at: When the status was written, UTC.
        process_id: The pid of its proxy runner; 0 when there is none. Only for ToolHive to read: what may be signalled
            stands in the runtime record.
        started_at: When it last became running, UTC; None if it never did or another program wrote the file.
        extra: Keys of the file that are none of these.
    """

    status: WorkloadStatus
    status_context: str = ""
    created_at: datetime
    updated_at: datetime
    process_id: int = 0
    started_at: datetime | None = None
    extra: Mapping[str, Any] = attrs.field(default=EMPTY_DICT, converter=read_only, hash=False)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> StatusRecord:
        """The record in a JSON object.

        Args:
            document: The object. Times are RFC 3339, of which microseconds are kept.

        Raises:
            ValueError: ``status`` or ``created_at`` is missing, or a value cannot be right.
        """
        written, context = text(document, "status"), text(document, "status_context", "")
        status = _STATUSES.get(written)
        if status is None:
            status, context = WorkloadStatus.UNKNOWN, f"its status is {written!r}, which this version does not know"
        created_at = _instant(document, "created_at")
        return cls(
            status=status,
            status_context=context,
            created_at=created_at,
            updated_at=_instant(document, "updated_at") if document.get("updated_at") is not None else created_at,
            process_id=whole_number(document, "process_id", 0),
            started_at=_instant(document, "started_at") if document.get("started_at") is not None else None,
            extra=others(document, _KEYS),
        )


class StatusStore:
    """One file for each status, ``<workload>.json``, with a lock beside it, as ToolHive keeps them.

    Unlike ToolHive it never removes a lock file, which would let two hold the lock, and reads never write. Every
    operation raises ``InvalidNameError`` for what cannot be a name, ``InsecureStateError`` when others could have
    changed the folder, and ``StateError`` when the system refuses it.
    """

    def __init__(self, paths: Paths) -> None:
        """Use the statuses of an application directory; nothing is read or created yet."""
        self._records = RecordFolder(paths.statuses, paths.data, check_workload_name)

    def read(self, name: str) -> StatusRecord | None:
        """The status of a workload; None when there is none.

        Args:
            name: The workload.

        Raises:
            CorruptStateError: The file is damaged. It is left as it is.
        """
        data = self._records.read(name)
        return None if data is None else self._parse(name, data)[1]

    def set(self, name: str, status: WorkloadStatus, context: str = "", *, process_id: int | None = None) -> None:
        """Write the status of a workload; only who owns a transition does.

        When it was created, and what other programs keep in the file, stay as they are. A damaged file is kept under
        another name, ``<workload>.json.corrupted``, and begun anew.

        Args:
            name: The workload.
            status: The status.
            context: Why it is in that state; empty by default.
            process_id: The pid of its proxy runner, 0 for none; None (the default) keeps what is there.

        Raises:
            WorkloadBusyError: Another process has held the lock of the file for 10 seconds.
        """
        lock = self._records.lock(name)
        if not lock.acquire(_LOCK_TIMEOUT):
            raise WorkloadBusyError(name, waited=_LOCK_TIMEOUT)
        try:
            try:
                document = self._document(name)
            except CorruptStateError as error:
                _warn(name, error, self._records.set_aside(name))
                document = None
            self._records.write(name, dump_object(_changed(document, status, context, process_id, _now())))
        finally:
            lock.release()

    def delete(self, name: str) -> bool:
        """Remove the status of a workload.

        Args:
            name: The workload.

        Returns:
            Whether there was one.

        Raises:
            WorkloadBusyError: Another process has held the lock of the file for 10 seconds.
        """
        if not self._records.exists(name):
            return False
        lock = self._records.lock(name)
        if not lock.acquire(_LOCK_TIMEOUT):
            raise WorkloadBusyError(name, waited=_LOCK_TIMEOUT)
        try:
            return self._records.remove(name)
        finally:
            lock.release()

    def cache(self) -> RecordCache[StatusRecord]:
        """All of them in memory, for who wants to see them again and again."""
        return RecordCache(self._records, lambda name, data: self._parse(name, data)[1])

    def names(self) -> list[str]:
        """The workloads that have a status, damaged or not, sorted."""
        return self._records.names()

    def _document(self, name: str) -> dict[str, Any] | None:
        """The content of a file that is known to be right."""
        data = self._records.read(name)
        return None if data is None else self._parse(name, data)[0]

    def _parse(self, name: str, data: bytes) -> tuple[dict[str, Any], StatusRecord]:
        try:
            document = load_object(data)
            return document, StatusRecord.from_dict(document)
        except ValueError as error:
            path = self._records.path(name)
            raise CorruptStateError(path, f"is not a status: {error}; repair or remove it") from error


def _changed(
    document: Mapping[str, Any] | None, status: WorkloadStatus, context: str, process_id: int | None, now: str
) -> dict[str, Any]:
    """The document after a transition. What is not written stays as its text was, times to the nanosecond too."""
    changed = {"status": "", "created_at": now, "process_id": 0} if document is None else dict(document)
    became_running = status is WorkloadStatus.RUNNING and changed["status"] not in _ACTIVE
    changed["status"] = status.value
    changed["status_context"] = context
    changed["updated_at"] = now
    if became_running:
        changed["started_at"] = now
    if process_id is not None or changed.get("process_id") is None:
        changed["process_id"] = process_id or 0
    if not context:
        del changed["status_context"]
    return changed


def _warn(name: str, error: CorruptStateError, kept: Path) -> None:
    import logging

    log = logging.getLogger(__name__)
    log.warning("damaged status begun anew: %s", error, extra={"workload": name, "kept": str(kept)})


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _instant(document: Mapping[str, object], key: str) -> datetime:
    """The time under a key, which must be RFC 3339; what is finer than a microsecond is cut off."""
    written = text(document, key)
    try:
        instant = datetime.fromisoformat(written.upper())
        if instant.tzinfo is UTC:
            return instant
        if instant.tzinfo is not None:  # a time without its zone is one of no particular moment
            return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(_expected(key, written)) from error
    raise ValueError(_expected(key, written))


def _expected(key: str, written: str) -> str:
    return f"{key}: expected a time as of RFC 3339, got {written[:40]!r}"
