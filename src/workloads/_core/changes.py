"""Being told when files in folders change and when processes end, without looking again and again."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from typing import TYPE_CHECKING

import attrs

from workloads._core.closing import Closing
from workloads._core.process import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from workloads._core.process import ProcessIdentity

__all__ = ("Change", "ChangeWatch")

_POLL = 0.1
_ALL = 2**16  # as much as a pipe holds


@attrs.frozen
class Change:
    """What has happened since the last time.

    Attributes:
        files: Files that were written, renamed or removed.
        ended: Keys of processes that have ended.
        lost: Whether something was missed, so that everything has to be looked at again.
        told: What was passed on from elsewhere, in the order in which it came, each once.
    """

    files: frozenset[Path] = frozenset()
    ended: frozenset[str] = frozenset()
    lost: bool = False
    told: tuple[str, ...] = ()


class ChangeWatch(Closing):
    """Tells of changes in some folders, which need not exist yet, and of the end of some processes.

    On Linux the kernel tells (inotify and pidfds); elsewhere the folders and processes are looked at ten times a
    second. One thread reads; any thread may close. One that nobody has any more closes itself, for Ctrl-C may strike
    before whoever asked for it has it.
    """

    _held = contextlib.ExitStack()
    """What is closed with it: nothing of one that was struck before it had anything."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Begin to watch.

        Args:
            folders: The folders; what is in folders within them is not watched.

        Raises:
            OSError: The system does not allow any more watches.
        """
        self._told: dict[str, None] = {}
        self._interrupted = threading.Event()
        with contextlib.ExitStack() as held:
            read, write = os.pipe()
            self._wake_read, self._wake_write = io.FileIO(read), io.FileIO(write, "w")
            held.callback(self._wake_read.close)
            held.callback(self._wake_write.close)
            os.set_blocking(write, False)
            self._processes = _Processes()
            held.callback(self._processes.close)
            self._folders = _InotifyFolders(folders) if sys.platform == "linux" else _PolledFolders(folders)
            held.callback(self._folders.close)
            self._held = held.pop_all()

    def follow(self, key: str, process: ProcessIdentity | None) -> None:
        """Tell of the end of this process from now on, instead of the one that was followed under the same key.

        Args:
            key: What it is told as.
            process: The process; None follows none.
        """
        self._processes.follow(key, process)

    def next(self, timeout: float | None = None) -> Change | None:
        """Wait for the next change.

        Args:
            timeout: Seconds to wait; None waits as long as it takes.

        Returns:
            None when the time was out, or :meth:`interrupt` was called.
        """
        if self._interrupted.is_set():
            return None
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        for fd in (*self._folders.descriptors(), *self._processes.descriptors()):
            poll.register(fd, select.POLLIN)
        blind = not self._folders.told or self._processes.blind
        if blind and (timeout is None or timeout > _POLL):
            timeout = _POLL
        ready = {fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)}
        told: tuple[str, ...] = ()
        if self._wake_read.fileno() in ready:
            if self._interrupted.is_set():
                return None
            os.read(self._wake_read.fileno(), _ALL)
            # What is told meanwhile has written again.
            told = tuple(self._told)
            for key in told:
                del self._told[key]
        files, lost = self._folders.changes()
        ended = self._processes.ended(ready)
        if not (files or ended or lost or told or blind):
            return None
        return Change(frozenset(files), frozenset(ended), lost, told)

    def tell(self, key: str) -> None:
        """Have :meth:`next` pass this on; from any thread.

        Args:
            key: What shall be told.
        """
        self._told[key] = None
        self._wake()

    def interrupt(self) -> None:
        """End the waiting of another thread, now and ever after; from any thread."""
        self._interrupted.set()
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write.fileno(), b"x")
        except (OSError, ValueError):  # interrupted often enough, or closed
            return

    def close(self) -> None:
        """Free what is held, when nobody waits. Idempotent."""
        self._held.close()

    def __del__(self) -> None:
        """Close what was not closed; at the end of the interpreter the system does."""
        if not sys.is_finalizing():
            self.close()


class _Processes:
    """Processes of which the end is awaited."""

    def __init__(self) -> None:
        self._followed: dict[str, tuple[ProcessIdentity, int | None]] = {}

    @property
    def blind(self) -> bool:
        """Whether there are some for which there is no descriptor, so that they have to be looked at."""
        return any(fd is None for _, fd in self._followed.values())

    def descriptors(self) -> list[int]:
        return [fd for _, fd in self._followed.values() if fd is not None]

    def follow(self, key: str, process: ProcessIdentity | None) -> None:
        current = self._followed.get(key)
        if current is not None and current[0] == process:
            return
        self._forget(key)
        if process is not None and is_alive(process):
            self._followed[key] = process, _pidfd(process)

    def ended(self, ready: set[int]) -> list[str]:
        ended = [
            key
            for key, (process, fd) in self._followed.items()
            if (fd in ready if fd is not None else not is_alive(process))
        ]
        for key in ended:
            self._forget(key)
        return ended

    def close(self) -> None:
        for key in list(self._followed):
            self._forget(key)

    def _forget(self, key: str) -> None:
        _, fd = self._followed.pop(key, (None, None))
        if fd is not None:
            os.close(fd)


def _pidfd(process: ProcessIdentity) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:  # a kernel or sandbox without them, or it has just ended: it is looked at instead
        return None
    try:
        alive = is_alive(process)
    except BaseException:
        os.close(fd)
        raise
    if alive:
        return fd
    os.close(fd)  # it may be of another process that got the number
    return None


class _InotifyFolders:
    """Folders of which the kernel tells."""

    told = True

    def __init__(self, folders: Iterable[Path]) -> None:
        from inotify_simple import INotify, flags

        self._flags = flags
        self._inotify = INotify(nonblocking=True)
        self._watched: dict[int, Path] = {}
        self._missing = set(folders)
        try:
            self._add_missing()
        except BaseException:
            self._inotify.close()
            raise

    def descriptors(self) -> list[int]:
        return [self._inotify.fileno()]

    def changes(self) -> tuple[set[Path], bool]:
        files: set[Path] = set()
        lost = False
        for event in self._inotify.read(timeout=0):
            if event.mask & self._flags.Q_OVERFLOW:
                lost = True
                continue
            folder = self._watched.get(event.wd)
            if folder is None:
                continue
            if event.mask & (self._flags.IGNORED | self._flags.MOVE_SELF):  # the folder is gone
                if event.mask & self._flags.MOVE_SELF:
                    self._inotify.rm_watch(event.wd)
                del self._watched[event.wd]
                self._missing.add(folder)
                lost = True
            elif event.name:
                files.add(folder / event.name)
        if self._missing and (files or lost):
            files |= self._add_missing()
        return files, lost

    def close(self) -> None:
        self._inotify.close()

    def _add_missing(self) -> set[Path]:
        """Watch the folders that exist by now, and for the others the nearest folder above them that does.

        Returns:
            What is in those that came into being.
        """
        files: set[Path] = set()
        for folder in sorted(self._missing):
            if not self._add(folder):
                self._add(next(parent for parent in folder.parents if parent.is_dir()))
                # It may have come into being before the one above it was watched.
                if not self._add(folder):
                    continue
            self._missing.discard(folder)
            with contextlib.suppress(FileNotFoundError):  # gone already
                files.update(folder.iterdir())
        return files

    def _add(self, folder: Path) -> bool:
        flags = self._flags
        mask = flags.CREATE | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.MOVE_SELF
        try:
            self._watched[self._inotify.add_watch(folder, mask | flags.ONLYDIR)] = folder
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


class _PolledFolders:
    """Folders that have to be looked at, where nobody tells."""

    told = False

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._seen = self._look()

    def descriptors(self) -> list[int]:
        return []

    def changes(self) -> tuple[set[Path], bool]:
        former, self._seen = self._seen, self._look()
        return {path for path, _ in former.items() ^ self._seen.items()}, False

    def close(self) -> None:
        self._seen = {}

    def _look(self) -> dict[Path, tuple[int, int]]:
        found: dict[Path, tuple[int, int]] = {}
        for folder in self._folders:
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found[folder / entry.name] = status.st_mtime_ns, status.st_ino
        return found
