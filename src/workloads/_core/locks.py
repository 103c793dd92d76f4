"""Locks between threads and processes of this machine: advisory ones, on files that stay where they are."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import time
import weakref
from typing import TYPE_CHECKING

from workloads._core.files import create_exclusive
from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ("FileLock",)

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.025

# Files of locks that this process holds or waits for. A forked child inherits the open files and with them the locks,
# which would outlive their owner there.
_open_files: weakref.WeakSet[io.FileIO] = weakref.WeakSet()


def _forget_in_child() -> None:
    for file in list(_open_files):
        with contextlib.suppress(OSError):
            file.close()
    _open_files.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class FileLock:
    """An exclusive lock on a file. One holder at a time, whether threads of one process or several processes.

    The operating system lets it go when its holder ends, however that happens; an object that nobody has any more lets
    it go, too. Nobody inherits it: neither a program that is started, nor a forked child. The file is never removed on
    release, because two could then hold "the" lock, one on the old file and one on the new; when somebody else removes
    it, that is noticed when the lock is taken.

    It may not be taken twice by the same thread: like any lock, the second time waits for the first.

    Attributes:
        path: The file.
    """

    __slots__ = ("_held", "path")

    def __init__(self, path: Path) -> None:
        """A lock that is not held.

        Args:
            path: The file to lock, in a folder that exists when the lock is taken.
        """
        self.path = path
        # The file and the process that locked it. A file object, for it is closed, and the lock let go, even where
        # Ctrl-C strikes between two steps of ours.
        self._held: tuple[io.FileIO, int] | None = None

    def __repr__(self) -> str:
        return f"FileLock({str(self.path)!r})"

    def acquire(self, timeout: float | None = None) -> bool:
        """Take the lock.

        Args:
            timeout: Seconds to wait for it; 0 tries once, None (the default) waits as long as it takes.

        Returns:
            Whether it is now held; False when the time was out.

        Raises:
            StateError: The file cannot be opened.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            file = self._open()
            try:
                locked = _lock(file.fileno(), deadline)
                if locked and self._is_current(file.fileno()):
                    self._held = file, os.getpid()
                    return True
            finally:
                if self._held is None or self._held[0] is not file:
                    _close(file)
            if not locked:
                return False
            # Somebody removed the file between opening and locking it: what is locked is no longer "the" lock.

    def release(self) -> None:
        """Let the lock go; nothing happens when it is not held."""
        held, self._held = self._held, None  # before it is free: the next holder may be another thread with this object
        if held is not None and held[1] == os.getpid():
            _close(held[0])

    @contextlib.contextmanager
    def held(self, timeout: float | None = None) -> Generator[None, None, None]:
        """Hold the lock for the length of a ``with`` block.

        Args:
            timeout: Seconds to wait for it; 0 tries once, None (the default) waits as long as it takes.

        Raises:
            TimeoutError: The time was out.
            StateError: The file cannot be opened.
        """
        if not self.acquire(timeout):
            raise TimeoutError(f"{self.path} is locked by another (waited {timeout} s)")
        try:
            yield
        finally:
            self.release()

    def _open(self) -> io.FileIO:
        while True:
            try:
                file = io.FileIO(os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+")
            except FileNotFoundError:
                # Not by O_CREAT: with a strange umask others could for a moment not open the file.
                create_exclusive(self.path, b"", durable=False)
            except OSError as error:
                raise StateError(self.path, f"cannot be opened to lock it: {error.strerror}") from error
            else:
                _open_files.add(file)
                return file

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.lstat())
        except FileNotFoundError:
            return False


def _lock(fd: int, deadline: float | None) -> bool:
    if deadline is None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        return True
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            return True


def _close(file: io.FileIO) -> None:
    with file:
        # Closing alone would keep the lock while a child that was forked a moment ago has not closed its copy yet.
        fcntl.flock(file, fcntl.LOCK_UN)
