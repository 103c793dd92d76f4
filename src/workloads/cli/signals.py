"""The one place where signals become a shutdown: the entry point of a command that serves."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator
    from types import FrameType, TracebackType
    from typing import NoReturn, Self

__all__ = ("ShutdownSignals", "drain_on_signals", "exit_on_termination")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class ShutdownSignals:
    """Turns SIGTERM, SIGINT and SIGQUIT into one event; a context manager for the main thread.

    A signal that comes before an event is bound sets the event as soon as it is. Further signals, and those that come
    when the loop has ended, change nothing.
    SIGQUIT also writes the stack of every thread to standard error. On every way out, the former handlers are back.
    """

    def __init__(self) -> None:
        """Prepare; no handler is installed yet."""
        self._received = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        self._loop = None
        for number, handler in self._former.items():
            # None stands for a handler that was not installed from Python, which Python cannot install again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]  # as it was given

    @property
    def received(self) -> bool:
        """Whether a signal has come."""
        return self._received

    def bind(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        """Set this event, in this loop, when a signal comes or has come."""
        self._loop, self._event = loop, event
        if self._received:
            event.set()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._received = True
        if number == signal.SIGQUIT:
            faulthandler.dump_traceback(file=sys.stderr)
        if self._loop is not None and self._event is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)


class _AskedToEndError(BaseException):
    """A signal asks the main thread to bring what it does to an end."""


@contextlib.contextmanager
def drain_on_signals() -> Generator[None]:
    """Meanwhile SIGTERM, SIGINT, SIGQUIT and SIGHUP interrupt the command, for it to drain; that done, all is well.

    For a command that waits, in its main thread. It is interrupted once, by an exception that goes no further than this
    block, so that it ends with exit code 0 unless the drain fails. Further signals change nothing, but that a second
    Ctrl-C ends the command at once. SIGQUIT also writes the stack of every thread to standard error. SIGHUP stays
    ignored where it was, as under nohup.
    """
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del frame
        if number == signal.SIGQUIT:
            faulthandler.dump_traceback(file=sys.stderr)
        if not asked:
            asked = True
            raise _AskedToEndError
        if number == signal.SIGINT:
            raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in (*_SIGNALS, *_hangup())}
    try:
        yield
    except _AskedToEndError:
        pass
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def exit_on_termination() -> Generator[None]:
    """Meanwhile SIGTERM, SIGHUP and SIGQUIT end the command as Ctrl-C does: by an exception, so that it cleans up.

    For a command that waits, in its main thread. The exit code is that of the signal, 128 and its number. SIGQUIT also
    writes the stack of every thread to standard error. SIGHUP stays ignored where it was, as under nohup.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        if number == signal.SIGQUIT:
            faulthandler.dump_traceback(file=sys.stderr)
        sys.exit(128 + number)

    former = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGQUIT, *_hangup())}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _hangup() -> tuple[signal.Signals, ...]:
    """SIGHUP, unless whoever started this wants it to go on after a hangup."""
    return () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
