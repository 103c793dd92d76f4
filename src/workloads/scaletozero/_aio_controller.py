"""The controller for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from workloads._core.seconds import check_seconds
from workloads.scaletozero import _forks
from workloads.scaletozero._aio_memory import AsyncMemory
from workloads.scaletozero._arguments import new_hold
from workloads.scaletozero._driver import Driver, inside, raise_error, refuse_inside
from workloads.scaletozero._offload import current_loop
from workloads.scaletozero._switch import Backoff
from workloads.scaletozero.protocols import AsyncToggler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Self

    from workloads.errors import ToggleError
    from workloads.scaletozero._switch import Call
    from workloads.scaletozero._tickets import Ticket
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncTogglerWithState, TogglerState
    from workloads.scaletozero.status import HoldStatus, Status
    from workloads.scaletozero.stores import DisableStore

__all__ = ("DebouncedController",)


class DebouncedController(Driver[AsyncToggler]):
    """The asyncio twin of :class:`workloads.scaletozero.DebouncedController`, with the same parameters.

    It belongs to the first event loop that awaits it; in another its methods raise ``RuntimeError``. Only
    ``Hold.release()`` may be called from anywhere. What the store remembers is taken up at the first ``await``, such as
    that of ``async with``.

    Args:
        toggler: What forbids and allows sleeping; one for threads needs ``to_async_toggler``.
        cooldown: Seconds for which nobody must have held it before sleeping is allowed; 1 by default.
        min_awake: Seconds that must have passed since sleeping was forbidden; 0 by default.
        store: Remembers the names that forbid sleeping; None (the default) forgets them when this process ends.
        clock: Tells the time in seconds, never jumping back; ``time.monotonic`` by default.
        awake: Whether sleeping is forbidden at the beginning; False by default.
        toggle_timeout: Seconds that a call of the toggler may take before its outcome counts as unknown; 30 by default.
        backoff: How long to wait before a toggle that failed is tried again.
        max_sleeps: How often sleeping may be allowed within ``window``; 0 (the default) for no limit.
        window: Seconds; 3600 by default.
        max_disables: How many names may forbid sleeping at once; 1024 by default.
        disable_limit: Seconds after which a disable is warned of, once; 3600 by default.
        on_error: Called with the error of every toggle that fails or is late, besides the line in the log.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        toggler: AsyncToggler,
        *,
        cooldown: float = 1.0,
        min_awake: float = 0.0,
        store: DisableStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        awake: bool = False,
        toggle_timeout: float = 30.0,
        backoff: Backoff = Backoff(),  # noqa: B008  # it is frozen
        max_sleeps: int = 0,
        window: float = 3600.0,
        max_disables: int = 1024,
        disable_limit: float = 3600.0,
        on_error: Callable[[ToggleError], object] | None = None,
    ) -> None:
        """A controller that does nothing before it is awaited."""
        super().__init__(
            toggler, cooldown=cooldown, min_awake=min_awake, store=store, clock=clock, awake=awake,
            toggle_timeout=toggle_timeout, backoff=backoff, max_sleeps=max_sleeps, window=window,
            max_disables=max_disables, disable_limit=disable_limit, on_error=on_error,
        )  # fmt: skip
        self._start()
        _forks.in_child(self)

    def _start(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._memory = AsyncMemory(self._store)
        self._empty: asyncio.Future[None] | None = None
        self._due = None
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def acquire(
        self,
        owner: str = "",
        *,
        reason: str = "",
        ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the same parameters as the controller for threads
    ) -> Hold:
        """Forbid sleeping while the hold that is returned lives. See :meth:`Controller.acquire`.

        When the caller is cancelled, nothing is held.
        """
        check_seconds("timeout", timeout)
        if (hold := self.acquire_nowait(owner, reason=reason, ttl=ttl)) is not None:
            return hold
        await self._begin()
        now = self._clock()
        hold = new_hold(self, now, owner, reason, ttl)
        ticket = self._machine.acquire(now, hold, timeout)
        try:
            await self._wait(ticket)
        except BaseException:
            self._release(hold)  # it may have been granted at the moment of the cancellation
            raise
        return hold

    def acquire_nowait(self, owner: str = "", *, reason: str = "", ttl: float | None = None) -> Hold | None:
        """Hold it if sleeping is forbidden already. For the loop of this controller.

        Args and errors are those of :meth:`acquire`.

        Returns:
            None when something would have to be awaited; nothing is held then.
        """
        if self._loop is not asyncio.get_running_loop():
            return None
        now = self._clock()
        hold = new_hold(self, now, owner, reason, ttl)
        if not self._machine.grant(hold):
            return None
        if ttl is not None:
            self._step(now)
        return hold

    async def release(self, hold: Hold) -> None:
        """End a hold. Does nothing when it has ended, or belongs to another process; raises no error of the toggler.

        Without a cooldown, the last release returns when sleeping is allowed or could not be. When the caller is
        cancelled meanwhile, the hold has ended all the same.
        """
        self._bind()
        if not hold.foreign and self._machine.release(self._clock(), hold):
            now = self._clock()
            ticket = None if self._machine.closed else self._machine.allowed(now)
            done = self._queue(now, ticket)
            if done is not None and inside.get() is not self:
                await done

    def release_hold(self, hold: Hold) -> None:
        """What :meth:`Hold.release` does: end a hold, from any thread, without waiting for anything."""
        loop = self._loop
        if loop is None:
            return
        if loop is current_loop():
            self._release(hold)
        else:
            with contextlib.suppress(RuntimeError):  # the loop was closed, and everything that it drove ended with it
                loop.call_soon_threadsafe(self._release, hold)

    release_nowait = release_hold

    @contextlib.asynccontextmanager
    async def hold(
        self,
        owner: str = "",
        *,
        reason: str = "",
        ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the same parameters as the controller for threads
    ) -> AsyncGenerator[Hold]:
        """Forbid sleeping for the length of an ``async with`` block. See :meth:`Controller.hold`."""
        held = await self.acquire(owner, reason=reason, ttl=ttl, timeout=timeout)
        try:
            yield held
        finally:
            await self.release(held)

    async def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """Forbid sleeping until the same name is enabled. See :meth:`Controller.disable`.

        When the caller is cancelled while sleeping is not forbidden yet, the name does not forbid it.

        Raises:
            StateError: It cannot be remembered, and is not in force.
        """
        check_seconds("ttl", ttl)
        await self._begin()
        known = name in self._machine.ledger.disables
        await self._wait(self._machine.disable(self._clock(), name, ttl))
        try:
            await self._memory.update(name, self._to_store)
        except Exception:
            if not known:
                now = self._clock()
                self._queue(now, self._machine.enable(now, name))
            raise

    async def enable(self, name: str = "default") -> None:
        """Allow sleeping again, as far as this name is concerned. See :meth:`Controller.enable`.

        Raises:
            StateError: It cannot be forgotten, and would be in force again after a restart; repeat it.
        """
        await self._begin()
        now = self._clock()
        ticket = self._machine.enable(now, name)
        self._step(now)
        await self._memory.update(name, self._to_store)
        await self._wait(ticket)

    def status(self) -> Status:
        """Who forbids sleeping, for how long, and what will happen next."""
        now = self._clock()
        if self._loop is not None and self._loop is current_loop():
            self._step(now)
        return self._machine.status(now)

    async def allow_now(self) -> None:
        """Allow sleeping without waiting for the rest of the cooldown. Does nothing while somebody forbids it.

        Raises:
            ToggleError: Sleeping could not be allowed; it will be tried again.
        """
        await self._begin()
        await self._wait(self._machine.hurry(self._clock()))

    async def freeze(self) -> None:
        """Allow sleeping, whoever forbids it, and change nothing from then on: every later call does nothing.

        Raises:
            ToggleError: Sleeping could not be allowed; all is as before.
        """
        await self._begin()
        await self._wait(self._machine.freeze(self._clock()))

    async def close(
        self,
        *,
        policy: Literal["enable_now", "leave"] = "enable_now",
        grace: float = 0.0,
        timeout: float = 10.0,  # noqa: ASYNC109  # the same parameters as the controller for threads
    ) -> tuple[HoldStatus, ...]:
        """Refuse whatever is asked for from now on, and let go. Can be repeated.

        Args and the result are those of :meth:`workloads.scaletozero.DebouncedController.close`.
        """
        if self._machine.closed:
            return ()
        self._bind()
        self._machine.close(self._clock())
        if grace and self._machine.ledger.holds:
            self._empty = self._running.create_future()
            await asyncio.wait({self._empty}, timeout=grace)
        now, done = self._clock(), None
        left = self._machine.status(now).holds
        if policy == "enable_now":
            self._machine.forget(now, disables=self._store is None)
            done = self._queue(now, self._machine.allowed(now))
        if done is not None:
            await asyncio.wait({done}, timeout=timeout)
        self._stopped = True
        self._arm(None)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)
        self._closed_with(left, allowed=done is None or done.done())
        return left

    # How

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    def _bind(self) -> None:
        """Belong to this loop from now on."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("this controller belongs to another event loop; make one in this loop")
            self._loop = loop
            self._step(self._clock())

    async def _begin(self) -> None:
        """Belong to this loop from now on, and take up what the store remembers."""
        self._bind()
        if not self._memory.loaded and (stored := await self._memory.load()):
            self._restore(stored)
            self._step(self._clock())

    def _queue(self, now: float, ticket: Ticket | None) -> asyncio.Future[None] | None:
        """Go on, and tell when a ticket is done; None when nobody has to wait."""
        done = None
        if ticket is not None and not ticket.done:
            done = self._running.create_future()
            ticket.wake = partial(_set, done)
        self._step(now)
        return done

    async def _wait(self, ticket: Ticket | None) -> None:
        """Wait until a ticket is done, and raise its error."""
        done = self._queue(self._clock(), ticket)
        if ticket is None:
            return
        if done is not None:
            try:
                if inside.get() is self and not done.done():
                    refuse_inside()
                await done
            except BaseException:
                now = self._clock()
                self._machine.withdraw(now, ticket)
                self._step(now)
                raise
        raise_error(ticket)

    def _release(self, hold: Hold) -> None:
        machine = self._machine
        now = self._clock()
        if hold.foreign or not machine.release(now, hold):
            return
        if self._empty is not None:
            _set(self._empty)
        allow_at = machine.ledger.allow_at
        if self._timer is None or self._due is None or self._due > allow_at or allow_at <= now:
            self._step(now)  # else the timer comes early enough

    def _step(self, now: float) -> None:
        """Begin the calls that are due, and see to it that the next one is begun."""
        if self._stopped or self._loop is None:
            return
        for call in self._machine.advance(now):
            task = self._loop.create_task(self._call(call), name=f"workloads-scaletozero-{call.verb}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._arm(self._machine.due(now))
        self._tell(self._machine.take_events())

    def _arm(self, due: float | None) -> None:
        """Come again at a time. A timer that comes early finds nothing to do, and need not be moved."""
        if self._timer is not None:
            if due is not None and self._due is not None and self._due <= due:
                return
            self._timer.cancel()
            self._timer = None
        self._due = due
        if due is not None:
            self._timer = self._running.call_later(max(0.0, due - self._clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._step(self._clock())

    async def _call(self, call: Call) -> None:
        """In a task of its own: make a call, and tell how it ended."""
        inside.set(self)
        error: BaseException | None = None
        state: TogglerState = "unknown"
        try:
            if call.verb == "state":
                state = await cast("AsyncTogglerWithState", self._toggler).state()
            else:
                changing = self._toggler.disable() if call.verb == "disable" else self._toggler.enable()
                if not inspect.isawaitable(changing):
                    raise TypeError("this toggler is not for asyncio; use to_async_toggler")  # noqa: TRY301
                await changing
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._stopped = True  # close() or the end of the loop; nothing may be begun any more
                raise
            error = TimeoutError("the call was cancelled")
        except Exception as caught:  # noqa: BLE001  # whatever it is, it is how the call ended
            error = caught
        now = self._clock()
        self._returned(now, call, error, state)
        self._step(now)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
