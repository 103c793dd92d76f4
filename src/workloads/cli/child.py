"""A program that is run by this command, and stands for it: its signals and its exit code are those of the command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

__all__ = ("CANNOT_RUN", "NOT_FOUND", "run_child")

CANNOT_RUN, NOT_FOUND = 126, 127
"""The exit codes for a program that cannot be run and for one that is not there, as shells and ``env`` have them."""

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


def run_child(command: Sequence[str]) -> int:
    """Run a program to its end, on this terminal, and pass on to it what this process is told by signals.

    Signals that are ignored here, as under nohup, are ignored by the program too.

    Args:
        command: The program and its arguments.

    Returns:
        Its exit code; 128 and the number of the signal that ended it; 127 when there is no such program, 126 when it
        cannot be run.
    """
    with _Signals() as signals:
        try:
            child = subprocess.Popen(command)
        except OSError as error:
            click.echo(f"error: {command[0]}: {error.strerror}", err=True)
            return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
        with signals.passed_on(child):
            code = child.wait()
    return code if code >= 0 else 128 - code


class _Signals:
    """Takes signals before there is a program to pass them on to, so that none ends this process alone."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._former: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (*_PASSED_ON, *_FROM_TERMINAL):
            if signal.getsignal(number) is not signal.SIG_IGN:  # which a program inherits, unlike a handler
                self._former[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, former in self._former.items():
            # None stands for a handler that was not installed from Python, which Python cannot install again.
            signal.signal(number, signal.SIG_DFL if former is None else former)  # type: ignore[arg-type]  # as it was given

    @contextlib.contextmanager
    def passed_on(self, child: subprocess.Popen[bytes]) -> Generator[None]:
        self._child = child
        for number in self._early:
            child.send_signal(number)
        yield

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number in _FROM_TERMINAL and _in_foreground():
            return  # the terminal tells the program itself
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to this process, and so to the program, too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
