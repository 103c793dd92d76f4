"""Starting a proxy runner that outlives the process which starts it."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.managers.handshake import Event
from workloads.managers.interpreter import find_interpreter, runner_environment
from workloads.managers.orphans import see_to

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from workloads.managers.handshake import Start

__all__ = ("RunnerHandle", "rotated", "spawn_runner")

_DETACH = Path(__file__).with_name("detach.py")
_LOG_LIMIT = 10 * 1024 * 1024
_LOG_LINES = 20
_STANDARD_ERROR = 2


def spawn_runner(
    name: str, message: Start, *, log: Path, state_dir: Path | None = None, python: str | None = None
) -> RunnerHandle:
    """Start the proxy runner of a workload whose run config is stored.

    Args:
        name: The workload.
        message: What the runner must know.
        log: The file that its standard output and error are appended to.
        state_dir: The application folder, where it is not the user's own.
        python: The interpreter to run it with; None is this one.

    Raises:
        CommandNotFoundError: There is no such interpreter.
        WorkloadFailedError: The interpreter could not be started.
    """
    interpreter = find_interpreter(python)
    options = [] if state_dir is None else ["--state-dir", str(state_dir)]
    handle = _uninterrupted(partial(_spawn, name, interpreter, options, log))
    try:
        handle.send(message)
        see_to(handle.process_id())
    except BaseException:
        handle.close()
        raise
    return handle


def _uninterrupted(start: Callable[[], RunnerHandle]) -> RunnerHandle:
    """Start where Ctrl-C, which strikes the main thread only, leaves nothing between a descriptor and its name.

    In a plain thread, for pools take no work any more while the interpreter waits for the last threads of a program.
    """
    if threading.current_thread() is not threading.main_thread():
        return start()
    outcome: Future[RunnerHandle] = Future()

    def run() -> None:
        try:
            outcome.set_result(start())
        except BaseException as error:  # noqa: BLE001  # it is the caller's
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="workloads-spawn")
    thread.start()
    try:
        return outcome.result()
    finally:
        thread.join()


def _spawn(name: str, interpreter: str, options: Sequence[str], log: Path) -> RunnerHandle:
    """Start a runner that waits for what it must know; ``options`` are global ones of this library's own command."""
    import socket
    import subprocess

    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        log_fd = _open_log(log)
        theirs.callback(os.close, log_fd)
        events_read, events_write = _pipe()
        events = ours.enter_context(io.FileIO(events_read))
        theirs.callback(os.close, events_write)
        # A socket, for writing into a pipe that nobody reads kills a program that has SIGPIPE at its default.
        start, far_start = socket.socketpair()
        ours.enter_context(start)
        theirs.enter_context(far_start)
        # Whatever this program has as its default timeout.
        for end in (start, far_start):
            end.settimeout(None)
        report = str(events_write)
        runner = ["workloads", *options, "proxyrunner", "--name", name, "--report-fd", report]
        try:
            launcher = subprocess.Popen(
                # -P: neither the working folder nor this one is a place to import from.
                [interpreter, "-P", str(_DETACH), report, *runner],
                stdin=far_start.fileno(), stdout=log_fd, stderr=log_fd, pass_fds=(events_write,),
                cwd="/", umask=0o077, env=runner_environment(os.environ), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise WorkloadFailedError(name, f"cannot run {interpreter}: {error.strerror}") from error
        launcher.wait()
        theirs.close()
        ours.pop_all()
        return RunnerHandle(name, events, start, log)


class RunnerHandle:
    """The manager's end of the channels to a runner it has started. Close it when nothing more is to be heard.

    One that nobody has any more closes itself, for Ctrl-C may strike before whoever asked for it has it.
    """

    def __init__(self, name: str, events: io.FileIO, start: socket.socket, log: Path) -> None:
        """Take over the pipe ``events`` and the socket ``start``."""
        self._name = name
        self._events = events
        self._start = start
        self._log = log
        self._buffer = b""

    def process_id(self) -> int:
        """The runner's process id, which is the first thing to be heard.

        Raises:
            WorkloadFailedError: There is no runner.
        """
        line = self._next_line(None)
        assert line is not None, "it waits as long as it takes"
        return int(line)

    def send(self, start: Start) -> None:
        """Tell the runner what it must know; unless it runs in the foreground, nothing more will be said."""
        import socket

        # A runner that died meanwhile has said why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._start.sendall(start.encode(), getattr(socket, "MSG_NOSIGNAL", 0))
        if not start.foreground:
            self.release()

    def release(self) -> None:
        """Let go of the runner: one in the foreground ends."""
        import socket

        with self._start, contextlib.suppress(OSError):  # it is gone, or was let go before
            # Closing alone tells it nothing while a forked copy of this process has the socket too.
            self._start.shutdown(socket.SHUT_WR)

    def next_event(self, timeout: float | None) -> Event | None:
        """The next event, or None when the time is out.

        Args:
            timeout: Seconds to wait; None waits as long as the runner lives.

        Raises:
            WorkloadFailedError: The runner ended without a word.
        """
        line = self._next_line(timeout)
        return None if line is None else Event.decode(line)

    def close(self) -> None:
        """Free the channels; the runner goes on unless it runs in the foreground."""
        try:
            self.release()
        finally:
            self._events.close()

    def __del__(self) -> None:
        """Close what was not closed; at the end of the interpreter the system does."""
        if not self._events.closed and not sys.is_finalizing():
            self.close()

    def _next_line(self, timeout: float | None) -> bytes | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            poller = select.poll()
            poller.register(self._events, select.POLLIN)
            if not poller.poll(None if left is None else left * 1000):
                return None
            data = os.read(self._events.fileno(), 65536)
            if not data:
                raise WorkloadFailedError(self._name, "its proxy runner ended without a word", logs=self._last_lines())
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _last_lines(self) -> Sequence[str]:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - 65536))
            return file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]


def rotated(log: Path) -> Path:
    """Where the log of a proxy runner is put when it has grown too long."""
    return log.with_name(log.name + ".1")


def _open_log(path: Path) -> int:
    from workloads._core.files import secure_folder

    secure_folder(path.parent, root=path.parent.parent)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT:
            path.rename(rotated(path))
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(log, 0o600)  # whatever the umask
    return log


def _pipe() -> tuple[int, int]:
    """A pipe whose writing end a new process can inherit under its number beside the standard descriptors."""
    import fcntl

    read, write = os.pipe()
    if write <= _STANDARD_ERROR:  # this program has closed its own
        low, write = write, fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, _STANDARD_ERROR + 1)
        os.close(low)
    return read, write
