"""Blocking calls in threads, awaited: what may be abandoned, and what has to be seen to its end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Gate", "carry_out", "in_context", "in_thread", "pledged", "undo")

_LOG = logging.getLogger("workloads.aio")

T = TypeVar("T")


class Gate:
    """Counts the calls under way, and lets no new ones in once it is closed. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._closed = False
        self.empty: Future[None] = pledged()
        """Done when it is closed and nobody is inside."""

    def __enter__(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("this manager is closed; make another one with workloads.aio.new_manager()")
            self._inside += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._inside -= 1
            last = self._closed and not self._inside
        if last:
            self.empty.set_result(None)

    def close(self) -> bool:
        """Let nobody in from now on; returns whether this was the first time."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            last = not self._inside
        if last:
            self.empty.set_result(None)
        return True


def pledged() -> Future[Any]:
    """A future that somebody will settle, whoever is cancelled while waiting for it."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def in_context(call: Callable[[], T]) -> Callable[[], T]:
    """A call that sees the caller's context variables in whatever thread it is made."""
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(call)
        except StopIteration as error:
            # A future refuses it, and who awaits that future would wait for ever.
            raise RuntimeError("the call raised StopIteration") from error

    return run


def in_thread(name: str, call: Callable[[], T], *, daemon: bool = False, future: Future[T] | None = None) -> Future[T]:
    """Make a call in a thread of its own.

    Args:
        name: The thread's name.
        call: What to call.
        daemon: Whether the interpreter may end while it runs (default False).
        future: What to settle with the outcome; None makes a new one, which is returned.
    """
    settled: Future[T] = pledged() if future is None else future
    bound = in_context(call)

    def run() -> None:
        try:
            result = bound()
        except BaseException as error:  # noqa: BLE001  # handed to who waits, never lost in a thread
            settled.set_exception(error)
        else:
            settled.set_result(result)

    threading.Thread(target=run, name=name, daemon=daemon).start()
    return settled


async def carry_out(future: Future[T], *, settle: Callable[[Future[T]], object] | None = None) -> T:
    """Await a call that changes something: cancelling waits until it has ended, and undoes it.

    Args:
        future: The call. One that has not begun is dropped on cancellation, and nothing has to be settled.
        settle: On cancellation, called in a thread of its own with the future, which may be done or not: makes it end,
            or waits for its end and undoes what it did. None only waits.
    """
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait({waiting})
    except asyncio.CancelledError:
        if not future.cancel():
            await _see_through(future, waiting, settle)
        raise
    return waiting.result()


async def _see_through(
    future: Future[T], waiting: asyncio.Future[T], settle: Callable[[Future[T]], object] | None
) -> None:
    if settle is not None:
        await undo(lambda: settle(future))
    await _end_of(waiting)
    waiting.exception()  # looked at, so that asyncio does not report it as forgotten


async def undo(call: Callable[[], object]) -> None:
    """Undo in a thread of its own what a cancelled call did, however often the waiting is cancelled again.

    Args:
        call: Undoes it. What it raises is logged.
    """
    undoing = asyncio.wrap_future(in_thread("workloads-aio-undo", call))
    await _end_of(undoing)
    if (error := undoing.exception()) is not None:
        _LOG.error("a cancelled call could not be undone", exc_info=error)


async def _end_of(future: asyncio.Future[T]) -> None:
    """Wait for a future, however often the waiting is cancelled: the caller raises ``CancelledError`` in the end."""
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({future})
