"""Holds for work in the background, on asyncio."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from workloads.errors import ToggleError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from workloads.scaletozero.background import OnFailure
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController

__all__ = ("hold_process", "hold_while", "holding")

_LOG = logging.getLogger("workloads.scaletozero")

P = ParamSpec("P")
T = TypeVar("T")


class AwaitedProcess(Protocol):
    """A process that can be awaited, such as an ``asyncio.subprocess.Process``."""

    async def wait(self) -> int:
        """Wait until it has ended."""
        ...


ProcessT = TypeVar("ProcessT", bound=AwaitedProcess)

_waiting: set[asyncio.Task[None]] = set()
"""The loop keeps only weak references to tasks."""


async def hold_process(
    controller: AsyncController,
    process: Callable[[], Awaitable[ProcessT]],
    *,
    owner: str = "",
    reason: str = "",
    on_failure: OnFailure = "raise",
) -> ProcessT:
    """Forbid sleeping until a process has ended, however it ends.

    Args:
        controller: Who forbids sleeping.
        process: Starts the process, once sleeping is forbidden.
        owner: Who holds.
        reason: What for.
        on_failure: ``raise`` (the default) starts nothing when sleeping cannot be forbidden; ``run`` starts it anyway.

    Returns:
        The process. It may be awaited as ever.

    Raises:
        ToggleError: Sleeping could not be forbidden; nothing was started.
    """
    hold = await _acquire(controller, owner or "process", reason, on_failure)
    if hold is None:
        return await process()
    try:
        started = await process()
    except BaseException:
        hold.release()
        raise

    async def release_at_the_end() -> None:
        try:
            await started.wait()
        finally:
            hold.release()

    task = asyncio.get_running_loop().create_task(release_at_the_end(), name="workloads-hold")
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)
    return started


async def hold_while(
    controller: AsyncController,
    work: Awaitable[T] | Callable[[], Awaitable[T]],
    *,
    owner: str = "",
    reason: str = "",
    on_failure: OnFailure = "raise",
) -> T:
    """Forbid sleeping while something is awaited.

    Args:
        controller: Who forbids sleeping.
        work: What is awaited, or a function that returns it. A coroutine that is not begun, because sleeping cannot be
            forbidden, is closed.
        owner: Who holds; the name of the work by default.
        reason: What for.
        on_failure: ``raise`` (the default) begins nothing when sleeping cannot be forbidden; ``run`` begins it anyway.

    Returns:
        What the work returned.

    Raises:
        ToggleError: Sleeping could not be forbidden; nothing was begun.
    """
    try:
        hold = await _acquire(controller, owner or getattr(work, "__qualname__", "work"), reason, on_failure)
    except BaseException:
        if inspect.iscoroutine(work):
            work.close()
        raise
    try:
        return await (work if inspect.isawaitable(work) else work())
    finally:
        if hold is not None:
            await controller.release(hold)


def holding(
    controller: AsyncController, *, owner: str = "", reason: str = "", on_failure: OnFailure = "raise"
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """A decorator: every call of the coroutine function forbids sleeping while it runs.

    Args:
        controller: Who forbids sleeping.
        owner: Who holds; the function's name by default.
        reason: What for.
        on_failure: As for :func:`hold_while`.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        name = owner or getattr(function, "__qualname__", "function")

        @functools.wraps(function)
        async def held(*args: P.args, **kwargs: P.kwargs) -> T:
            return await hold_while(
                controller, lambda: function(*args, **kwargs), owner=name, reason=reason, on_failure=on_failure
            )

        return held

    return decorate


async def _acquire(controller: AsyncController, owner: str, reason: str, on_failure: OnFailure) -> Hold | None:
    try:
        return await controller.acquire(owner, reason=reason)
    except ToggleError as error:
        if on_failure == "raise":
            raise
        _LOG.warning("%s runs although %s", owner, error)
        return None
