"""Which process a pid means, and signals that never reach another one.

A pid alone says little: it is used again after its process ended, counts from 1 in every pid namespace and starts over
at every boot. A :class:`ProcessIdentity` can be written down and found again later: it is alive, and is signalled, only
while all of its facts still hold.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import attrs

from workloads._core.fields import LARGEST, text, whole_number
from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = (
    "ProcessIdentity",
    "census",
    "current",
    "identify",
    "is_alive",
    "parse_stat",
    "send_signal",
    "signal_group",
    "wait_gone",
)

_PAUSE = 0.02
_DEAD = frozenset("ZXx")
_SIGNAL_PROCESS_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9; the standard library has no name for it
_LONGEST_POLL = 2**31 - 1


@attrs.frozen
class ProcessIdentity:
    """One process that ran or runs, never to be mistaken for another.

    Attributes:
        pid: Its number.
        start_ticks: When it started: clock ticks since boot; on macOS microseconds since 1970.
        boot_id: The boot of the machine during which it started.
        pid_namespace: The pid namespace in which ``pid`` counts; empty where there is none.
        host: The name of the machine or container.
    """

    pid: int
    start_ticks: int
    boot_id: str
    pid_namespace: str
    host: str

    def to_dict(self) -> dict[str, int | str]:
        """The identity as a JSON object."""
        return {
            "pid": self.pid,
            "start_ticks": self.start_ticks,
            "boot_id": self.boot_id,
            "pid_namespace": self.pid_namespace,
            "host": self.host,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> ProcessIdentity:
        """The identity that was written as a JSON object.

        Args:
            document: The object; other keys are ignored.

        Raises:
            ValueError: A key is missing or its value cannot be right.
        """
        pid, ticks = document.get("pid"), document.get("start_ticks")
        boot, namespace, host = document.get("boot_id"), document.get("pid_namespace"), document.get("host")
        if (type(pid) is int and type(ticks) is int and 1 <= pid <= LARGEST and 0 <= ticks <= LARGEST) and (
            type(boot) is str and type(namespace) is str and type(host) is str
        ):  # as nearly always, and lists of workloads read hundreds
            return cls(pid, ticks, boot, namespace, host)
        return cls(
            whole_number(document, "pid", least=1),
            whole_number(document, "start_ticks"),
            text(document, "boot_id"),
            text(document, "pid_namespace"),
            text(document, "host"),
        )


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of the process that has this pid now.

    Args:
        pid: Its number in this process's pid namespace.

    Returns:
        None when there is no such process, or only what is left of it until its parent takes notice (a zombie).

    Raises:
        StateError: This system does not tell about processes.
    """
    here = _here()
    start_ticks = _start_ticks(pid) if pid > 0 else None
    return None if start_ticks is None else ProcessIdentity(pid, start_ticks, *here)


def current() -> ProcessIdentity:
    """The identity of this process.

    Raises:
        StateError: This system does not tell about processes.
    """
    identity = identify(os.getpid())
    assert identity is not None, "a process that asks is alive"
    return identity


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process lives, here.

    Args:
        identity: The process. One of another host, pid namespace or boot is not alive, and neither is a zombie.
    """
    return identity == identify(identity.pid)


def census() -> Callable[[ProcessIdentity], bool]:
    """A way to ask :func:`is_alive` of many processes at one moment: it looks at each only once.

    Raises:
        StateError: This system does not tell about processes.
    """
    here = _here()
    seen: dict[int, int | None] = {}

    def alive(identity: ProcessIdentity) -> bool:
        if (identity.boot_id, identity.pid_namespace, identity.host) != here:
            return False
        if identity.pid not in seen:
            seen[identity.pid] = _start_ticks(identity.pid)
        return seen[identity.pid] == identity.start_ticks

    return alive


def send_signal(identity: ProcessIdentity, sig: int) -> bool:
    """Send a signal to exactly this process.

    Args:
        identity: The process.
        sig: The signal; 0 sends none.

    Returns:
        Whether it was sent; False when the process is not alive.

    Raises:
        PermissionError: The process belongs to another user.
    """
    with _opened(identity) as fd:
        # The identity is checked after the descriptor is open: from then on it means this process, or none.
        if not is_alive(identity):
            return False
        with contextlib.suppress(ProcessLookupError):
            if fd is not None:
                signal.pidfd_send_signal(fd, sig)
            else:
                os.kill(identity.pid, sig)
            return True
    return False


def signal_group(identity: ProcessIdentity, sig: int) -> bool:
    """Send a signal to every process of the group that this process leads.

    Args:
        identity: The leader.
        sig: The signal; 0 sends none.

    Returns:
        Whether it was sent; False when the process is not alive or leads no group.

    Raises:
        PermissionError: The processes belong to another user.
    """
    with _opened(identity) as fd, contextlib.suppress(ProcessLookupError):
        if not is_alive(identity) or os.getpgid(identity.pid) != identity.pid:
            return False
        if fd is None or not _signal_group_of(fd, sig):
            os.killpg(identity.pid, sig)
        return True
    return False


def wait_gone(identity: ProcessIdentity, timeout: float | None = None) -> bool:
    """Wait until this process has ended; its parent need not have taken notice.

    Args:
        identity: The process, of whatever parent.
        timeout: Seconds to wait; None (the default) waits as long as it takes.

    Returns:
        Whether it is gone; False when the time was out.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with _opened(identity) as fd:
        if not is_alive(identity):
            return True
        if fd is not None:
            return _poll(fd, timeout)
        while is_alive(identity):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
    return True


class _Here(NamedTuple):
    boot_id: str
    pid_namespace: str
    host: str


def _here() -> _Here:
    """What pids of this moment are relative to."""
    host = os.uname().nodename
    if sys.platform != "linux":
        import psutil

        return _Here(str(int(psutil.boot_time())), "", host)
    try:
        # Not ours when a container shows the /proc of its host: the numbers there mean other processes.
        if Path("/proc/self").readlink() == Path(str(os.getpid())):
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return _Here(boot_id, str(Path("/proc/self/ns/pid").readlink()), host)
    except OSError as error:
        raise StateError(Path("/proc"), f"does not tell about processes ({error}); mount it") from error
    raise StateError(Path("/proc"), "shows the processes of another pid namespace; mount a new one")


def _start_ticks(pid: int) -> int | None:
    """When the process of that pid started; None when it is dead or there is none."""
    if sys.platform != "linux":
        return _start_microseconds(pid)
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # some systems hide the processes of other users
    return parse_stat(data)


def parse_stat(data: bytes) -> int | None:
    """The start time in the content of ``/proc/<pid>/stat``, in clock ticks since boot.

    Args:
        data: The content. The name of the program in it is chosen by the program, and may hold blanks and brackets.

    Returns:
        None when it says that the process is dead.
    """
    fields = data[data.rindex(b")") + 1 :].split()
    return None if fields[0].decode() in _DEAD else int(fields[19])


def _start_microseconds(pid: int) -> int | None:
    """What :func:`_start_ticks` tells, where there is no ``/proc``."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return round(process.create_time() * 1_000_000)
    except psutil.NoSuchProcess:
        return None


@contextlib.contextmanager
def _opened(identity: ProcessIdentity) -> Generator[int | None, None, None]:
    """A descriptor of whatever process has the pid now; None when there is none, or no such descriptors."""
    fd = None
    if hasattr(os, "pidfd_open"):
        # It fails when there is no such process, which the check of the identity tells too, and on kernels and in
        # sandboxes without pidfds.
        with contextlib.suppress(OSError, OverflowError):
            fd = os.pidfd_open(identity.pid)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _signal_group_of(fd: int, sig: int) -> bool:
    """Signal the group of the leader behind a descriptor; False when the kernel cannot."""
    try:
        signal.pidfd_send_signal(fd, sig, None, _SIGNAL_PROCESS_GROUP)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        return False
    return True


def _poll(fd: int, timeout: float | None) -> bool:
    import math
    import select

    poller = select.poll()
    poller.register(fd, select.POLLIN)
    milliseconds = None if timeout is None else min(math.ceil(max(0.0, timeout) * 1000), _LONGEST_POLL)
    return bool(poller.poll(milliseconds))
