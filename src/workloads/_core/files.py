"""Files that survive crashes, in folders that can be trusted.

A file is written whole under a temporary name, ``.<file name>.tmp-<random>``, and then given its own: who reads sees
the old content or the new, whatever happens in between. Files get mode 0600 and folders 0700, whatever the umask.

A temporary file is locked for as long as its writer lives, so that :func:`sweep` can tell one that was left behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import stat
from typing import TYPE_CHECKING

from workloads.errors import InsecureStateError, InvalidNameError, StateError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = (
    "as_state_error",
    "check_entry",
    "check_folder",
    "create_exclusive",
    "entry",
    "is_temporary",
    "open_folder",
    "read_bytes",
    "read_file",
    "remove",
    "rename",
    "secure_folder",
    "sweep",
    "write_atomic",
)

# Non-blocking, or a named pipe put in the place of a file would block for ever.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CHUNK = 1 << 20
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_TEMPORARY = ".tmp-"
_RANDOM_BYTES = 8
# Those that are swept: of this library alone, since others do not lock theirs.
_OURS = re.compile(rf"\..+{re.escape(_TEMPORARY)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}", re.DOTALL)
# What a file system allows, less what a temporary name adds.
_LONGEST_NAME = 255 - len(f".{_TEMPORARY}") - 2 * _RANDOM_BYTES
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")  # what nearly all are, and nothing is wrong with


def is_temporary(file_name: str) -> bool:
    """Whether a file of that name is what an interrupted write left behind, by this library or by ToolHive.

    Args:
        file_name: The last part of a path.
    """
    return file_name.startswith(".") and _TEMPORARY in file_name


def entry(folder: Path, file_name: str, *, kind: str = "workload") -> Path:
    """The path of a file in a folder; never of anything outside of it.

    Args:
        folder: The folder.
        file_name: The name of the file.
        kind: What it is named after, for the error.

    Raises:
        InvalidNameError: It cannot be the name of a file there.
    """
    check_entry(file_name, kind=kind)
    return folder / file_name


def check_entry(file_name: str, *, kind: str = "workload") -> None:
    """Check that a file can have this name.

    Args:
        file_name: The name of the file.
        kind: What it is named after, for the error.

    Raises:
        InvalidNameError: It cannot.
    """
    if _PLAIN.fullmatch(file_name):
        return
    if file_name in ("", ".", "..") or "/" in file_name or "\0" in file_name:
        raise InvalidNameError(file_name, "must be the name of a file, without '/'", kind=kind)
    if is_temporary(file_name):
        raise InvalidNameError(file_name, f"must not begin with '.' and contain {_TEMPORARY!r}", kind=kind)
    try:
        length = len(os.fsencode(file_name))
    except UnicodeEncodeError as error:
        raise InvalidNameError(
            file_name, "must be the name of a file, which half a character cannot be", kind=kind
        ) from error
    if length > _LONGEST_NAME:
        raise InvalidNameError(file_name, f"must not exceed {_LONGEST_NAME} bytes as the name of a file", kind=kind)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it always holds the old content or the new, and is on the disk when this returns.

    Args:
        path: The file, in a folder that exists. A symbolic link of that name is replaced, not followed.
        data: The new content.

    Raises:
        StateError: It cannot be written; the old file is as it was.
    """
    with _as_state_errors(path), _temporary(path, data, durable=True) as temporary:
        os.replace(temporary, path)  # noqa: PTH105  # the other calls of this module take no Path either
        _sync_folder(path.parent)


def create_exclusive(path: Path, data: bytes, *, durable: bool = True) -> bool:
    """Write a new file, or do nothing when there is one of that name; of several callers at once one succeeds.

    Args:
        path: The file, in a folder that exists.
        data: Its content.
        durable: Whether it must be on the disk when this returns.

    Returns:
        Whether the file was created.

    Raises:
        StateError: It cannot be written.
    """
    with _as_state_errors(path), _temporary(path, data, durable=durable) as temporary:
        try:
            os.link(temporary, path)  # fails when the name is taken, which a rename would not
        except FileExistsError:
            return False
        if durable:
            _sync_folder(path.parent)
    return True


def read_bytes(path: Path) -> bytes | None:
    """The content of a file, or None when it does not exist.

    Args:
        path: A regular file. A symbolic link is not followed: what it points to is not the owner's record.

    Raises:
        StateError: It cannot be read, or is not a regular file.
    """
    try:
        return read_file(path)[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise as_state_error(path, error) from error


def read_file(name: str | Path, folder: int | None = None) -> tuple[bytes, os.stat_result]:
    """The content and the status of a regular file; a symbolic link is not followed.

    Args:
        name: The file.
        folder: The descriptor of the folder it is in; None (the default) for a path.

    Raises:
        OSError: It does not exist, cannot be read, or is not a regular file; :func:`as_state_error` has the words.
    """
    fd = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file; move it away")
        data = os.read(fd, status.st_size + 1)
        if len(data) != status.st_size:  # it is being changed, or too large for one read
            data = b"".join([data, *iter(lambda: os.read(fd, _CHUNK), b"")])
        return data, status
    finally:
        os.close(fd)


def as_state_error(path: Path, error: OSError) -> StateError:
    """The error of this library for what the system said of a file."""
    if error.errno == errno.ELOOP:
        return StateError(path, "is a symbolic link, which is not followed; replace it by the file")
    return StateError(path, error.strerror or str(error))


def rename(source: Path, target: Path) -> None:
    """Give a file the name of another in the same folder, in its place, lasting when this returns.

    Args:
        source: The file.
        target: Its new name.

    Raises:
        StateError: It cannot be renamed; both are as they were.
    """
    with _as_state_errors(source):
        source.replace(target)
        _sync_folder(target.parent)


def remove(path: Path) -> bool:
    """Remove a file.

    Args:
        path: The file.

    Returns:
        Whether there was one.

    Raises:
        StateError: It cannot be removed.
    """
    with _as_state_errors(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _sync_folder(path.parent)
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
    removed = 0
    with _as_state_errors(folder):
        try:
            names = os.listdir(folder)  # noqa: PTH208  # hidden names alone become paths
        except FileNotFoundError:
            return 0
        for name in names:
            if name.startswith(".") and _OURS.fullmatch(name):
                removed += _sweep_file(folder / name)
    return removed


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


def secure_folder(path: Path, *, root: Path | None = None) -> None:
    """Make sure that a folder exists and that only its owner, this user, can change what is in it.

    Folders that are missing are created with mode 0700, parents too.

    Args:
        path: The folder.
        root: A parent of it (or itself): this one and all below it must be safe as well. None means ``path`` alone;
            what is above is not looked at.

    Raises:
        InsecureStateError: A folder belongs to another user or can be written by others.
        StateError: It cannot be created.
    """
    with _as_state_errors(path):
        _make_folder(path)
    check_folder(path, root=root)


def check_folder(path: Path, *, root: Path | None = None) -> bool:
    """Check that only its owner, this user, can change what is in a folder. Changes nothing.

    Args:
        path: The folder.
        root: As in :func:`secure_folder`.

    Returns:
        Whether it exists.

    Raises:
        InsecureStateError: A folder belongs to another user or can be written by others.
        StateError: It is not a folder, or cannot be looked at.
    """
    with _as_state_errors(path):
        for folder in _from_root(path, root):
            try:
                status = folder.stat()
            except FileNotFoundError:
                return False
            if not stat.S_ISDIR(status.st_mode):
                raise StateError(folder, "is not a folder; move it away")
            if status.st_uid != os.geteuid():
                raise InsecureStateError(
                    folder, f"belongs to user {status.st_uid}, not to user {os.geteuid()} who runs this; use another"
                )
            if status.st_mode & _WRITABLE_BY_OTHERS:
                mode = stat.S_IMODE(status.st_mode)
                raise InsecureStateError(
                    folder, f"can be written by others (mode {mode:04o}); look at what is in it, then chmod go-w"
                )
    return True


@contextlib.contextmanager
def open_folder(path: Path, *, root: Path | None = None) -> Generator[int | None]:
    """The descriptor of a folder that only its owner can change, checked once for all that is read through it.

    Args:
        path: The folder.
        root: As in :func:`secure_folder`.

    Yields:
        The descriptor; None when the folder does not exist.

    Raises:
        InsecureStateError: A folder belongs to another user or can be written by others.
        StateError: It is not a folder, or cannot be opened.
    """
    fd = None
    if check_folder(path, root=root):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except FileNotFoundError:  # removed meanwhile
            pass
        except OSError as error:
            raise as_state_error(path, error) from error
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _from_root(path: Path, root: Path | None) -> list[Path]:
    """The folders from ``root`` down to ``path``."""
    if root is None:
        return [path]
    parts = path.relative_to(root).parts
    return [root.joinpath(*parts[:count]) for count in range(len(parts) + 1)]


def _make_folder(path: Path) -> None:
    if path.is_dir():
        return
    if path.parent != path:
        _make_folder(path.parent)
    try:
        path.mkdir(_FOLDER_MODE)
    except FileExistsError:
        return  # by another process at the same moment, or a file: the check that follows tells
    if stat.S_IMODE(path.stat().st_mode) != _FOLDER_MODE:
        path.chmod(_FOLDER_MODE)  # the umask took rights from the owner, or the parent passed on its set-group-id bit


@contextlib.contextmanager
def _temporary(path: Path, data: bytes, *, durable: bool) -> Generator[Path, None, None]:
    """A locked file beside ``path`` that holds ``data``; gone afterwards unless it was renamed."""
    fd, temporary = _open_temporary(path)
    try:
        os.fchmod(fd, _FILE_MODE)  # the umask may have taken rights from the owner
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if durable:
            os.fsync(fd)
        yield temporary
    finally:
        try:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        finally:
            # Closing alone would keep the lock while a child that was forked a moment ago has its copy.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


def _open_temporary(path: Path) -> tuple[int, Path]:
    while True:
        temporary = path.with_name(f".{path.name}{_TEMPORARY}{os.urandom(_RANDOM_BYTES).hex()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            # A sweep may have taken it for left behind before it was locked.
            swept = not os.fstat(fd).st_nlink
        except BaseException:
            os.close(fd)
            temporary.unlink()
            raise
        if not swept:
            return fd, temporary
        os.close(fd)


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


def _sync_folder(path: Path) -> None:
    """Make renames and removals in a folder last."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot, and need not
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def _as_state_errors(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except StateError:
        raise
    except OSError as error:
        raise as_state_error(path, error) from error
