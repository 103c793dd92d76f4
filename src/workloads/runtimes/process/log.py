"""A log file that never grows without bound."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("KEPT", "LIMIT", "RotatingLog")

LIMIT = 10 * 1024 * 1024
"""The size in bytes at which a log file is put aside and a new one begun."""
KEPT = 3
"""How many old files are kept: ``<name>.1`` is the newest of them."""

_log = logging.getLogger(__name__)


class RotatingLog:
    """The log file of one server, appended to unbuffered and rotated by size; mode 0600 whatever the umask.

    Writing never fails: what a full or broken disk does not take is dropped, which is logged once and noted in the file
    when there is room again. Not thread-safe.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT, kept: int = KEPT) -> None:
        """Open a log; an existing file is continued.

        Args:
            path: The file.
            limit: Its greatest size in bytes.
            kept: How many old files to keep.

        Raises:
            OSError: The file cannot be opened.
        """
        self._path = path
        self._limit = limit
        self._kept = kept
        self._dropped = 0
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, data: bytes) -> None:
        """Append ``data``. Files are cut after a line end, where there is one."""
        note = b"[%d bytes of this log could not be written]\n" % self._dropped if self._dropped else b""
        try:
            self._append(note + data)
        except OSError as error:
            if not self._dropped:
                _log.warning("cannot write a log", extra={"path": str(self._path), "error": str(error)})
            self._dropped += len(data)
        else:
            self._dropped = 0

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.fchmod(self._fd, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _append(self, data: bytes) -> None:
        while data:
            if self._fd < 0:  # an earlier rotation failed half-way
                self._open()
            fitting = self._fitting(data)
            if not fitting:
                self._rotate()
                continue
            written = os.write(self._fd, data[:fitting])
            self._size += written
            data = data[written:]

    def _fitting(self, data: bytes) -> int:
        """How many bytes of ``data`` go into the present file."""
        room = max(self._limit - self._size, 0)
        if len(data) <= room:
            return len(data)
        whole_lines = data.rfind(b"\n", 0, room) + 1
        # A line longer than a whole file has to be cut somewhere.
        return whole_lines if whole_lines or self._size else room

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
