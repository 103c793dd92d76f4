"""Streams for asyncio: a thread reads the sync stream into a bounded queue, which the event loop empties."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from _thread import start_new_thread
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from workloads.aio._offload import in_thread, pledged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from workloads.manager import Stream

__all__ = ("Pump", "PumpedStream")

T = TypeVar("T")


class Pump(Generic[T]):
    """Reads a sync stream in one thread, ahead of its reader by a few things, until it ends or is closed."""

    def __init__(self, open_stream: Callable[[], Stream[T]], *, limit: int) -> None:
        """Prepare to read.

        Args:
            open_stream: Opens the sync stream; called in the thread.
            limit: How many things may wait to be taken before reading pauses.
        """
        self._open_stream = open_stream
        self._limit = limit
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._stream: Stream[T] | None = None
        self._opened = False
        self._over = False  # nothing more is read
        self._closed = False  # nothing more is wanted
        self._error: BaseException | None = None
        self.ended: Future[None] = pledged()
        """Done when the thread has let go of the sync stream."""

    def run(self) -> None:
        """What the thread does."""
        error: BaseException | None = None
        try:
            with self._open_stream() as stream:
                if self._begin(stream):
                    for item in stream:
                        if not self._put(item):
                            break
        except BaseException as failure:  # noqa: BLE001  # handed to the reader, never lost in a thread
            error = failure
        with self._changed:
            self._stream = None
            self._over = True
            self._error = None if self._closed else error
            self._wake()
        self.ended.set_result(None)

    def close(self) -> None:
        """End reading, from any thread but that of a loop: closing the sync stream may block for a moment."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._error = None
            stream = self._stream
            self._changed.notify()
            self._wake()
        if stream is not None:
            stream.close()

    async def opening(self) -> None:
        """Wait until the sync stream is open; raises why it could not be opened."""
        while True:
            with self._changed:
                if self._opened or self._closed:
                    return
                if self._over:
                    self._raise_error()
                    return
                waiter = self._wait()
            await self._woken(waiter)

    async def next(self) -> T:
        """Wait for the next thing; the error of the sync stream is raised once, in its place."""
        while True:
            with self._changed:
                if self._items:
                    self._changed.notify()
                    return self._items.popleft()
                if self._over or self._closed:
                    self._raise_error()
                    raise StopAsyncIteration
                waiter = self._wait()
            await self._woken(waiter)

    def _begin(self, stream: Stream[T]) -> bool:
        with self._changed:
            self._stream = stream
            self._opened = True
            self._wake()
            return not self._closed

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                return False
            self._items.append(item)
            self._wake()
            return True

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    # Waiters belong to their loops; `_changed` is held wherever the list is touched.

    def _wait(self) -> asyncio.Future[None]:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    async def _woken(self, waiter: asyncio.Future[None]) -> None:
        try:
            await waiter
        finally:
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            with contextlib.suppress(RuntimeError):  # its loop has ended, and nobody waits in it
                waiter.get_loop().call_soon_threadsafe(_arrive, waiter)
        self._waiters.clear()


class PumpedStream(Generic[T]):
    """A sync stream for asyncio; satisfies :class:`workloads.aio.AsyncStream`.

    It may be used without ``async with``: when it is garbage, its sync stream is closed and its thread ends.
    """

    def __init__(self, pump: Pump[T], start: Callable[[Pump[Any]], None]) -> None:
        """Read what ``pump`` reads, which ``start`` sets going on first use."""
        self._pump = pump
        self._start: Callable[[Pump[Any]], None] | None = start
        self._closing: Future[None] | None = None
        self._abandoned: weakref.finalize[[Pump[T]], PumpedStream[T]] | None = None

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        self._begin()
        return await self._pump.next()

    async def __aenter__(self) -> Self:
        self._begin()
        await self._pump.opening()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """See :meth:`workloads.aio.AsyncStream.aclose`. When this is cancelled, the closing goes on."""
        if self._start is not None:
            self._start = None
            self._pump.close()
            return
        if self._abandoned is not None:
            self._abandoned.detach()
        if self._closing is None:
            self._closing = in_thread("workloads-aio-close", self._pump.close, daemon=True)
        await asyncio.wrap_future(self._closing)
        await asyncio.wrap_future(self._pump.ended)

    def _begin(self) -> None:
        if self._start is not None:
            self._start(self._pump)
            self._start = None
            self._abandoned = weakref.finalize(self, _abandon, self._pump)
            self._abandoned.atexit = False


def _arrive(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _abandon(pump: Pump[Any]) -> None:
    # Garbage is collected anywhere, even where this thread holds a lock which closing the stream, or starting a thread
    # in the ordinary way, would wait for. This takes no lock.
    with contextlib.suppress(RuntimeError):  # the interpreter is ending, and threads with it
        start_new_thread(_close_abandoned, (pump,))


def _close_abandoned(pump: Pump[Any]) -> None:
    in_thread("workloads-aio-close", pump.close, daemon=True)
