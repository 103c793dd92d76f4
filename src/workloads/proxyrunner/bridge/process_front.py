"""What serves clients of both eras with one process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from workloads.proxyrunner.bridge.interest import Interest
from workloads.proxyrunner.bridge.legacy import LegacySessions
from workloads.proxyrunner.bridge.legacy_requests import LegacyRequests
from workloads.proxyrunner.bridge.modern import ModernRequests
from workloads.proxyrunner.bridge.modern_sessions import ModernSessions
from workloads.proxyrunner.bridge.opening import Era, Opened
from workloads.proxyrunner.bridge.session_http import SessionFront
from workloads.proxyrunner.bridge.sessions import Session, Sessions
from workloads.proxyrunner.bridge.stateless_http import StatelessFront

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("Elsewhere", "ProcessFront")


class Elsewhere(Protocol):
    """Processes beside this one, which serve sessions."""

    @property
    def sessions(self) -> int:
        """How many sessions they have."""
        ...

    def holds(self, session_id: str) -> bool:
        """Whether one of them has that session."""
        ...

    async def find(self, request: BridgeRequest, era: Era) -> ProcessFront | None:
        """What serves a request of a client with sessions; None when this process shall.

        Args:
            request: The request.
            era: The era of this process.
        """
        ...

    def settle(self) -> None:
        """A session may have ended: let go of processes that nobody needs."""
        ...


class ProcessFront:
    """Serves clients of both eras with one process.

    Args:
        opened: The process.
        calls: The requests in flight to it.
        exchanges: Where long-lived streams are entered.
        ttl: Seconds without a request after which a session ends.
        elsewhere: What serves sessions in its place. Default: nothing does.
        private: Whether the process is for one session only.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self,
        opened: Opened,
        calls: Calls,
        exchanges: Exchanges,
        *,
        ttl: float,
        elsewhere: Elsewhere | None = None,
        private: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Serve with this process, natively where the era of a client is its own."""
        self._era = opened.era
        self._calls = calls
        self._elsewhere = elsewhere
        self._legacy: tuple[LegacySessions, LegacyRequests] | None = None
        self._modern: ModernSessions | None = None
        sessions = Sessions(ttl=ttl, clock=time.monotonic)
        server: LegacySessions | ModernSessions
        requests: LegacyRequests | ModernRequests
        if opened.era is Era.LEGACY:
            interest = Interest()
            server = LegacySessions(
                calls, opened.result, sessions, interest, private=private, request_timeout=request_timeout
            )
            requests = LegacyRequests(calls, opened.result, interest, request_timeout=request_timeout)
            self._legacy = server, requests
        else:
            server = self._modern = ModernSessions(calls, opened.result, sessions, request_timeout=request_timeout)
            requests = ModernRequests(calls, opened.result, request_timeout=request_timeout)
        self.discovered = requests.discovered
        """What clients of the new era are told of the server."""
        self._with_sessions = SessionFront(server, calls, sessions, exchanges)
        self._stateless = StatelessFront(requests, exchanges)

    @property
    def load(self) -> int:
        """How many requests are in flight to the process."""
        return len(self._calls)

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return self._with_sessions.sessions + (self._elsewhere.sessions if self._elsewhere is not None else 0)

    def holds(self, session_id: str) -> bool:
        """Whether there is that session."""
        if self._elsewhere is not None and self._elsewhere.holds(session_id):
            return True
        return self._with_sessions.holds(session_id)

    def remembers(self, state: str) -> bool:
        """Whether the process gave out that request state."""
        return self._stateless.remembers(state)

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        if request.modern:
            await self._stateless.post(request)
        else:
            await (await self._find(request)).post(request)

    async def get(self, request: BridgeRequest) -> None:
        """Serve a GET of a client with a session."""
        await (await self._find(request)).get(request)

    async def delete(self, request: BridgeRequest) -> None:
        """Serve a DELETE of a client with a session."""
        await (await self._find(request)).delete(request)
        if self._elsewhere is not None:
            self._elsewhere.settle()

    def sweep(self) -> None:
        """End the sessions that nobody has used for too long."""
        self._with_sessions.sweep()

    def notify(self, message: Message) -> None:
        """The server told something that belongs to no request."""
        if self._legacy is not None:
            for each in self._legacy:
                each.notify(message)

    def ask(self, message: Message, call: Call | None) -> bool:
        """The server asks a client something. Returns whether one was asked.

        Args:
            message: The server's request.
            call: The request that caused it; None when none is in flight.
        """
        if self._legacy is None:  # in the new era no server asks
            return False
        sessions, requests = self._legacy
        if call is None or isinstance(call.owner, Session):
            return sessions.ask(message, call)
        return requests.ask(message, call)

    def close(self) -> None:
        """The process has ended: so have its sessions and subscriptions."""
        self._with_sessions.close()
        if self._legacy is not None:
            self._legacy[1].close()
        if self._modern is not None:
            self._modern.close()

    async def _find(self, request: BridgeRequest) -> SessionFront | ProcessFront:
        found = None if self._elsewhere is None else await self._elsewhere.find(request, self._era)
        return self._with_sessions if found is None else found
