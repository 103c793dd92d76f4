"""A toggler that remembers, and an asyncio controller behind the verbs of the one for threads."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController, Controller
    from workloads.scaletozero.status import Status

__all__ = ("BlockingController", "RecordingToggler", "blocking")

T = TypeVar("T")

_PATIENCE = 30.0


class RecordingToggler:
    """Remembers what it was told, and fails as often as it is asked to.

    Attributes:
        calls: ``disable`` and ``enable``, in the order in which they were called.
        fail: How many calls are still to fail, by verb.
    """

    drives = False

    def __init__(self) -> None:
        """Sleeping is allowed."""
        self.calls: list[str] = []
        self.fail = {"disable": 0, "enable": 0}

    def disable(self) -> None:
        """Forbid sleeping."""
        self._call("disable")

    def enable(self) -> None:
        """Allow sleeping."""
        self._call("enable")

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if self.fail[verb]:
            self.fail[verb] -= 1
            raise OSError(f"{verb} fails, as it was asked to")


class BlockingController:
    """An asyncio controller with the verbs of one for threads. Its loop runs in a thread until it is closed.

    Args:
        make: Makes the controller; called on the loop.
    """

    def __init__(self, make: Callable[[], AsyncController]) -> None:
        """Begin with a new loop."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workloads-testing-loop")
        self._thread.start()
        self._controller = self._run(self._made(make))

    def acquire(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Hold:
        """As the controller's."""
        return self._run(self._controller.acquire(owner, reason=reason, ttl=ttl, timeout=timeout))

    def release(self, hold: Hold) -> None:
        """As the controller's."""
        self._run(self._controller.release(hold))

    @contextlib.contextmanager
    def hold(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Generator[Hold]:
        """As the controller's."""
        manager = self._controller.hold(owner, reason=reason, ttl=ttl, timeout=timeout)
        held = self._run(_awaited(manager.__aenter__()))
        try:
            yield held
        finally:
            self._run(_awaited(manager.__aexit__(None, None, None)))

    def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """As the controller's."""
        self._run(self._controller.disable(name, ttl=ttl))

    def enable(self, name: str = "default") -> None:
        """As the controller's."""
        self._run(self._controller.enable(name))

    def status(self) -> Status:
        """As the controller's."""
        return self._run(self._told())

    def close(self) -> None:
        """As the controller's."""
        if not self._loop.is_closed():
            self._run(self._controller.close())

    def end(self) -> None:
        """End the loop."""
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _made(self, make: Callable[[], AsyncController]) -> AsyncController:
        return make()

    async def _told(self) -> Status:
        return self._controller.status()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)


@contextlib.contextmanager
def blocking(make: Callable[[], Controller | AsyncController]) -> Generator[Controller]:
    """A controller of any kind with the verbs of one for threads, closed at the end."""
    made = make()
    if not inspect.iscoroutinefunction(made.acquire):
        controller = cast("Controller", made)
        try:
            yield controller
        finally:
            controller.close()
        return
    facade = BlockingController(lambda: cast("AsyncController", made))
    try:
        yield facade
    finally:
        facade.end()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
