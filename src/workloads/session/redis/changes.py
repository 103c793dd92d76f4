"""What changes in Redis, wherever it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from workloads.session.redis.reasons import FAILURES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType
    from typing import Self

    from workloads.session.redis.calls import Calls

__all__ = ("Changes", "Listener", "Source")

_MOST = 10_000
"""Ids that wait for a slow reader; of more it is told that all may have changed."""


class Listener(Protocol):
    """Who is told."""

    def heard(self, keys: Sequence[bytes] | None) -> None:
        """Keys changed; None means that all may have."""
        ...

    def lost(self, error: Exception | None, reason: str = "") -> None:
        """No more will be told, because of an error, or else for a reason."""
        ...


class Source(Protocol):
    """What tells: the tracking connections of one server or of several."""

    async def open(self, listener: Listener) -> None:
        """Tell of every change that is made after this returns."""
        ...

    async def close(self) -> None:
        """Tell no more. Can be repeated."""
        ...


class Changes:
    """The changes of sessions, merged while nobody reads them. Satisfies :class:`Invalidations`."""

    def __init__(self, source: Source, calls: Calls, prefix: bytes, *, ended: Callable[[Changes], object]) -> None:
        """Hear nothing yet.

        Args:
            source: What tells.
            calls: Words an error.
            prefix: What keys begin with.
            ended: Called when it is closed.
        """
        self._source, self._calls, self._prefix, self._ended = source, calls, prefix, ended
        self._ids: set[str] = set()
        self._all = False
        self._loss: str | None = None
        self._closed = False
        self._news = asyncio.Event()

    async def open(self, limit: float) -> Self:
        """Hear of every change that is made after this returns.

        Args:
            limit: Seconds that it may take.

        Raises:
            SessionStoreUnavailableError: Nothing can be heard.
        """
        reason = await self._try(self._source.open(self), limit)
        if reason is None:
            return self
        await self.aclose()
        raise self._calls.unavailable(reason)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[str] | None:
        self._calls.owner.check()
        while not self._closed:
            if self._loss is not None:
                raise self._calls.unavailable(self._loss)
            if self._all:
                self._all = False
                self._ids.clear()
                return None
            if self._ids:
                ids, self._ids = frozenset(self._ids), set()
                return ids
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Hear no more. Can be repeated; a reader that waits ends."""
        self._calls.owner.check()
        self._closed = True
        self._news.set()
        self._ended(self)
        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def heard(self, keys: Sequence[bytes] | None) -> None:
        """See :class:`Listener`."""
        if keys is None or len(self._ids) + len(keys) > _MOST:
            self._all = True
        else:
            self._ids.update(filter(None, map(self._id, keys)))
        self._news.set()

    def lost(self, error: Exception | None, reason: str = "it fell silent") -> None:
        """See :class:`Listener`."""
        if self._loss is None:
            self._loss = self._calls.explain(error) if error is not None else reason
        self._news.set()

    def _id(self, key: bytes) -> str:
        """The session that a key is of; empty when no id of ours gives that key."""
        try:
            return key.removeprefix(self._prefix).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return ""

    async def _try(self, opening: Awaitable[None], limit: float) -> str | None:
        """Why it cannot be opened; None when it is open."""
        try:
            async with asyncio.timeout(limit):
                await opening
        except FAILURES as error:
            return self._calls.explain(error)
        except BaseException:
            await self.aclose()
            raise
        return None
