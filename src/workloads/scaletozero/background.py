"""Holds for work in the background: a process, a function, a decorator.

What is held for does not begin when the hold cannot be taken, unless ``on_failure="run"`` says that it shall run
anyway: nothing is held then, and nothing released.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from typing import TYPE_CHECKING, Literal, ParamSpec, Protocol, TypeVar

from workloads._core.process import identify, wait_gone
from workloads.errors import ToggleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import Controller

__all__ = ("OnFailure", "RunningProcess", "hold_process", "hold_while", "holding")

_LOG = logging.getLogger("workloads.scaletozero")

P = ParamSpec("P")
T = TypeVar("T")

OnFailure = Literal["raise", "run"]
"""What happens when sleeping cannot be forbidden: an error, or the work without a hold."""


class RunningProcess(Protocol):
    """A process that was started, such as a ``subprocess.Popen``."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...


ProcessT = TypeVar("ProcessT", bound=RunningProcess)


def hold_process(
    controller: Controller,
    process: ProcessT | Callable[[], ProcessT],
    *,
    owner: str = "",
    reason: str = "",
    on_failure: OnFailure = "raise",
) -> ProcessT:
    """Forbid sleeping until a process has ended, however it ends.

    Args:
        controller: Who forbids sleeping.
        process: Starts the process, once sleeping is forbidden; or the process, if it was started already.
        owner: Who holds; the pid is added to it.
        reason: What for.
        on_failure: ``raise`` (the default) starts nothing when sleeping cannot be forbidden; ``run`` starts it anyway.

    Returns:
        The process. Waiting for it, which its parent has to do as ever, does not end the hold; its end does.

    Raises:
        ToggleError: Sleeping could not be forbidden; nothing was started. A process that ran already goes on.
    """
    hold = _acquire(controller, owner or "process", reason, on_failure)
    try:
        started = process if not callable(process) else process()
        identity = None if hold is None else identify(started.pid)
    except BaseException:
        if hold is not None:
            hold.release()
        raise
    if hold is None:
        return started
    if identity is None:  # it has ended already
        hold.release()
        return started

    def release_at_the_end() -> None:
        try:
            wait_gone(identity)
        finally:
            hold.release()

    threading.Thread(target=release_at_the_end, name=f"workloads-hold-{started.pid}", daemon=True).start()
    return started


def hold_while(
    controller: Controller,
    work: Callable[[], T],
    *,
    owner: str = "",
    reason: str = "",
    on_failure: OnFailure = "raise",
) -> T:
    """Forbid sleeping while a function runs.

    Args:
        controller: Who forbids sleeping.
        work: The function.
        owner: Who holds; the function's name by default.
        reason: What for.
        on_failure: ``raise`` (the default) does not call it when sleeping cannot be forbidden; ``run`` calls it anyway.

    Returns:
        What the function returned.

    Raises:
        ToggleError: Sleeping could not be forbidden; the function was not called.
    """
    hold = _acquire(controller, owner or getattr(work, "__qualname__", "work"), reason, on_failure)
    try:
        return work()
    finally:
        if hold is not None:
            hold.release()


def holding(
    controller: Controller, *, owner: str = "", reason: str = "", on_failure: OnFailure = "raise"
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: every call of the function forbids sleeping while it runs, as :func:`hold_while` does.

    Args:
        controller: Who forbids sleeping.
        owner: Who holds; the function's name by default.
        reason: What for.
        on_failure: As for :func:`hold_while`.

    Raises:
        TypeError: It decorates a coroutine function.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        name = owner or getattr(function, "__qualname__", "function")
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{name} is for asyncio; use workloads.scaletozero.aio.holding")

        @functools.wraps(function)
        def held(*args: P.args, **kwargs: P.kwargs) -> T:
            return hold_while(
                controller, lambda: function(*args, **kwargs), owner=name, reason=reason, on_failure=on_failure
            )

        return held

    return decorate


def _acquire(controller: Controller, owner: str, reason: str, on_failure: OnFailure) -> Hold | None:
    try:
        return controller.acquire(owner, reason=reason)
    except ToggleError as error:
        if on_failure == "raise":
            raise
        _LOG.warning("%s runs although %s", owner, error)
        return None
