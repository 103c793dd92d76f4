"""What is under way: requests that will end by themselves, and streams that live until someone ends them."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("Exchanges",)


class Exchanges:
    """Counts exchanges, so that a drain can wait for them and end the streams among them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._requests = 0
        self._streams: dict[object, Callable[[], object]] = {}
        self._ending = False
        self._none = asyncio.Event()  # set whenever the last request has ended; cleared by who waits for that
        self.on_gone: Callable[[], object] | None = None
        """Called whenever the last exchange has ended, and no stream is left."""

    @property
    def requests(self) -> int:
        """How many exchanges are under way that will end by themselves."""
        return self._requests

    @property
    def streams(self) -> int:
        """How many long-lived streams are open."""
        return len(self._streams)

    def begin(self) -> None:
        """An exchange begins."""
        self._requests += 1

    def end(self) -> None:
        """An exchange has ended."""
        self._requests -= 1
        if not self._requests:
            self._none.set()
            if self.on_gone is not None and not self._streams:
                self.on_gone()

    @contextmanager
    def stream(self, end: Callable[[], object]) -> Generator[None]:
        """Within, the exchange is a stream that does not end by itself.

        Args:
            end: Ends it. Called at most once, on the loop; at once when streams are being ended already.
        """
        key = object()
        self._streams[key] = end
        self.end()
        if self._ending:
            end()
        try:
            yield
        finally:
            self.begin()
            del self._streams[key]

    async def finish(self) -> None:
        """Wait until every exchange that ends by itself has ended, then end the streams and wait for those."""
        while self._requests:
            await self._none_left()
        self._ending = True
        for end in list(self._streams.values()):
            end()
        while self._streams or self._requests:
            await self._none_left()

    async def _none_left(self) -> None:
        self._none.clear()
        await self._none.wait()
