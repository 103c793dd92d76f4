"""Ends or freezes servers that nobody uses, and wakes them for the first who does. The proxy stays up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.model import WorkloadStatus
from workloads.proxyrunner.reports import ASLEEP
from workloads.proxyrunner.sleep_gate import SleepGate
from workloads.scaletozero import Backoff
from workloads.scaletozero.aio import DebouncedController

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.keeping import SleepyKeeper
    from workloads.proxyrunner.reports import News, Vitals
    from workloads.runtimes.protocol import Replica
    from workloads.scaletozero import Hold

__all__ = ("Activator",)

T = TypeVar("T")

_WAKING = "waking"
_PATIENCE = 60.0
"""Seconds, beyond those to become ready twice, after which it is not known any more what a wake is about."""

_RETRIES = Backoff(first=0.5, longest=8.0)


class Activator(Generic[T]):
    """Keeps servers up while somebody uses them. Implements ``Keeper``, ``Vitals``, ``News``, and ``AsyncToggler``.

    Whether somebody does is decided by a controller of :mod:`workloads.scaletozero`, which holds of the clients reach
    through :attr:`gate`. To forbid sleeping means here that a server is ready, so that all who wait for it share one
    wake, and its error. A sleeping workload is told of as running; what it lacks is not told of, as nobody misses it.

    Args:
        idle_timeout: Seconds without any use after which the servers are put to sleep.
        suspends: Whether they are frozen for that, if all can be; else they are ended.
        ready_timeout: Seconds they may take to become ready.
        exchanges: Tells when no client is served any more.
        health: Told whether requests can be served; while it sleeps they can.
        told: Told what happens.
    """

    drives = True

    def __init__(
        self,
        *,
        idle_timeout: float,
        suspends: bool,
        ready_timeout: float,
        exchanges: Exchanges,
        health: Vitals,
        told: News,
    ) -> None:
        """Prepare; :meth:`keeping` must follow."""
        self._suspends = suspends
        self._health = health
        self._told = told
        self.controller = DebouncedController(
            self, cooldown=idle_timeout, awake=True, toggle_timeout=2 * ready_timeout + _PATIENCE
        )
        """Decides when they sleep."""
        self.gate: SleepGate[T] = SleepGate(self.controller, exchanges)
        """What clients have to pass."""
        self._make: Callable[[], SleepyKeeper] | None = None
        self._keeper: SleepyKeeper | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._starting: Hold | None = None
        self._closing: asyncio.Task[object] | None = None
        self._frozen: T | None = None
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._begun = False
        self._changing = False
        self._waking = False
        self._torn = False  # of the servers something may be left that neither serves nor sleeps
        self._retired = False
        self._failures = 0
        self._retry_at = 0.0

    def keeping(self, make: Callable[[Vitals, News], SleepyKeeper]) -> Activator[T]:
        """Keep up what is made so, anew for every time awake.

        Args:
            make: Makes it. It opens and shuts :attr:`gate`, and reports to what it is given.
        """
        self._make = lambda: make(self, self)
        return self

    # What a keeper is

    async def run(self) -> None:
        """Keep the servers up whenever somebody uses them, until cancelled or until they end by themselves.

        Raises:
            WorkloadsError: They did not start the first time, or did not stay up.
        """
        try:
            self._starting = await self.controller.acquire("start")
            self._begun = True
            self._start()
            await self._over.wait()
            assert self._keeping is not None
            self._keeping.result()
        finally:
            await asyncio.wait({self._close()})
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.wait({self._keeping})

    def retire(self) -> bool:
        """Start nothing any more, and wake nothing.

        Returns:
            Whether :meth:`run` has a server to watch.
        """
        self._retired = True
        self._close()
        return self._keeper is not None and self._keeper.retire()

    async def stop(self, grace: float | None = None) -> None:
        """End the servers, after so many seconds by force. Idempotent."""
        if self._keeper is not None:
            await self._keeper.stop(grace)

    async def kill(self) -> None:
        """End the servers at once."""
        if self._keeper is not None:
            await self._keeper.kill()

    # What a toggler is

    async def disable(self) -> None:
        """Wake: return when a server is ready, or could not be made so.

        Raises:
            WorkloadsError: Why it could not.
        """
        if not self._begun:
            return  # run() is about to start it: the idle timeout may be over before it comes to that
        if self._keeper is not None and self._frozen is None and not self._torn:
            return
        # Whoever comes meanwhile waits too: a server that fails at once is not started for every request.
        await asyncio.sleep(self._retry_at - asyncio.get_running_loop().time())
        if self._frozen is not None and await self._thaw(self._frozen):
            return
        self._changing = self._waking = True
        try:
            await self._clear()
            await self._woken(self._start())
        finally:
            self._changing = False

    async def enable(self) -> None:
        """Sleep: return when the servers are frozen, or have ended.

        Raises:
            TimeoutError: They could not be; they serve nobody any more, and are ended before they are woken.
        """
        if self._keeper is None or self._frozen is not None:
            return
        self._changing = True
        try:
            target = self.gate.target
            self.gate.shut()
            if self._suspends and target is not None and await self._keeper.suspend():
                self._frozen = target
            else:
                await self._end(self._keeper)
            self._tell(WorkloadStatus.RUNNING, ASLEEP)
        except WorkloadsError as error:
            self._torn = True
            raise TimeoutError(str(error)) from error  # to the controller: nobody knows what holds now
        finally:
            self._changing = False

    # What servers report to

    def ready(self, took: float) -> None:
        """A server answered, in so many seconds."""
        self._ready.set()
        self._health.ready(took)

    def down(self, reason: str) -> None:
        """No request can be served; that is no news while it is woken."""
        if not self._changing:
            self._health.down(reason)

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """The servers are in this state."""
        if status is WorkloadStatus.RUNNING:
            self._waking = False
            self._settled()
        elif self._waking:
            status, context = WorkloadStatus.RUNNING, _WAKING
        elif self._starting is None:
            # It ended by itself and is started again, which nobody shall take for being idle.
            self._starting = self.controller.acquire_nowait("restart")
        self._tell(status, context)

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """These copies of the server run now."""
        self._told.replicas(replicas, ready)

    # How

    def _start(self) -> asyncio.Task[None]:
        assert self._make is not None
        self._ready.clear()
        self._keeper = self._make()
        self._keeping = asyncio.create_task(self._keeper.run(), name="workloads-awake")
        self._keeping.add_done_callback(self._ended)
        return self._keeping

    def _ended(self, keeping: asyncio.Task[None]) -> None:
        if not keeping.cancelled():
            keeping.exception()  # whoever wants it asks the task; it counts as seen in any case
        if not self._changing and self._frozen is None and not self._torn:
            self._over.set()

    async def _thaw(self, target: T) -> bool:
        """Let frozen servers go on; returns whether all of them do, else they are to be ended."""
        assert self._keeper is not None
        self._changing = True
        try:
            resumed = await self._keeper.resume()
            self._frozen = None
            if resumed:
                self._failures = 0
                self._health.ready(0.0)
                self.gate.open(target)
                self._tell(WorkloadStatus.RUNNING, "")
                return True
            self._torn = True
        except WorkloadsError as error:
            # What it depends on cannot be woken; it stays frozen, with all that it knows.
            raise self._failed(error) from None
        finally:
            self._changing = False
        return False

    async def _clear(self) -> None:
        """End what is left of servers that could neither be put to sleep nor go on."""
        if self._torn and self._keeper is not None:
            try:
                await self._end(self._keeper)
            except WorkloadsError as error:
                raise self._failed(error) from None

    async def _end(self, keeper: SleepyKeeper) -> None:
        keeping = self._keeping
        assert keeping is not None
        if not keeper.retire():
            keeping.cancel()
            await asyncio.wait({keeping})
        await keeper.stop()
        await asyncio.wait({keeping})
        await keeper.stop()  # one that was still being started when it was told to end
        self._keeper = self._keeping = None
        self._torn = False

    async def _woken(self, keeping: asyncio.Task[None]) -> None:
        ready = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait({ready, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._ready.is_set():
            self._failures = 0
            return
        self._keeper = self._keeping = None
        raise self._failed(keeping.exception() or RuntimeError("it ended before it was ready"))

    def _failed(self, error: BaseException) -> BaseException:
        """Tell why it could not be woken, and when that may be tried again."""
        self._failures += 1
        self._retry_at = asyncio.get_running_loop().time() + _RETRIES.after(self._failures)
        reason = error.reason if isinstance(error, WorkloadFailedError) else str(error)
        self._health.down(reason)
        self._waking = False
        self._tell(WorkloadStatus.UNHEALTHY, f"could not be woken: {reason}")
        return error

    def _settled(self) -> None:
        if self._starting is not None:
            self._starting.release()
            self._starting = None

    def _tell(self, status: WorkloadStatus, context: str) -> None:
        if not self._retired:
            self._told.status(status, context)

    def _close(self) -> asyncio.Task[object]:
        """Tell whoever waits for a wake that there will be none, once."""
        if self._closing is None:
            self._settled()
            self.gate.unused()
            self._closing = asyncio.create_task(self.controller.close(policy="leave"), name="workloads-wakes-no-more")
        return self._closing
