"""Files that survive crashes, in folders that can be trusted.

A file is written whole under a temporary name, ``.<file name>.tmp-<random>``, and then given its own: who reads sees
the old content or the new, whatever happens in between. Files get mode 0600 and folders 0700, whatever the umask.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from workloads._core.temporary import ADDED_LENGTH, MARK, is_temporary, temporary
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
    "open_folder",
    "read_bytes",
    "read_file",
    "remove",
    "rename",
    "secure_folder",
    "write_atomic",
)

# Non-blocking, or a named pipe put in the place of a file would block for ever.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CHUNK = 1 << 20
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# What a file system allows, less what a temporary name adds.
_LONGEST_NAME = 255 - ADDED_LENGTH
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")  # what nearly all are, and nothing is wrong with


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
        raise InvalidNameError(file_name, f"must not begin with '.' and contain {MARK!r}", kind=kind)
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
    with _as_state_errors(path), temporary(path, data, mode=_FILE_MODE, durable=True) as written:
        os.replace(written, path)  # noqa: PTH105  # the other calls of this module take no Path either
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
    with _as_state_errors(path), temporary(path, data, mode=_FILE_MODE, durable=durable) as written:
        try:
            os.link(written, path)  # fails when the name is taken, which a rename would not
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
