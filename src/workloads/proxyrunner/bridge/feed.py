"""One subscription to a server of the new era, for all sessions of the bridge: the sum of what any wants to hear of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.bridge.calls import TooManyCallsError
from workloads.proxyrunner.bridge.lowering import stamped, unmarked
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.link import ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("Feed",)

_LISTEN = "subscriptions/listen"
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_ACK_TIMEOUT = 10.0
_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LISTS = ("tools", "prompts", "resources")


class Feed:
    """Hears what changes at a server.

    A wider subscription is opened before the narrower one ends, so that nothing is missed.

    Args:
        calls: The requests in flight to the server.
        deliver: Gets each notification.
        wanted: Tells which resources anybody wants to hear of.
    """

    def __init__(self, calls: Calls, deliver: Callable[[Message], None], wanted: Callable[[], set[str]]) -> None:
        """Hear nothing yet."""
        self._calls = calls
        self._deliver = deliver
        self._wanted = wanted
        self._honoured: set[str] = set()
        self._since = 0.0
        self._pause = _PAUSE
        self._current: Call | None = None
        self._reading: dict[Call, asyncio.Task[None]] = {}
        self._starting: asyncio.Task[bool] | None = None
        self._turn = asyncio.Lock()

    def start(self) -> None:
        """Hear of changed lists, from soon on."""
        if self._current is None and (self._starting is None or self._starting.done()):
            self._starting = asyncio.create_task(self.cover(None))

    async def cover(self, uri: str | None) -> bool:
        """Hear of a resource, too.

        Args:
            uri: The resource; None for changed lists alone.

        Returns:
            Whether the server will tell of it.
        """
        async with self._turn:
            if self._current is None or (uri is not None and uri not in self._honoured):
                await self._widen(self._wanted() if uri is None else self._wanted() | {uri})
            return self._current is not None and (uri is None or uri in self._honoured)

    def close(self) -> None:
        """The server has ended, or nobody wants to hear any more."""
        for task in [*self._reading.values(), self._starting]:
            if task is not None:
                task.cancel()

    async def _widen(self, wanted: set[str]) -> None:
        notifications: dict[str, Any] = {f"{name}ListChanged": True for name in _LISTS}
        if wanted:
            notifications["resourceSubscriptions"] = sorted(wanted)
        params = stamped({"notifications": notifications}, capabilities={}, client_info={})
        honoured: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()
        try:
            call = self._calls.open(_LISTEN, params, 0, endless=True)
            await self._calls.submit(call)
        except (ServerGoneError, TooManyCallsError):
            return
        self._reading[call] = asyncio.create_task(self._read(call, honoured))
        try:
            async with asyncio.timeout(_ACK_TIMEOUT):
                covered = await honoured
        except (TimeoutError, ServerGoneError):
            self._drop(call)
            return
        except BaseException:
            self._drop(call)
            raise
        previous, self._current = self._current, call
        self._honoured, self._since = covered, asyncio.get_running_loop().time()
        if previous is not None:
            self._drop(previous)
        reading = self._reading[call]
        if reading.done() and not reading.cancelled():  # the server ended it together with its beginning
            self._reading[call] = asyncio.create_task(self._hear_again(call))

    def _drop(self, call: Call) -> None:
        self._calls.cancel(call, "another subscription has taken over")
        task = self._reading.pop(call, None)
        if task is not None:
            task.cancel()

    async def _read(self, call: Call, honoured: asyncio.Future[set[str]]) -> None:
        try:
            while (message := await call.next()) is not None:
                if message["method"] != _ACKNOWLEDGED:
                    self._deliver({**message, "params": unmarked(members(message.get("params")))})
                elif not honoured.done():
                    honoured.set_result(_resources(message))
        except ServerGoneError:
            pass
        if not honoured.done():
            honoured.set_exception(ServerGoneError("the server does not serve subscriptions"))
        elif call is self._current:  # of a server that has ended it is closed before this
            await self._hear_again(call)

    async def _hear_again(self, call: Call) -> None:
        """The server ended the subscription, but lives on. What changed meanwhile is unknown: tell of everything."""
        self._calls.cancel(call, "another subscription will take over")
        self._current, self._honoured = None, set()
        if asyncio.get_running_loop().time() - self._since > _LONGEST_PAUSE:
            self._pause = _PAUSE
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
        self._starting = asyncio.create_task(self.cover(None))
        await asyncio.wait({self._starting})
        for name in _LISTS:
            self._deliver({"jsonrpc": "2.0", "method": f"notifications/{name}/list_changed"})
        for uri in self._honoured:
            self._deliver({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})
        self._reading.pop(call, None)


def _resources(acknowledged: Message) -> set[str]:
    """The resources that a server will tell of; some say with null that there are none."""
    said = members(members(acknowledged.get("params")).get("notifications"))
    uris: list[Any] = said["resourceSubscriptions"] if isinstance(said.get("resourceSubscriptions"), list) else []
    return {uri for uri in uris if isinstance(uri, str)}
