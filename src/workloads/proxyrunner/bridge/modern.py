"""The bridge to a server of the protocol's new era: every request stands for itself, and there are no sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.bridge.answers import Answer
from workloads.proxyrunner.bridge.envelope import check_envelope, forwardable, status_of
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, Kind, Message
from workloads.proxyrunner.replies import json_reply, method_not_allowed
from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges

__all__ = ("ModernFront",)

_LISTEN = "subscriptions/listen"


class ModernFront:
    """Serves streamable HTTP of the new era for one process.

    Args:
        calls: The requests in flight to the process.
        exchanges: Where long-lived streams are entered.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(self, calls: Calls, exchanges: Exchanges, *, request_timeout: float | None = None) -> None:
        """Prepare to serve."""
        self._calls = calls
        self._exchanges = exchanges
        self._request_timeout = request_timeout

    @property
    def load(self) -> int:
        """How many requests are in flight to the process."""
        return len(self._calls)

    @property
    def sessions(self) -> int:
        """None: 0."""
        return 0

    def holds(self, session_id: str) -> bool:
        """No: there are no sessions."""
        del session_id
        return False

    def notify(self, message: Message) -> None:
        """The server told something that belongs to no request: in this era nobody has asked for it."""

    def close(self) -> None:
        """The process has ended: nothing is kept for it."""

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        check_envelope(request)
        if request.kind is not Kind.REQUEST:
            # The only notification a client has in this era cancels a request, and over HTTP it leaves for that.
            await respond(request.send, json_reply(202, b""))
            return
        endless = request.method == _LISTEN
        if endless and not request.accepts.stream:
            raise request.refuse(406, INVALID_REQUEST, "Accept must allow text/event-stream")
        call = self._calls.open(request.method, forwardable(request.params), request.id, endless=endless)
        answer = Answer(call, request.send, request.accepts, status_of=status_of)
        try:
            await self._calls.submit(call)
            if not endless:
                await self._deliver(request, answer)
            elif await answer.begin():
                await LongStream(self._exchanges, request.connection, request.send).run(answer.deliver())
        finally:
            # Does nothing when the answer came. Else the client left, which in this era cancels.
            self._calls.cancel(call, "the client has gone")

    async def get(self, request: BridgeRequest) -> None:
        """Refuse a GET: there are no streams but answers."""
        await respond(request.send, method_not_allowed("POST"))

    async def delete(self, request: BridgeRequest) -> None:
        """Refuse a DELETE: there are no sessions."""
        await respond(request.send, method_not_allowed("POST"))

    async def _deliver(self, request: BridgeRequest, answer: Answer) -> None:
        try:
            async with asyncio.timeout(self._request_timeout):
                await answer.deliver()
        except TimeoutError:
            if not answer.streaming:
                raise request.refuse(504, INTERNAL_ERROR, "The server took too long") from None
            await answer.end_with_error("The server took too long")
