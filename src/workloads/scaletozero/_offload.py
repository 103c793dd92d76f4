"""Blocking calls off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("current_loop", "in_thread")

T = TypeVar("T")


def in_thread(name: str, call: Callable[[], T]) -> asyncio.Future[T]:
    """Make a blocking call in a thread of its own.

    A daemon thread: neither a call that never returns nor a full pool can keep anything else from going on.

    Args:
        name: What the thread is for.
        call: The call; it sees the caller's context variables.

    Returns:
        The outcome. Cancelling it leaves the call running.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(call)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to who awaits the outcome
            _tell(loop, outcome, partial(outcome.set_exception, error))
        else:
            _tell(loop, outcome, partial(outcome.set_result, result))

    threading.Thread(target=run, name=f"workloads-scaletozero-{name}", daemon=True).start()
    return outcome


def current_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread; None when there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _tell(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[T], settle: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())
