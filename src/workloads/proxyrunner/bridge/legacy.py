"""The bridge to a server of the protocol's old era: sessions, kept by the bridge, in front of one process."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from workloads.proxyrunner import sse
from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.bridge.answers import KEEP_ALIVE, Answer
from workloads.proxyrunner.bridge.sessions import MAX_SUBSCRIPTIONS, Session, Sessions, TooManySessionsError
from workloads.proxyrunner.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Kind,
    Message,
    encode,
    members,
    usable_id,
)
from workloads.proxyrunner.protocol import LEGACY, REQUEST_CANCELLED, SESSION_NOT_FOUND, UNSUPPORTED_VERSION
from workloads.proxyrunner.replies import json_reply, unavailable
from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workloads.proxyrunner.bridge.calls import Call, Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges

__all__ = ("LegacyFront",)

_ACCEPTED = json_reply(202, b"")
_UPDATED = "notifications/resources/updated"
# They speak of what the bridge, which is the server's only client, has settled or does not offer.
_SWALLOWED = frozenset({"notifications/initialized", "notifications/progress", "notifications/roots/list_changed"})


class LegacyFront:
    """Serves streamable HTTP of the old era for one process.

    Args:
        calls: The requests in flight to the process.
        introduction: Its answer to the one ``initialize`` it got, which every client gets.
        exchanges: Where long-lived streams are entered.
        ttl: Seconds without a request after which a session ends.
        clock: The time, in seconds.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self,
        calls: Calls,
        introduction: dict[str, Any],
        exchanges: Exchanges,
        *,
        ttl: float,
        clock: Callable[[], float],
        request_timeout: float | None = None,
    ) -> None:
        """Begin without sessions."""
        self._calls = calls
        self._introduction = introduction
        self._exchanges = exchanges
        self._request_timeout = request_timeout
        self._sessions = Sessions(ttl=ttl, clock=clock, on_end=self._ended)

    @property
    def load(self) -> int:
        """How many requests are in flight to the process."""
        return len(self._calls)

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def holds(self, session_id: str) -> bool:
        """Whether there is that session."""
        return session_id in self._sessions

    def notify(self, message: Message) -> None:
        """The server told something to everybody."""
        line = encode(message)
        uri = members(message.get("params")).get("uri") if message["method"] == _UPDATED else None
        for session in self._sessions.all():
            if message["method"] != _UPDATED or (isinstance(uri, str) and session.hears_of(uri)):
                session.outbox.put(line)

    def close(self) -> None:
        """The process has ended: so have its sessions."""
        for session in self._sessions.all():
            self._sessions.end(session)

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        self._check_version(request)
        if request.kind is Kind.REQUEST and request.method == "initialize":
            await self._initialize(request)
            return
        session = self._session(request)
        with self._sessions.using(session):
            if request.kind is Kind.REQUEST:
                await self._request(request, session)
                return
            if request.kind is Kind.NOTIFICATION:
                await self._notification(request, session)
            # A response answers nothing: the server's requests are never passed to clients.
            await respond(request.send, _ACCEPTED)

    async def get(self, request: BridgeRequest) -> None:
        """Serve a GET: the stream on which the server tells what concerns no request."""
        self._check_version(request)
        session = self._session(request)
        if not request.accepts.stream:
            raise request.refuse(406, INVALID_REQUEST, "Accept must allow text/event-stream")
        if session.end_stream is not None:
            raise request.refuse(409, INVALID_REQUEST, "The session has a stream already")
        stream = LongStream(self._exchanges, request.connection, request.send)
        session.end_stream = stream.end
        try:
            with self._sessions.using(session):
                headers = [*sse.HEADERS, (b"mcp-session-id", session.id.encode())]
                await request.send({"type": "http.response.start", "status": 200, "headers": headers})
                await stream.run(_tell(request, session))
        finally:
            session.end_stream = None

    async def delete(self, request: BridgeRequest) -> None:
        """Serve a DELETE: the session ends."""
        self._check_version(request)
        self._sessions.end(self._session(request))
        await respond(request.send, json_reply(204, b""))

    def _check_version(self, request: BridgeRequest) -> None:
        try:
            version = request.single(b"mcp-protocol-version")
        except ValueError as error:
            raise request.refuse(400, INVALID_REQUEST, str(error)) from None
        if request.method == "server/discover":
            # What a server of the old era says, by which clients that could speak either know it.
            raise request.refuse(400, METHOD_NOT_FOUND, "Method not found")
        if version is not None and version not in LEGACY:
            data = {"supported": list(LEGACY), "requested": version}
            raise request.refuse(400, UNSUPPORTED_VERSION, "Unsupported protocol version", data)

    def _session(self, request: BridgeRequest) -> Session:
        try:
            session_id = request.single(b"mcp-session-id")
        except ValueError as error:
            raise request.refuse(400, INVALID_REQUEST, str(error)) from None
        if session_id is None:
            raise request.refuse(400, INVALID_REQUEST, "Missing session ID; send initialize first")
        session = self._sessions.get(session_id)
        if session is None:
            raise request.refuse(404, SESSION_NOT_FOUND, "Session not found")
        return session

    async def _initialize(self, request: BridgeRequest) -> None:
        try:
            session = self._sessions.create()
        except TooManySessionsError:
            await respond(request.send, unavailable("Too many sessions", request=encode(request.message)))
            return
        body = encode({"jsonrpc": "2.0", "id": request.id, "result": self._introduction})
        named = (b"mcp-session-id", session.id.encode())
        if request.accepts.json:
            await respond(request.send, json_reply(200, body, named))
            return
        await request.send({"type": "http.response.start", "status": 200, "headers": [*sse.HEADERS, named]})
        await request.send({"type": "http.response.body", "body": sse.event(body)})

    async def _notification(self, request: BridgeRequest, session: Session) -> None:
        if request.method == "notifications/cancelled":
            params = members(request.params)
            request_id = usable_id(params.get("requestId"))
            for call in session.find(request_id) if request_id is not None else ():
                self._cancel(call, str(params.get("reason", "")))
        elif request.method not in _SWALLOWED:
            await self._calls.notify(request.method, request.params)

    async def _request(self, request: BridgeRequest, session: Session) -> None:
        uri = members(request.params).get("uri")
        match request.method:
            case "resources/subscribe" if isinstance(uri, str):
                await self._subscribe(request, session, uri)
            case "resources/unsubscribe" if uri in session.subscriptions:
                session.subscriptions.discard(uri)
                if self._sessions.hears_any(uri):
                    # Others want to hear of it: the server must not know.
                    done = encode({"jsonrpc": "2.0", "id": request.id, "result": {}})
                    await respond(request.send, json_reply(200, done))
                else:
                    await self._call(request, session)
            case _:
                await self._call(request, session)

    async def _subscribe(self, request: BridgeRequest, session: Session, uri: str) -> None:
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and uri not in session.subscriptions:
            raise request.refuse(200, INVALID_REQUEST, f"No more than {MAX_SUBSCRIPTIONS} subscriptions")
        session.subscriptions.add(uri)
        response: Message | None = None
        try:
            response = await self._call(request, session)
        finally:
            if response is None or "error" in response:
                session.subscriptions.discard(uri)

    async def _call(self, request: BridgeRequest, session: Session) -> Message | None:
        """Have the server answer a request. Returns the answer, if there was one."""
        call = self._calls.open(request.method, request.params, request.id)
        session.add(call)
        abandoned = False
        try:
            await self._calls.submit(call)
            await self._answer(request, call)
        except asyncio.CancelledError:
            # In this era a client that goes does not cancel; it may come back and cancel by name.
            abandoned = request.connection.lost and self._calls.waits_for(call)
            raise
        finally:
            if abandoned:
                call.on_end = partial(session.remove, call)
            else:
                session.remove(call)
                self._calls.finish(call)
        return call.response

    async def _answer(self, request: BridgeRequest, call: Call) -> None:
        answer = Answer(call, request.send, request.accepts)
        try:
            async with asyncio.timeout(self._request_timeout):
                await answer.deliver()
        except TimeoutError:
            self._calls.cancel(call, "time-out")
            if not answer.streaming:
                raise request.refuse(504, INTERNAL_ERROR, "The server took too long") from None
            await answer.end_with_error("The server took too long")

    def _cancel(self, call: Call, reason: str) -> None:
        self._calls.cancel(call, reason)
        # The server answers a cancelled request no more, but the client waits for the end of its POST.
        error = {"code": REQUEST_CANCELLED, "message": "Request cancelled"}
        call.resolve({"jsonrpc": "2.0", "id": call.request_id, "error": error})

    def _ended(self, session: Session) -> None:
        for call in session.calls:
            self._cancel(call, "the session ended")
        if session.end_stream is not None:
            session.end_stream()
        uris, session.subscriptions = session.subscriptions, set()
        for uri in uris:
            if not self._sessions.hears_any(uri):
                self._calls.forget("resources/unsubscribe", {"uri": uri})


async def _tell(request: BridgeRequest, session: Session) -> None:
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                part = sse.event(await session.outbox.take())
        except TimeoutError:
            part = sse.KEEP_ALIVE
        await request.send({"type": "http.response.body", "body": part, "more_body": True})
