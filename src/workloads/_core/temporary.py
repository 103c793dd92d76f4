"""Temporary files, which become others when they are complete, and what killed writers have left of them.

A temporary file is locked for as long as its writer lives. So one that was left behind can be told from one that is
being written, in whatever process or container.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from io import FileIO
from typing import TYPE_CHECKING

from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ("ADDED_LENGTH", "MARK", "is_temporary", "sweep", "temporary")

MARK = ".tmp-"
"""Stands between the name of the file it shall become and what is random."""
_RANDOM_BYTES = 8
ADDED_LENGTH = len(f".{MARK}") + 2 * _RANDOM_BYTES
"""How many bytes longer its name is."""
# Those that are swept: of this library alone, since others do not lock theirs.
_OURS = re.compile(rf"\..+{re.escape(MARK)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}", re.DOTALL)


def is_temporary(file_name: str) -> bool:
    """Whether a file of that name is what an interrupted write left behind, by this library or by ToolHive.

    Args:
        file_name: The last part of a path.
    """
    return file_name.startswith(".") and MARK in file_name


@contextlib.contextmanager
def temporary(path: Path, data: bytes, *, mode: int, durable: bool) -> Generator[Path, None, None]:
    """A file beside another that holds what that shall hold; gone afterwards unless it was renamed.

    Args:
        path: The other file.
        data: The content.
        mode: The mode it has, whatever the umask.
        durable: Whether the content is on the disk before the block begins.
    """
    file, written = _create(path, mode)
    try:
        fd = file.fileno()
        os.fchmod(fd, mode)  # the umask may have taken rights from the owner
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if durable:
            os.fsync(fd)
        yield written
    finally:
        try:
            with contextlib.suppress(FileNotFoundError):
                written.unlink()
        finally:
            # Closing alone would keep the lock while a child that was forked a moment ago has its copy.
            fcntl.flock(file, fcntl.LOCK_UN)
            file.close()


def _create(path: Path, mode: int) -> tuple[FileIO, Path]:
    """A new file that is locked: an object, since a descriptor alone would stay open after an interrupt at the end."""
    while True:
        written = path.with_name(f".{path.name}{MARK}{os.urandom(_RANDOM_BYTES).hex()}")
        file = FileIO(written, "x", opener=lambda name, flags: os.open(name, flags, mode))
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            # A sweep may have taken it for left behind before it was locked.
            swept = not os.fstat(file.fileno()).st_nlink
        except BaseException:
            file.close()
            written.unlink()
            raise
        if not swept:
            return file, written
        file.close()


def _is_abandoned(fd: int) -> bool:
    """Whether no writer needs a temporary file any more; it is locked from then on, so that none begins."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return False
    if status.st_nlink > 1:
        # It has its own name already, and a lock on it may be one on that.
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(folder: Path) -> int:
    """Remove the temporary files that writers left in a folder when they were killed; never those of a live writer.

    Args:
        folder: The folder, which need not exist. Folders within it are not looked at.

    Returns:
        How many were removed.

    Raises:
        StateError: The folder cannot be looked at, or one of them not be removed.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208  # hidden names alone become paths
        return sum(_sweep_file(folder / name) for name in names if name.startswith(".") and _OURS.fullmatch(name))
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StateError(folder, f"cannot be swept: {error.strerror}") from error


def _sweep_file(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # renamed or removed by its writer, or no file of a writer
        return False
    try:
        if not _is_abandoned(fd):
            return False
        with contextlib.suppress(FileNotFoundError):  # its writer ended well a moment ago
            path.unlink()
            return True
        return False
    finally:
        os.close(fd)
