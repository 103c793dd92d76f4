"""One subscription of a client to several replicas: each tells only of what happened at itself.

The client gets the stream of one replica, with the events of the others between its own. Those say only that something
changed, so that one told twice does no harm, but one not told does: a stream that cannot be whole ends, which tells the
client to subscribe again and to look at everything.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from workloads.proxyrunner.body import MAX_BODY
from workloads.proxyrunner.upstream import StreamCutError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from workloads.proxyrunner.upstream import Answer

__all__ = ("EventSplitter", "FanIn")

_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BOUNDARY = 4
_ACKNOWLEDGED = b'"notifications/subscriptions/acknowledged"'
_METHOD = b'"method"'
_ACK_TIMEOUT = 5.0
_MAX_WAITING = 16


class EventSplitter:
    """Cuts a stream of events between its events, whose bytes stay as they are.

    Args:
        limit: Bytes an event may have; a longer one ends in a ``ValueError``. Default: 8 MiB.
    """

    def __init__(self, limit: int = MAX_BODY) -> None:
        """Begin at the start of a stream."""
        self._limit = limit
        self._rest = bytearray()

    def feed(self, part: bytes) -> list[bytes]:
        """The events, and comments, that this part completes."""
        rest = self._rest
        looked = max(0, len(rest) - _LONGEST_BOUNDARY + 1)
        rest += part
        events: list[bytes] = []
        begin = 0
        for match in _BOUNDARY.finditer(rest, looked):
            events.append(bytes(rest[begin : match.end()]))
            begin = match.end()
        del rest[:begin]
        if len(rest) > self._limit:
            raise ValueError("an event of the stream is too long")
        return events


class FanIn:
    """The streams of several replicas as one.

    Args:
        main: The one that the client gets whole.
        others: Those of which it gets the events.
        grown: Set when there is another replica, of which nothing would be heard.
    """

    def __init__(self, main: Answer, others: Sequence[Answer], grown: asyncio.Event) -> None:
        """Prepare to read."""
        self._main = main
        self._others = others
        self._grown = grown
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._begun = asyncio.Event()
        self._cut: StreamCutError | None = None

    async def parts(self) -> AsyncGenerator[bytes]:
        """What the client gets, event by event; its first is the acknowledgement of the main stream.

        Raises:
            StreamCutError: The main stream ended in the middle.
        """
        acknowledged = [asyncio.Event() for _ in self._others]
        readers = [
            asyncio.create_task(self._read(other, ack)) for other, ack in zip(self._others, acknowledged, strict=True)
        ]
        tasks: list[asyncio.Task[None]] = [*readers, asyncio.create_task(self._await_growth())]
        try:
            await _all_set(acknowledged)
            tasks.append(asyncio.create_task(self._read_main()))
            while (event := await self._events.get()) is not None:
                yield event
            if self._cut is not None:
                raise self._cut
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_main(self) -> None:
        splitter = EventSplitter()
        try:
            while not self._main.at_end:
                for event in splitter.feed(await self._main.read()):
                    await self._events.put(event)
                    if _METHOD in event:
                        self._begun.set()
        except StreamCutError as error:
            self._cut = error
        except ValueError as error:
            self._cut = StreamCutError(str(error))
        await self._events.put(None)

    async def _read(self, other: Answer, acknowledged: asyncio.Event) -> None:
        """Read the stream of another replica: nothing of it comes before the main stream was acknowledged."""
        splitter = EventSplitter()
        try:
            while not other.at_end:
                for event in splitter.feed(await other.read()):
                    if _ACKNOWLEDGED in event:
                        acknowledged.set()
                    elif _METHOD in event:
                        await self._begun.wait()
                        await self._events.put(event)
        except (StreamCutError, ValueError):
            pass
        acknowledged.set()
        await self._events.put(None)

    async def _await_growth(self) -> None:
        await self._grown.wait()
        await self._events.put(None)


async def _all_set(events: Sequence[asyncio.Event]) -> None:
    """Wait until all are set, but not for ever: a replica that does not acknowledge is one that does not tell."""
    try:
        async with asyncio.timeout(_ACK_TIMEOUT):
            for event in events:
                await event.wait()
    except TimeoutError:
        return
