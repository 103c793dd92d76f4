"""Unix sockets in folders of any depth.

The address of a Unix socket has room for about a hundred bytes, which state folders may exceed. Linux has another name
for a folder that is open, and that one is short.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("PrivateSocket", "short_address")

_ROOM = 103  # of the smallest system, macOS, without the zero at the end


@contextlib.contextmanager
def short_address(path: Path) -> Generator[str]:
    """An address of a Unix socket that fits, valid while this is entered.

    Args:
        path: The socket.

    Raises:
        OSError: Its folder cannot be opened.
    """
    if len(os.fsencode(path)) <= _ROOM:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(Path("/proc/self/fd", str(folder), path.name))
    finally:
        os.close(folder)


@attrs.frozen
class PrivateSocket:
    """A Unix socket that listens, and that only its owner can connect to.

    Attributes:
        path: Where it is, in a folder that only its owner can change.
        socket: The socket; it does not block.
    """

    path: Path
    socket: socket.socket
    _file: tuple[int, int, int]

    @classmethod
    def bind(cls, path: Path) -> PrivateSocket:
        """Listen, in the place of a socket that was left there.

        Args:
            path: Where.

        Raises:
            OSError: It cannot be made; with ``EADDRINUSE`` when somebody listens there.
        """
        if _answers(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_address(path) as address:
                listening.bind(address)
            # Nobody can connect before it listens, so there is no moment in which others could.
            path.chmod(0o600)
            listening.listen(128)
            listening.setblocking(False)
            return cls(path, listening, _identity(path))
        except BaseException:
            listening.close()
            raise

    def close(self) -> None:
        """Listen no more, and remove its file."""
        self.socket.close()
        self.remove()

    def remove(self) -> None:
        """Remove its file, unless another socket is there by now. Idempotent."""
        with contextlib.suppress(FileNotFoundError):
            if _identity(self.path) == self._file:
                self.path.unlink()


def _answers(path: Path) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            with short_address(path) as address:
                probe.connect(address)
        except BlockingIOError:  # so many wait for it that there is no room
            return True
        except OSError:
            return False
    return True


def _identity(path: Path) -> tuple[int, int, int]:
    """What tells a file from another that is at its place later; its number alone may be given again at once."""
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_ctime_ns
