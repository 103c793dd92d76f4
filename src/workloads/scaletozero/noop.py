"""Controllers for where nothing sleeps."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from workloads._core.seconds import check_seconds
from workloads.errors import ControllerClosedError
from workloads.scaletozero import _forks
from workloads.scaletozero._arguments import new_hold
from workloads.scaletozero._ledger import Ledger, Policy, check_name
from workloads.scaletozero._machine import disable_statuses, hold_statuses
from workloads.scaletozero.status import Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from typing import Self

    from workloads.scaletozero.holds import Hold

__all__ = ("AsyncNoopController", "NoopController")


class _Book:
    """Writes down who forbids sleeping, which nothing does anyway."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody.

        Args:
            clock: Tells the time in seconds; ``time.monotonic`` by default.
        """
        self._clock = clock
        self._closed = False
        self.after_fork()
        _forks.in_child(self)

    def after_fork(self) -> None:
        """Begin anew in a forked child."""
        self._lock = threading.Lock()
        self._ledger = Ledger(Policy())

    def release_hold(self, hold: Hold) -> None:
        """What :meth:`Hold.release` does."""
        if not hold.foreign:
            with self._lock:
                self._ledger.remove_hold(hold)

    release_nowait = release_hold

    def status(self) -> Status:
        """Who would forbid sleeping."""
        with self._lock:
            now = self._clock()
            self._ledger.expire(now)
            return Status(
                sleep="allowed",
                holds=hold_statuses(self._ledger, now),
                disables=disable_statuses(self._ledger, now),
                sleeps_in=None if self._ledger.busy else 0.0,
                closed=self._closed,
            )

    def acquire_nowait(self, owner: str = "", *, reason: str = "", ttl: float | None = None) -> Hold:
        """A hold."""
        with self._lock:
            self._check_open()
            now = self._clock()
            self._ledger.expire(now)  # else those that end by themselves would pile up until somebody asks
            hold = new_hold(self, now, owner, reason, ttl)
            self._ledger.add_hold(hold)
            return hold

    def _disable(self, name: str, ttl: float | None) -> None:
        check_seconds("ttl", ttl)
        check_name(name)
        with self._lock:
            self._check_open()
            now = self._clock()
            self._ledger.expire(now)
            self._ledger.add_disable(now, name, None if ttl is None else now + ttl)

    def _enable(self, name: str) -> None:
        check_name(name)
        with self._lock:
            self._check_open()
            self._ledger.remove_disable(name)

    def _close(self) -> None:
        with self._lock:
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ControllerClosedError


class NoopController(_Book):
    """A controller where nothing sleeps: it only writes down who holds what, for its status. For any thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def acquire(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Hold:
        """A hold, at once. See :meth:`Controller.acquire`."""
        check_seconds("timeout", timeout)
        return self.acquire_nowait(owner, reason=reason, ttl=ttl)

    def release(self, hold: Hold) -> None:
        """End a hold."""
        self.release_hold(hold)

    @contextlib.contextmanager
    def hold(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Generator[Hold]:
        """A hold for the length of a ``with`` block."""
        held = self.acquire(owner, reason=reason, ttl=ttl, timeout=timeout)
        try:
            yield held
        finally:
            held.release()

    def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """Write down that a name forbids sleeping."""
        self._disable(name, ttl)

    def enable(self, name: str = "default") -> None:
        """Write down that it no longer does."""
        self._enable(name)

    def close(self) -> None:
        """Refuse whatever is asked for from now on."""
        self._close()


class AsyncNoopController(_Book):
    """The asyncio twin of :class:`NoopController`."""

    async def __aenter__(self) -> Self:
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
        """A hold, at once. See :meth:`Controller.acquire`."""
        check_seconds("timeout", timeout)
        return self.acquire_nowait(owner, reason=reason, ttl=ttl)

    async def release(self, hold: Hold) -> None:
        """End a hold."""
        self.release_hold(hold)

    @contextlib.asynccontextmanager
    async def hold(
        self,
        owner: str = "",
        *,
        reason: str = "",
        ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the same parameters as the controller for threads
    ) -> AsyncGenerator[Hold]:
        """A hold for the length of an ``async with`` block."""
        held = await self.acquire(owner, reason=reason, ttl=ttl, timeout=timeout)
        try:
            yield held
        finally:
            held.release()

    async def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """Write down that a name forbids sleeping."""
        self._disable(name, ttl)

    async def enable(self, name: str = "default") -> None:
        """Write down that it no longer does."""
        self._enable(name)

    async def close(self) -> None:
        """Refuse whatever is asked for from now on."""
        self._close()
