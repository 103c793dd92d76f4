"""The gate to a server that sleeps while nobody uses it: who comes wakes it, and keeps it awake while served."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from workloads.errors import ControllerClosedError, ToggleError, WorkloadFailedError
from workloads.proxyrunner.gate import MAX_HELD_BYTES, Gate, UnavailableError
from workloads.proxyrunner.link import TooSlowError

if TYPE_CHECKING:
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.scaletozero import Hold
    from workloads.scaletozero.aio import DebouncedController

__all__ = ("MAX_WAKING", "WAKE_HOLD", "SleepGate", "not_woken")

WAKE_HOLD = 60.0
"""Seconds a request waits for a server that may have to be woken. ``server/discover`` waits as for any other."""

MAX_WAKING = 1024
"""Requests that may wait for a wake at the same time: many may come to what sleeps, before any of them is answered."""

T = TypeVar("T")


class SleepGate(Gate[T]):
    """A gate that wakes what is behind it.

    There is one hold for all clients: from the first request that passes until no exchange is under way. So a request
    that passes while others do costs nothing, and what is refused before it came here wakes nothing.

    Args:
        controller: Keeps the server awake; its toggler wakes it, and opens this gate.
        exchanges: Tells when no exchange is under way any more. Whoever passes is one of them.
        max_held: Requests that may wait at the same time.
        max_bytes: Bytes that they may have together.
    """

    def __init__(
        self,
        controller: DebouncedController,
        exchanges: Exchanges,
        max_held: int = MAX_WAKING,
        max_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        """Begin shut, and unused."""
        super().__init__(max_held, max_bytes)
        self._controller = controller
        self._use: Hold | None = None
        exchanges.on_gone = self.unused

    def now(self) -> T | None:
        """What a request is sent to that comes now; None when it has to :meth:`enter`, perhaps to wake it."""
        if self._use is None and self._target is not None:
            # None when it is about to sleep: then it has to be woken.
            self._use = self._controller.acquire_nowait("clients")
        return None if self._use is None else self._target

    async def _wait(self) -> T:
        await self._wake()
        return await super()._wait()

    async def _wake(self) -> None:
        if self._use is not None:
            return
        try:
            self._keep(await self._controller.acquire("clients"))
        except ControllerClosedError:
            raise UnavailableError(self._refused, ending=self._ending) from None
        except ToggleError as error:
            raise not_woken(error) from error

    def _keep(self, hold: Hold) -> None:
        if self._use is None:
            self._use = hold
        else:  # of all who woke it, the first was quicker
            hold.release()

    def unused(self) -> None:
        """No exchange is under way any more, or none shall keep it awake."""
        if self._use is not None:
            self._use.release()
            self._use = None


def not_woken(error: ToggleError) -> UnavailableError:
    """What a client is told of a wake that failed: no log, and nothing of this machine."""
    cause = error.__cause__
    why = f": {cause.reason}" if isinstance(cause, WorkloadFailedError) else ""
    return UnavailableError(f"The server could not be woken{why}", late=isinstance(cause, TooSlowError))
