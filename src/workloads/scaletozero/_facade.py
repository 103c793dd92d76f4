"""One asyncio face for every kind of controller, for what serves requests."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from workloads.scaletozero._offload import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController, Controller
    from workloads.scaletozero.status import Status

__all__ = ("Face", "acquire_nowait", "face", "release_nowait")


class Face(Protocol):
    """What serving requests needs of a controller. Nothing blocks."""

    async def acquire(self, owner: str, *, reason: str) -> Hold:
        """Forbid sleeping while the hold lives; nothing is held when the caller is cancelled."""
        ...

    async def disable(self, name: str, *, ttl: float | None = None) -> None:
        """Forbid sleeping until the same name is enabled."""
        ...

    async def enable(self, name: str) -> None:
        """Allow sleeping again, as far as this name is concerned."""
        ...

    def status(self) -> Status:
        """What there is to tell."""
        ...


def face(controller: Controller | AsyncController) -> Face:
    """The face of a controller: its own when it is one for asyncio, else with a thread for each call that waits."""
    if inspect.iscoroutinefunction(controller.acquire):
        return cast("Face", controller)
    return _Offloaded(cast("Controller", controller))


def acquire_nowait(controller: Controller | AsyncController) -> Callable[..., Hold | None]:
    """What holds at once, or says that it cannot."""
    own: Callable[..., Hold | None] | None = getattr(controller, "acquire_nowait", None)
    return own if own is not None else _cannot


def release_nowait(controller: Controller | AsyncController) -> Callable[[Hold], object]:
    """What ends a hold without waiting for the toggler."""
    own: Callable[[Hold], object] | None = getattr(controller, "release_nowait", None)
    if own is not None:
        return own
    if inspect.iscoroutinefunction(controller.acquire):
        return _release
    return partial(_release_in_thread, cast("Controller", controller))


class _Offloaded:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    async def acquire(self, owner: str, *, reason: str) -> Hold:
        """Forbid sleeping while the hold lives."""
        holding = in_thread("acquire", lambda: self._controller.acquire(owner, reason=reason))
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError:
            holding.add_done_callback(self._give_back)
            raise

    async def disable(self, name: str, *, ttl: float | None = None) -> None:
        """Forbid sleeping until the same name is enabled."""
        await in_thread("disable", lambda: self._controller.disable(name, ttl=ttl))

    async def enable(self, name: str) -> None:
        """Allow sleeping again, as far as this name is concerned."""
        await in_thread("enable", lambda: self._controller.enable(name))

    def status(self) -> Status:
        """What there is to tell."""
        return self._controller.status()

    def _give_back(self, holding: asyncio.Future[Hold]) -> None:
        if not holding.cancelled() and holding.exception() is None:
            release_nowait(self._controller)(holding.result())


def _cannot(*_: Any, **__: Any) -> None:
    return None


def _release(hold: Hold) -> None:
    hold.release()


def _release_in_thread(controller: Controller, hold: Hold) -> None:
    in_thread("release", lambda: controller.release(hold))
