"""Streamable HTTP of the new era: every request stands for itself, in front of a server of either era."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.bridge.envelope import check_envelope
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, Kind, encode
from workloads.proxyrunner.replies import json_reply
from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.bridge.answers import Answer
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges

__all__ = ("StatelessFront", "StatelessServer", "deliver", "deliver_endlessly")

_LISTEN = "subscriptions/listen"
# What the era took away; that its servers know it still helps nobody.
_GONE = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})


class StatelessServer(Protocol):
    """Does what clients without sessions ask for, with a server of one era."""

    @property
    def discovered(self) -> dict[str, Any]:
        """The result of ``server/discover``."""
        ...

    async def request(self, request: BridgeRequest) -> None:
        """Answer a request."""
        ...

    async def listen(self, request: BridgeRequest, exchanges: Exchanges) -> None:
        """Answer a subscription."""
        ...

    def remembers(self, state: str) -> bool:
        """Whether the server gave out that request state."""
        ...


class StatelessFront:
    """Serves clients that have no sessions.

    Args:
        server: Does what they ask for.
        exchanges: Where long-lived streams are entered.
    """

    def __init__(self, server: StatelessServer, exchanges: Exchanges) -> None:
        """Prepare to serve."""
        self._server = server
        self._exchanges = exchanges

    def remembers(self, state: str) -> bool:
        """Whether the server gave out that request state."""
        return self._server.remembers(state)

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        check_envelope(request)
        if request.kind is not Kind.REQUEST:
            # The only notification a client has in this era cancels a request, and over HTTP it leaves for that.
            await respond(request.send, json_reply(202, b""))
        elif request.method in _GONE:
            raise request.refuse(404, METHOD_NOT_FOUND, "Method not found", request.method)
        elif request.method == "server/discover":
            body = encode({"jsonrpc": "2.0", "id": request.id, "result": self._server.discovered})
            await respond(request.send, json_reply(200, body))
        elif request.method != _LISTEN:
            await self._server.request(request)
        elif request.accepts.stream:
            await self._server.listen(request, self._exchanges)
        else:
            raise request.refuse(406, INVALID_REQUEST, "Accept must allow text/event-stream")


async def deliver(
    request: BridgeRequest, answer: Answer, request_timeout: float | None, sending: Awaitable[None]
) -> None:
    """Send what the server needs, then its answer; or that it took too long for it, be it only to read."""
    try:
        async with asyncio.timeout(request_timeout):
            await sending
            await answer.deliver()
    except TimeoutError:
        if not answer.streaming:
            raise request.refuse(504, INTERNAL_ERROR, "The server took too long") from None
        await answer.end_with_error("The server took too long")


async def deliver_endlessly(request: BridgeRequest, answer: Answer, exchanges: Exchanges) -> None:
    """Send the answer to a subscription."""
    if await answer.begin():
        await LongStream(exchanges, request.connection, request.send).run(answer.deliver())
