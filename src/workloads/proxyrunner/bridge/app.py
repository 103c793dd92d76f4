"""The bridge as an ASGI application: what is the same for both eras of the protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from workloads.proxyrunner.asgi import CONNECTION, cut, follow, respond
from workloads.proxyrunner.body import MAX_BODY, read_body
from workloads.proxyrunner.bridge.calls import TooManyCallsError
from workloads.proxyrunner.bridge.envelope import check_envelope
from workloads.proxyrunner.bridge.request import BridgeRequest, RefusedRequestError, parse_message
from workloads.proxyrunner.gate import HOLD, UnavailableError
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, Kind, encode
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.replies import json_reply, method_not_allowed, refusal, unavailable

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.asgi import Receive, Scope, Send
    from workloads.proxyrunner.gate import Gate

__all__ = ("Bridge", "Front")

_log = logging.getLogger(__name__)

_PATHS = ("/mcp", "/mcp/")
_RETRY_PAUSE = 0.1


class Front(Protocol):
    """Serves what is behind the bridge to clients of either era. What it refuses, it raises."""

    @property
    def discovered(self) -> dict[str, Any]:
        """The result of ``server/discover``."""
        ...

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        ...

    async def get(self, request: BridgeRequest) -> None:
        """Serve a GET."""
        ...

    async def delete(self, request: BridgeRequest) -> None:
        """Serve a DELETE."""
        ...


class Bridge:
    """Serves ``/mcp`` in front of what is behind a gate: one process, or several.

    Args:
        gate: Opens when a process is ready.
        max_body: Bytes a request may have.
        hold: Seconds a request waits for a process that is not ready.
    """

    def __init__(self, gate: Gate[Front], *, max_body: int = MAX_BODY, hold: float = HOLD) -> None:
        """Prepare to serve."""
        self._gate = gate
        self._max_body = max_body
        self._hold = hold
        self._discovered: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = BridgeRequest(scope, receive, send, scope[CONNECTION])
        try:
            await self._serve(request)
        except RefusedRequestError as error:
            await respond(send, error.reply)
        except UnavailableError as error:
            await self._fail(request, 504 if error.late else 503, str(error), ending=error.ending)
        except TooManyCallsError:
            await self._fail(request, 503, "Too many requests are in flight")
        except ServerGoneError as error:
            await self._fail(request, 502, f"The server ended: {error}")
        finally:
            request.connection.on_lost = None

    async def _serve(self, request: BridgeRequest) -> None:
        method: str = request.scope["method"]
        if request.scope["path"] not in _PATHS:
            body = await read_body(request.headers, request.receive, self._max_body) if method == "POST" else None
            raise RefusedRequestError(refusal(404, INVALID_REQUEST, f"Not found; use {_PATHS[0]}", request=body))
        if method == "POST":
            body = await read_body(request.headers, request.receive, self._max_body)
            request.message, request.kind = parse_message(request.headers, body)
            request.size = len(body)
            follow(request.connection)
            await self._post(request)
            return
        if method not in ("GET", "HEAD", "DELETE"):
            raise RefusedRequestError(method_not_allowed("GET", "POST", "DELETE"))
        if request.modern:
            # There are neither streams nor sessions in the era that the client speaks.
            raise RefusedRequestError(method_not_allowed("POST"))
        if method == "HEAD":
            raise RefusedRequestError(method_not_allowed("GET", "POST", "DELETE"))
        follow(request.connection)
        front = await self._gate.enter(self._hold)
        await (front.get(request) if method == "GET" else front.delete(request))

    async def _post(self, request: BridgeRequest) -> None:
        if request.kind is Kind.REQUEST and not (request.accepts.json or request.accepts.stream):
            raise request.refuse(406, INVALID_REQUEST, "Accept must allow application/json and text/event-stream")
        if request.method == "server/discover" and request.kind is Kind.REQUEST:
            await self._discover(request)
        else:
            await (await self._enter(request)).post(request)

    async def _enter(self, request: BridgeRequest) -> Front:
        try:
            return await self._gate.enter(self._hold, size=request.size)
        except UnavailableError:
            # What the client answers, or cancels, is no new work: requests in flight may wait for it.
            if self._gate.leaving is None or request.kind is Kind.REQUEST:
                raise
            return self._gate.leaving

    async def _discover(self, request: BridgeRequest) -> None:
        """Serve ``server/discover``, by the next process if need be.

        To a client any error here is a verdict: it takes the server for one of the old protocol, for good. So it does
        not wait for a server that is started again, either: what the last one said still holds.
        """
        if self._gate.waiting and self._discovered is not None and request.modern:
            check_envelope(request)
            body = encode({"jsonrpc": "2.0", "id": request.id, "result": self._discovered})
            await respond(request.send, json_reply(200, body))
            return
        try:
            async with asyncio.timeout(min(self._hold, HOLD)):
                while True:
                    try:
                        front = await self._gate.enter(self._hold, size=request.size)
                        self._discovered = front.discovered
                        await front.post(request)
                    except (ServerGoneError, TooManyCallsError):
                        await asyncio.sleep(_RETRY_PAUSE)
                    else:
                        return
        except TimeoutError:
            raise UnavailableError("The server did not answer server/discover in time") from None

    async def _fail(self, request: BridgeRequest, status: int, message: str, *, ending: bool = False) -> None:
        _log.debug("request failed", extra={"reason": message, "method": request.method})
        if request.method == "server/discover":
            await cut(request.scope, request.receive)
            return
        body = encode(request.message) if request.kind is not None else None
        if status in (503, 504):
            await respond(request.send, unavailable(message, request=body, ending=ending, late=status == 504))
        else:
            await respond(request.send, refusal(status, INTERNAL_ERROR, message, request=body))
