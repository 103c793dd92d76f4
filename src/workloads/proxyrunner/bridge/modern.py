"""Clients of the new era with a server of the new era: their requests go on, under names of the bridge's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from workloads.proxyrunner.bridge.answers import Answer
from workloads.proxyrunner.bridge.envelope import forwardable, log_level_of, status_of
from workloads.proxyrunner.bridge.stateless_http import deliver, deliver_endlessly
from workloads.proxyrunner.jsonrpc import members

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("MAX_STATES", "ModernRequests")

MAX_STATES = 1_000
"""Request states that are known to be of this process; of more, the oldest is forgotten."""


class ModernRequests:
    """Does what clients without sessions ask for. Implements ``StatelessServer``.

    Args:
        calls: The requests in flight to the process.
        discovered: What it said of itself, which every client gets.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(self, calls: Calls, discovered: dict[str, Any], *, request_timeout: float | None = None) -> None:
        """Serve with this process."""
        self._calls = calls
        self._discovered = discovered
        self._request_timeout = request_timeout
        self._states: LRUCache[int, None] = LRUCache(MAX_STATES)

    @property
    def discovered(self) -> dict[str, Any]:
        """The result of ``server/discover``."""
        return self._discovered

    def remembers(self, state: str) -> bool:
        """Whether the process gave out that request state. A server keeps the key to its states to itself."""
        return hash(state) in self._states

    async def request(self, request: BridgeRequest) -> None:
        """Answer a request."""
        level = log_level_of(request.params)
        params = request.params if level is not None and self._calls.quiet else forwardable(request.params)
        call = self._calls.open(request.method, params, request.id, log_level=level)
        answer = Answer(call, request.send, request.accepts, status_of=status_of, translate=self._noted)
        try:
            await deliver(request, answer, self._request_timeout, self._calls.submit(call))
        finally:
            # Does nothing when the answer came. Else the client left, which in this era cancels.
            self._calls.cancel(call, "the client has gone")

    async def listen(self, request: BridgeRequest, exchanges: Exchanges) -> None:
        """Answer a subscription."""
        call = self._calls.open(request.method, forwardable(request.params), request.id, endless=True)
        answer = Answer(call, request.send, request.accepts, status_of=status_of)
        try:
            await self._calls.submit(call)
            await deliver_endlessly(request, answer, exchanges)
        finally:
            self._calls.cancel(call, "the client has gone")

    def _noted(self, response: Message) -> Message:
        """The response, whose request state is noted as one of this process."""
        state = members(response.get("result")).get("requestState")
        if isinstance(state, str):
            self._states[hash(state)] = None
        return response
