"""Sessions in processes beside the main one: one process for each session, or one of the old era for all."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

from workloads.proxyrunner.asgi import header
from workloads.proxyrunner.bridge.asking import EVERYTHING
from workloads.proxyrunner.bridge.opening import Era
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.link import RefusedError, ServerGoneError
from workloads.proxyrunner.protocol import initialize_params

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.children import Child, Children
    from workloads.proxyrunner.bridge.link import StdioLink
    from workloads.proxyrunner.bridge.process_front import ProcessFront
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.runtimes.protocol import Replica

__all__ = ("Apart", "Dial")


class Dial(Protocol):
    """Makes the link to a process that is opened with certain parameters of ``initialize``."""

    def __call__(self, replica: Replica, *, params: dict[str, Any], private: bool) -> StdioLink:
        """The link to this one.

        Args:
            replica: The process.
            params: What to say to it.
            private: Whether it is for one session only.
        """
        ...


class Apart:
    """Sessions in processes beside the main one. Implements ``Elsewhere``.

    With ``per_session`` each session has a process, which hears what that client says of itself, and whose questions
    and logs are for that client. Otherwise the main process serves sessions too, unless it is of the new era: a server
    that speaks both eras has then a second process, of the old one, for all sessions.

    Args:
        children: Starts processes.
        dial: Makes the link to one.
        per_session: Whether each session gets its own.
        linger: Seconds for which a process without sessions is kept.
    """

    def __init__(self, children: Children, dial: Dial, *, per_session: bool, linger: float) -> None:
        """Begin with none."""
        self._children = children
        self._dial = dial
        self._per_session = per_session
        self._linger = 0.0 if per_session else linger
        self._mine: list[Child] = []
        self._modern_only = False
        self._turn = asyncio.Lock()

    @property
    def sessions(self) -> int:
        """How many sessions they have."""
        return sum(front.sessions for front in self._fronts)

    def holds(self, session_id: str) -> bool:
        """Whether one of them has that session."""
        return any(front.holds(session_id) for front in self._fronts)

    async def find(self, request: BridgeRequest, era: Era) -> ProcessFront | None:
        """What serves a request of a client with sessions; None when the main process shall.

        Args:
            request: The request.
            era: The era of the main process.

        Raises:
            UnavailableError: There are as many processes as there may be.
            ServerGoneError: A process did not start.
        """
        if request.method != "initialize":
            session = header(request.headers, b"mcp-session-id")
            session_id = "" if session is None else session.decode("latin-1")
            return next((front for front in self._fronts if front.holds(session_id)), None)
        if self._modern_only or (era is Era.LEGACY and not self._per_session):
            return None
        try:
            return await (self._own(request) if self._per_session else self._shared())
        except RefusedError as error:
            if era is Era.LEGACY:
                raise ServerGoneError(str(error)) from None
            # It speaks the new era only: what it says will be put into the words of the old one.
            self._modern_only = True
            return None

    def settle(self) -> None:
        """End the processes that nobody needs any more."""
        now = time.monotonic()
        for child in list(self._mine):
            front = child.front
            if front is not None and front.sessions:
                child.idle_since = None
                continue
            child.idle_since = now if child.idle_since is None else child.idle_since
            if front is None or now - child.idle_since >= self._linger:
                self._mine.remove(child)
                self._children.end(child)

    def sweep(self) -> None:
        """End the sessions that nobody has used for too long, and the processes that nobody needs any more."""
        for front in self._fronts:
            front.sweep()
        self.settle()

    @property
    def _fronts(self) -> list[ProcessFront]:
        return [child.front for child in self._mine if child.front is not None]

    async def _own(self, request: BridgeRequest) -> ProcessFront:
        params = members(request.params)
        if "protocolVersion" not in params:
            params = {**initialize_params(), **params}
        return await self._start(params)

    async def _shared(self) -> ProcessFront:
        async with self._turn:
            return next(iter(self._fronts), None) or await self._start(initialize_params(EVERYTHING))

    async def _start(self, params: dict[str, Any]) -> ProcessFront:
        def connect(replica: Replica) -> StdioLink:
            return self._dial(replica, params=params, private=self._per_session)

        child = await self._children.start(connect)
        front = child.front
        assert front is not None
        # Its first session has begun before anybody looks whether it has one.
        child.idle_since = None
        self._mine.append(child)
        return front
