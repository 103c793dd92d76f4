"""A file that counts who forbids sleeping: how it is read and written.

Unikraft's is ``/uk/libukp/scale_to_zero_disable``: it reads as ``=N``, takes ``+`` and ``-``, and sleeping is allowed
at 0. Some platforms put a regular file there which the guest's init drains: commands are appended to it, under a lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from workloads.errors import ControlFileError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ("ControlFile", "Mode", "Reading", "parse_reading")

Mode = Literal["truncate", "append"]
"""How a command is written: in the place of the content, or after it."""

_READING = re.compile(rb"=(\d{1,20})\s*([+\-\d=\s]*)", re.ASCII)
_COMMAND = re.compile(rb"([+\-=])(\d*)", re.ASCII)
_LONGEST = 65_536
_LOCK_WAIT = 5.0
_PAUSE = 0.005
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a disk"))


class Reading(NamedTuple):
    """What a control file says.

    Attributes:
        value: The count.
        pending: The count once the commands that were not carried out yet are.
    """

    value: int
    pending: int


def parse_reading(data: bytes) -> Reading | None:
    """What the content of a control file says.

    Args:
        data: The content, such as ``=3`` or, with a command that was not carried out yet, ``=3+``.

    Returns:
        None when it does not tell a count.
    """
    found = _READING.fullmatch(data.strip())
    if found is None:
        return None
    value = pending = int(found[1])
    for sign, digits in _COMMAND.findall(found[2]):
        number = int(digits) if digits else 1
        pending = number if sign == b"=" else pending + number if sign == b"+" else pending - number
    return Reading(value, pending)


class ControlFile:
    """The file of one platform.

    Args:
        path: Where it is. It is never created.
        mode: How commands are written.
    """

    def __init__(self, path: Path, mode: Mode) -> None:
        """Nothing is read or written yet."""
        self.path = path
        self.mode: Mode = mode

    def available(self) -> bool:
        """Whether it is there.

        Raises:
            ControlFileError: That cannot be told, or what is there cannot be a control file.
        """
        try:
            found = os.stat(self.path)  # noqa: PTH116  # the other calls of this module take no Path either
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._error("cannot be looked at", error) from error
        for is_kind, name in _KINDS:
            if is_kind(found.st_mode):
                raise ControlFileError(self.path, f"is {name}, not a control file")
        return True

    def write(self, command: bytes) -> None:
        """Write one command, with one system call.

        Args:
            command: The command, such as ``+``.

        Raises:
            ControlFileError: It was not written, or that is not known.
        """
        how = os.O_TRUNC if self.mode == "truncate" else os.O_APPEND
        try:
            with self._opened(os.O_WRONLY | how, fcntl.LOCK_EX) as fd:
                written = os.write(fd, command)
        except OSError as error:
            if isinstance(error, ControlFileError):
                raise
            raise self._error(f"does not take {command.decode()!r}", error) from error
        if written != len(command):
            raise ControlFileError(self.path, f"took {written} of {len(command)} bytes", errno=errno.EIO)

    def read(self) -> Reading | None:
        """What it says; None when it does not tell, or cannot be read."""
        try:
            with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as fd:
                return parse_reading(os.read(fd, _LONGEST))
        except OSError:
            return None

    @contextlib.contextmanager
    def _opened(self, flags: int, lock: int) -> Generator[int]:
        # Non-blocking: should a pipe be put there meanwhile, it would block for ever.
        fd = os.open(self.path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if self.mode == "append":
                self._lock(fd, lock)
            yield fd
        finally:
            os.close(fd)

    def _lock(self, fd: int, lock: int) -> None:
        deadline = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                return fcntl.flock(fd, lock | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise ControlFileError(
                        self.path, f"is locked by another for more than {_LOCK_WAIT:g} s", errno=errno.EWOULDBLOCK
                    ) from None
                time.sleep(_PAUSE)

    def _error(self, what: str, error: OSError) -> ControlFileError:
        return ControlFileError(self.path, f"{what}: {error.strerror or error}", errno=error.errno)
