"""A process of this machine: paused first, and stopped when it has slept for long."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Protocol

from workloads._core.process import ProcessIdentity, identify, is_alive, send_signal, signal_group, wait_gone
from workloads.errors import ToggleError
from workloads.scaletozero.togglers.descent import Descent

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.scaletozero.protocols import TogglerState

__all__ = ("ChildProcess", "ProcessToggler")

_KILL_WAIT = 5.0


class ChildProcess(Protocol):
    """A process that was started here, such as a ``subprocess.Popen``."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Take notice of its end."""
        ...


class ProcessToggler:
    """Pauses a process with ``SIGSTOP``, stops it when it was paused for long, and starts or continues it again.

    It drives: ``disable`` returns when the process runs, not when it is ready. It signals exactly the process that it
    was given or that it started, never another one which has the same pid by now. Stopping is ``SIGTERM``, and
    ``SIGKILL`` after the grace. A paused process keeps its memory and its sockets. What it has started is paused too
    only with ``group``.

    Args:
        process: The process, running; None when it is to be started first.
        start: Starts it; None (the default) when it cannot be started again, and is only ever paused.
        stop_after: Seconds after which a paused process is stopped; 0 stops it without a pause, None (the default)
            leaves it paused. Needs ``start``.
        grace: Seconds between ``SIGTERM`` and ``SIGKILL``; 10 by default.
        group: Whether the process leads a group of processes that is meant as a whole; False by default.

    Raises:
        ValueError: There is neither a process nor a way to start one, or it could be stopped and not started.
        ToggleError: The process has ended, and there is no way to start one.
    """

    drives = True

    def __init__(
        self,
        process: ChildProcess | None = None,
        *,
        start: Callable[[], ChildProcess] | None = None,
        stop_after: float | None = None,
        grace: float = 10.0,
        group: bool = False,
    ) -> None:
        """A toggler of that process."""
        if start is None and (process is None or stop_after is not None):
            raise ValueError("a process that is not there or may be stopped needs a way to start it; give start=")
        self._start = start
        self._stop_after = stop_after
        self._grace = grace
        self._group = group
        self._lock = threading.Lock()
        self._descent = Descent(self._lock, stop_after, self._stop)
        self._process = process
        self._identity: ProcessIdentity | None = None if process is None else identify(process.pid)
        if self._identity is None and start is None:
            raise ToggleError("disable", "the process has ended, and there is no way to start it again")

    @property
    def process(self) -> ChildProcess | None:
        """The process; None before the first one was started."""
        return self._process

    def disable(self) -> None:
        """Start or continue the process.

        Raises:
            ToggleError: It has ended, and there is no way to start it again.
        """
        with self._lock:
            self._descent.call_off()
            if self._signal(signal.SIGCONT):
                return
            if self._start is None:
                raise ToggleError("disable", "the process has ended, and there is no way to start it again")
            self._reap()
            self._process = self._start()
            self._identity = identify(self._process.pid)
            if self._identity is None:
                raise ToggleError("disable", "the process ended as soon as it was started")

    def enable(self) -> None:
        """Pause the process, or stop it. That it has ended is fine.

        Raises:
            ToggleError: It does not end, although it was killed.
        """
        with self._lock:
            self._descent.call_off()
            if self._stop_after == 0:
                self._stop()
            elif self._signal(signal.SIGSTOP):
                self._descent.begin()

    def state(self) -> TogglerState:
        """Whether the process runs."""
        import psutil

        identity = self._identity
        if identity is None or not is_alive(identity):
            return "asleep"
        try:
            stopped = psutil.Process(identity.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return "unknown"
        return "asleep" if stopped else "awake"

    def close(self) -> None:
        """Leave the process as it is from now on: one that is paused is not stopped any more."""
        with self._lock:
            self._descent.call_off()

    # How, with the lock held

    def _stop(self) -> None:
        identity = self._identity
        if identity is None or not self._signal(signal.SIGTERM):
            self._reap()
            return
        self._signal(signal.SIGCONT)  # one that is paused does not see the other signal
        if not wait_gone(identity, self._grace):
            self._signal(signal.SIGKILL)
            if not wait_gone(identity, _KILL_WAIT):
                raise ToggleError("enable", f"process {identity.pid} does not end, although it was killed")
        self._reap()

    def _signal(self, sig: int) -> bool:
        """Signal the process; returns whether it lives."""
        if self._identity is None:
            return False
        return signal_group(self._identity, sig) if self._group else send_signal(self._identity, sig)

    def _reap(self) -> None:
        """Take notice of its end, so that nothing of it is left."""
        if self._process is not None:
            with contextlib.suppress(Exception):  # who gave it may have done so before
                self._process.wait(timeout=_KILL_WAIT)
            self._process = self._identity = None
