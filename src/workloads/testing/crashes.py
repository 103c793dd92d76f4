"""Ending a process at a chosen point, to prove that what it leaves can be gone on from.

A program runs what it wants to test inside :func:`watched`. Started by :func:`survey` it writes down every point that
it passes: each change of a file, start of a process and signal, just before it happens, and the end of the block.
Started by :func:`crash` it is killed at one of them. A write is two points: before it, and when half of it is done.
The points are CPython's audit events, and calls that have none are replaced while the block runs, so that nothing has
to be changed in the code under test. Without either, :func:`watched` does nothing.

Example:
    Program ``move.py``::

        with crashes.watched():
            manager.move_to_group(["time"], "default", "blue")

    Test::

        for point in crashes.survey([sys.executable, "move.py"], within=folder):
            restore(folder)
            crashes.crash([sys.executable, "move.py"], point, within=folder)
            check(folder)
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

__all__ = ("CrashPoint", "crash", "survey", "watched")

_LOG = "WORKLOADS_TESTING_CRASH_LOG"
_AT = "WORKLOADS_TESTING_CRASH_AT"
_WITHIN = "WORKLOADS_TESTING_CRASH_WITHIN"
_TIMEOUT = 60.0

# What each event says at which place of its arguments is affected.
_FILE_EVENTS = {
    "open": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0,
    "os.truncate": 0, "shutil.rmtree": 0,
}  # fmt: skip
_PROCESS_EVENTS = {
    "subprocess.Popen": 0,
    "os.fork": None,
    "os.exec": 0,
    "os.posix_spawn": 0,
    "os.kill": 1,
    "os.killpg": 1,
}
# Functions without an audit event; what they are given is a descriptor or the content, and no target.
_UNAUDITED = ((os, "write"), (os, "fsync"), (signal, "pidfd_send_signal"))
_HALF = "os.write half done"
_END = "end"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class CrashPoint(NamedTuple):
    """A moment just before something happens.

    Attributes:
        number: Its place among those that the program passes, from 0.
        event: What happens: the name of an audit event or of a function, ``os.write half done``, or ``end``.
        target: The file, program or signal it happens with.
    """

    number: int
    event: str
    target: str


def survey(
    command: Sequence[str], *, within: Path, env: Mapping[str, str] | None = None, timeout: float = _TIMEOUT
) -> list[CrashPoint]:
    """The points that a program passes.

    Args:
        command: The program and its arguments.
        within: Only files below this folder count; processes and signals always do.
        env: Its environment; None (the default) is that of this process.
        timeout: Seconds it may take; 60 by default.

    Raises:
        RuntimeError: It failed.
        subprocess.TimeoutExpired: It took too long.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "points"
        code, output = _run(command, {_LOG: str(log), _WITHIN: str(within)}, env, timeout)
        if code:
            raise RuntimeError(f"{command[0]} failed with {code}: {output}")
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [CrashPoint(number, *line.partition("\t")[::2]) for number, line in enumerate(lines)]


def crash(
    command: Sequence[str],
    point: CrashPoint,
    *,
    within: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
) -> None:
    """Run a program until a point, where it is killed.

    Args:
        command: The program and its arguments.
        point: Where, as :func:`survey` told.
        within: As for :func:`survey`.
        env: Its environment; None (the default) is that of this process.
        timeout: Seconds it may take; 60 by default.

    Raises:
        RuntimeError: It ended in another way, so that nothing was proven.
        subprocess.TimeoutExpired: It took too long.
    """
    code, output = _run(command, {_AT: str(point.number), _WITHIN: str(within)}, env, timeout)
    if code != -signal.SIGKILL:
        raise RuntimeError(f"{command[0]} ended with {code} and did not come to {point}: {output}")


@contextlib.contextmanager
def watched() -> Generator[None]:
    """Count the points that are passed inside, and do at each what whoever started this process wants."""
    log, at = os.environ.get(_LOG), os.environ.get(_AT)
    if log is None and at is None:
        yield
        return
    watch = _Watch(os.environ.get(_WITHIN, ""), None if at is None else int(at), log)
    # A hook cannot be removed: from the end of the block on it looks at nothing.
    sys.addaudithook(watch.event)
    replaced = [(module, name, getattr(module, name)) for module, name in _UNAUDITED if hasattr(module, name)]
    for module, name, function in replaced:
        setattr(module, name, watch.passing(f"{module.__name__}.{name}", function))
    watch.on = True
    try:
        yield
        watch.point(_END, "")
    finally:
        watch.on = False
        for module, name, function in replaced:
            setattr(module, name, function)


class _Watch:
    def __init__(self, within: str, at: int | None, log: str | None) -> None:
        self._within = within
        self._at = at
        self._log = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._passed = 0
        self._write = os.write
        self.on = False

    def event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at an audit event."""
        if self.on and (target := self._target(event, arguments)) is not None:
            self.point(event, target)

    def passing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that does the same, and is a point."""

        def passed(*arguments: Any, **options: Any) -> Any:
            if self.on:
                self.point(name, "")
                if function is self._write and len(arguments[1]) > 1:
                    self.point(_HALF, "", lambda: self._write(arguments[0], arguments[1][: len(arguments[1]) // 2]))
            return function(*arguments, **options)

        return passed

    def point(self, event: str, target: str, last: Callable[[], object] = lambda: None) -> None:
        """Pass a point, or do this last thing and be killed there."""
        if self._log is not None:
            self._write(self._log, f"{event}\t{target}\n".encode(errors="replace"))
        if self._passed == self._at:
            self.on = False  # the signal is an event too
            last()
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1

    def _target(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        """What an event happens with; None when it does not count."""
        if event in _PROCESS_EVENTS:
            place = _PROCESS_EVENTS[event]
            return "" if place is None else str(arguments[place])
        if event not in _FILE_EVENTS or (event == "open" and not _writes(arguments)):
            return None
        path = arguments[_FILE_EVENTS[event]]
        if isinstance(path, int):  # a descriptor that is open already
            return None
        name = os.fsdecode(path)
        return name if name.startswith(self._within) else None


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & _WRITING)


def _run(
    command: Sequence[str], extra: Mapping[str, str], env: Mapping[str, str] | None, timeout: float
) -> tuple[int, str]:
    import subprocess
    import tempfile

    environment = {**(os.environ if env is None else env), "PYTHONDONTWRITEBYTECODE": "1", **extra}
    # A file and no pipe: what a killed program has started may hold its output open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            list(command), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=timeout,
            check=False,
        )  # fmt: skip
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace")
