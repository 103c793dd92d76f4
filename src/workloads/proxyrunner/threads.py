"""Blocking calls off the loop, each in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("in_thread", "taken_in_thread")

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Run a blocking call in a new thread.

    A pool, such as the default executor of the loop, would be exhausted by calls that wait for processes to end, and
    would keep the interpreter from exiting until they return; a daemon thread does neither.

    Returns:
        The outcome. Cancelling it leaves the call running.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to who awaits the outcome
            _tell(loop, outcome, partial(outcome.set_exception, error))
        else:
            _tell(loop, outcome, partial(outcome.set_result, result))

    threading.Thread(target=run, name=f"workloads-{getattr(call, '__name__', 'call')}", daemon=True).start()
    return outcome


async def taken_in_thread(take: Callable[[], T], give_back: Callable[[T], object]) -> T:
    """Run a blocking call in a new thread that takes something.

    Args:
        take: The call. Who is cancelled waits for its end, for it cannot be called back, unless it is cancelled again.
        give_back: What is done with its result then.

    Returns:
        Its result.
    """
    outcome = in_thread(take)

    def back(taken: asyncio.Future[T]) -> None:
        with contextlib.suppress(Exception):  # it took nothing
            give_back(taken.result())

    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        outcome.add_done_callback(back)  # whoever is cancelled again does not wait for it
        await asyncio.wait({outcome})
        raise


def _tell(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[T], settle: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())
