"""Starting a proxy runner that outlives the process which starts it."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.managers.handshake import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads.managers.handshake import Start

__all__ = ("RunnerHandle", "rotated", "runner_environment", "spawn_runner")

_DETACH = Path(__file__).with_name("detach.py")
_LOG_LIMIT = 10 * 1024 * 1024
_LOG_LINES = 20

# What a runner needs of its caller's environment: what servers get is chosen from it, the interpreter must find its
# packages, and the variables that this library reads. Everything else may hold somebody's secret.
_INHERITED = frozenset({
    "ALL_PROXY", "CONTAINER_HOST", "DOCKER_HOST", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "KUBERNETES_SERVICE_HOST",
    "LANG", "LD_LIBRARY_PATH", "LOGNAME", "NODE_EXTRA_CA_CERTS", "NO_PROXY", "PATH", "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME", "PYTHONPATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "all_proxy",
    "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
_INHERITED_PREFIXES = ("COVERAGE_", "LC_", "TOOLHIVE_", "WORKLOADS_", "XDG_")


def runner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a proxy runner: chosen from ``environ``, without any variable that holds a secret."""
    from workloads.secrets import scrub

    chosen = {
        name: value for name, value in environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return scrub(chosen)


def spawn_runner(
    name: str, start: Start, *, log: Path, state_dir: Path | None = None, python: str | None = None
) -> RunnerHandle:
    """Start the proxy runner of a workload whose run config is stored.

    Args:
        name: The workload.
        start: What the runner must know.
        log: The file that its standard output and error are appended to.
        state_dir: The application folder, where it is not the user's own.
        python: The interpreter to run it with; None is this one.

    Raises:
        WorkloadFailedError: The interpreter could not be started.
    """
    import subprocess

    interpreter = python or sys.executable
    options = [] if state_dir is None else ["--state-dir", str(state_dir)]
    events_read, events_write = os.pipe()
    start_read, start_write = os.pipe()
    log_fd = _open_log(log)
    # -P: the working folder is no place to import from.
    runner = [interpreter, "-P", "-m", "workloads", *options, "proxyrunner", "--name", name]
    try:
        launcher = subprocess.Popen(  # waited for below
            [interpreter, "-I", "-S", str(_DETACH), *runner, "--report-fd", str(events_write)],
            stdin=start_read, stdout=log_fd, stderr=log_fd, pass_fds=(events_write,),
            cwd="/", umask=0o077, env=runner_environment(os.environ),
        )  # fmt: skip
    except OSError as error:
        os.close(events_read)
        os.close(start_write)
        raise WorkloadFailedError(name, f"cannot run {interpreter}: {error.strerror}") from error
    finally:
        for fd in (events_write, start_read, log_fd):
            os.close(fd)
    launcher.wait()
    handle = RunnerHandle(name, events_read, start_write, log)
    handle.send(start)
    return handle


class RunnerHandle:
    """The manager's end of the pipes to a runner it has started. Close it when nothing more is to be heard."""

    def __init__(self, name: str, events: int, start: int, log: Path) -> None:
        """Take over the descriptors ``events`` and ``start``."""
        self._name = name
        self._events = events
        self._start: int | None = start
        self._log = log
        self._buffer = b""

    def send(self, start: Start) -> None:
        """Tell the runner what it must know; unless it runs in the foreground, nothing more will be said."""
        assert self._start is not None
        # The secrets of a workload may exceed what a pipe holds; a runner that died meanwhile has said why.
        with contextlib.suppress(BrokenPipeError):
            message = memoryview(start.encode())
            while message:
                message = message[os.write(self._start, message) :]
        if not start.foreground:
            self.release()

    def release(self) -> None:
        """Let go of the runner: one in the foreground ends."""
        if self._start is not None:
            os.close(self._start)
            self._start = None

    def next_event(self, timeout: float | None) -> Event | None:
        """The next event, or None when the time is out.

        Args:
            timeout: Seconds to wait; None waits as long as the runner lives.

        Raises:
            WorkloadFailedError: The runner ended without a word.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            poller = select.poll()
            poller.register(self._events, select.POLLIN)
            if not poller.poll(None if left is None else left * 1000):
                return None
            data = os.read(self._events, 65536)
            if not data:
                raise WorkloadFailedError(self._name, "its proxy runner ended without a word", logs=self._last_lines())
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return Event.decode(line)

    def close(self) -> None:
        """Free the pipes; the runner goes on unless it runs in the foreground."""
        self.release()
        os.close(self._events)

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
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
