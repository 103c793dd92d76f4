"""A running server process, seen from the process that started it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from workloads._core.process import wait_gone
from workloads.runtimes.process.spawn import receive
from workloads.runtimes.protocol import Exit

if TYPE_CHECKING:
    from typing import BinaryIO

    from workloads._core.process import ProcessIdentity
    from workloads.runtimes.process.log import RotatingLog
    from workloads.runtimes.process.spawn import Spawned

__all__ = ("ProcessReplica",)

_CHUNK = 64 * 1024
# More than any pipe holds: what is left to read when all its writers are dead.
_REMAINDER = 2 * 1024 * 1024
_GONE_TIMEOUT = 5.0


class ProcessReplica:
    """A replica that is a process of this machine. See :class:`~workloads.runtimes.protocol.Replica`.

    One thread of its own writes the server's log and learns of its end. The thread is a daemon: a program that ends
    without stopping its replicas ends at once, and they with it.
    """

    def __init__(
        self, spawned: Spawned, log: RotatingLog, *, index: int, address: tuple[str, int] | None = None
    ) -> None:
        """Take over a server that has been started.

        Args:
            spawned: The server; what it holds is closed from here, save standard input and output.
            log: Where what it writes goes; closed with it.
            index: Its number within the workload.
            address: Where an HTTP server shall listen.
        """
        self._spawned = spawned
        self._log = log
        self._index = index
        self._address = address
        self._exit = Exit(code=None, signal=signal.SIGKILL)
        self._ended = threading.Event()
        _live.add(self)
        threading.Thread(target=self._attend, name=f"workloads-replica-{index}", daemon=True).start()

    @property
    def index(self) -> int:
        """See :attr:`~workloads.runtimes.protocol.Replica.index`."""
        return self._index

    @property
    def identity(self) -> ProcessIdentity | None:
        """The server, which leads its process group; None when it ended before it could be looked at."""
        return self._spawned.identity

    @property
    def container(self) -> str:
        """None: it is a process."""
        return ""

    @property
    def address(self) -> tuple[str, int] | None:
        """See :attr:`~workloads.runtimes.protocol.Replica.address`."""
        return self._address

    @property
    def stdin(self) -> BinaryIO | None:
        """See :attr:`~workloads.runtimes.protocol.Replica.stdin`."""
        return self._spawned.stdin

    @property
    def stdout(self) -> BinaryIO | None:
        """See :attr:`~workloads.runtimes.protocol.Replica.stdout`."""
        return self._spawned.stdout

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait until the server has ended, nothing of it is left, and its log is written.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.
        """
        return self._exit if self._ended.wait(timeout) else None

    def stop(self, grace: float) -> Exit:
        """Send SIGTERM to the server's process group; kill what is left when the server ends or time is out.

        Args:
            grace: Seconds to end by itself in.
        """
        self._signal(signal.SIGTERM)
        if self.wait(max(grace, 0.0)) is None:
            self.kill()
            self._ended.wait()
        return self._exit

    def kill(self) -> None:
        """Kill the server and all it started, without waiting until it is gone."""
        self._signal(signal.SIGKILL)
        # A suspended shim could not obey.
        with contextlib.suppress(ProcessLookupError):
            self._spawned.shim.send_signal(signal.SIGCONT)

    def suspend(self) -> None:
        """Freeze the server's process group."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server's process group go on."""
        self._signal(signal.SIGCONT)

    def disown(self) -> None:
        """Close the channel without a word, in a forked copy of this process: only the original holds up the server."""
        self._spawned.channel.close()

    def _signal(self, number: int) -> None:
        # The shim does it, since only a process's parent can be sure whom its number means.
        with contextlib.suppress(OSError):  # it has ended
            self._spawned.channel.sendall(bytes([number]))

    def _attend(self) -> None:
        spawned = self._spawned
        try:
            status = self._pump()
            if status is None:
                self._finish_for_shim()
            elif os.WIFSIGNALED(status):
                self._exit = Exit(code=None, signal=os.WTERMSIG(status))
            else:
                self._exit = Exit(code=os.WEXITSTATUS(status), signal=None)
            self._drain()
        finally:
            spawned.channel.close()
            os.close(spawned.log)
            self._log.close()
            spawned.shim.wait()
            _live.discard(self)
            self._ended.set()

    def _pump(self) -> int | None:
        """Write the log until the server has ended.

        Returns:
            Its wait status; None when the shim was killed.
        """
        spawned = self._spawned
        os.set_blocking(spawned.log, False)
        poll = select.poll()
        poll.register(spawned.log, select.POLLIN)
        poll.register(spawned.channel, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == spawned.log:
                    if not self._copy():
                        poll.unregister(spawned.log)
                    continue
                try:
                    message = receive(spawned.channel)
                except ConnectionResetError:
                    message = None
                return message[1] if message else None

    def _copy(self) -> int:
        """Copy one chunk into the log.

        Returns:
            Its size; 0 when there is nothing more.
        """
        try:
            chunk = os.read(self._spawned.log, _CHUNK)
        except BlockingIOError:
            return 0
        self._log.write(chunk)
        return len(chunk)

    def _drain(self) -> None:
        left = _REMAINDER
        while left > 0 and (copied := self._copy()):
            left -= copied

    def _finish_for_shim(self) -> None:
        """Do what the shim would have done: somebody killed it."""
        # Up to its death the server's number could not be given to another process, nor to another group as long as
        # anybody is in this one.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._spawned.server, signal.SIGKILL)
        if (identity := self._spawned.identity) is not None:
            wait_gone(identity, _GONE_TIMEOUT)


_live: WeakSet[ProcessReplica] = WeakSet()


def _disown_all() -> None:
    for replica in list(_live):
        replica.disown()


os.register_at_fork(after_in_child=_disown_all)
