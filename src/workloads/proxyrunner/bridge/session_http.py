"""Streamable HTTP of the old era: sessions, kept by the bridge, in front of a server of either era."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from workloads.proxyrunner import sse
from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.bridge.answers import KEEP_ALIVE
from workloads.proxyrunner.bridge.sessions import Session, Sessions, TooManySessionsError
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST, METHOD_NOT_FOUND, Kind, Message, encode, members, usable_id
from workloads.proxyrunner.protocol import LEGACY, REQUEST_CANCELLED, SESSION_NOT_FOUND, UNSUPPORTED_VERSION
from workloads.proxyrunner.replies import json_reply, unavailable
from workloads.proxyrunner.streams import LongStream

if TYPE_CHECKING:
    from collections.abc import Generator

    from workloads.proxyrunner.bridge.asking import Ask
    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges

__all__ = ("SessionFront", "SessionServer", "done", "in_flight")

_ACCEPTED = json_reply(202, b"")


class SessionServer(Protocol):
    """Does what clients with sessions ask for, with a server of one era."""

    def introduce(self, session: Session) -> dict[str, Any]:
        """The result of ``initialize``."""
        ...

    async def request(self, request: BridgeRequest, session: Session) -> None:
        """Answer a request."""
        ...

    async def notification(self, request: BridgeRequest, session: Session) -> None:
        """Take a notification; of cancellations it is not told."""
        ...

    async def answered(self, ask: Ask, outcome: Message) -> None:
        """A client answered a question: with the member ``result`` or ``error``."""
        ...

    def unanswered(self, ask: Ask) -> None:
        """Nobody will answer a question."""
        ...

    def listening(self) -> None:
        """A client has opened its stream."""
        ...

    def ended(self, session: Session) -> None:
        """A session is over."""
        ...


class SessionFront:
    """Serves clients that have sessions.

    Args:
        server: Does what they ask for.
        calls: The requests in flight to it.
        sessions: Their sessions.
        exchanges: Where long-lived streams are entered.
    """

    def __init__(self, server: SessionServer, calls: Calls, sessions: Sessions, exchanges: Exchanges) -> None:
        """Serve these sessions, and be told when they end."""
        self._server = server
        self._calls = calls
        self._exchanges = exchanges
        self._sessions = sessions
        sessions.on_end = self._ended

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def holds(self, session_id: str) -> bool:
        """Whether there is that session."""
        return session_id in self._sessions

    def sweep(self) -> None:
        """End the sessions that nobody has used for too long."""
        self._sessions.sweep(force=True)

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
                await self._server.request(request, session)
                return
            if request.kind is Kind.RESPONSE:
                await self._response(request.message, session)
            elif request.method == "notifications/cancelled":
                self._cancelled(members(request.params), session)
            else:
                await self._server.notification(request, session)
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
                self._server.listening()
                await stream.run(_tell(request, session))
        finally:
            session.end_stream = None

    async def delete(self, request: BridgeRequest) -> None:
        """Serve a DELETE: the session ends."""
        self._check_version(request)
        self._sessions.end(self._session(request))
        await respond(request.send, json_reply(204, b""))

    def _check_version(self, request: BridgeRequest) -> None:
        version = request.version
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
        session = self._sessions.get(session_id, request.identity)
        if session is None:
            raise request.refuse(404, SESSION_NOT_FOUND, "Session not found")
        return session

    async def _initialize(self, request: BridgeRequest) -> None:
        try:
            session = self._sessions.create(request.params, request.identity)
        except TooManySessionsError:
            await respond(request.send, unavailable("Too many sessions", request=encode(request.message)))
            return
        body = encode({"jsonrpc": "2.0", "id": request.id, "result": self._server.introduce(session)})
        named = (b"mcp-session-id", session.id.encode())
        if request.accepts.json:
            await respond(request.send, json_reply(200, body, named))
            return
        await request.send({"type": "http.response.start", "status": 200, "headers": [*sse.HEADERS, named]})
        await request.send({"type": "http.response.body", "body": sse.event(body)})

    async def _response(self, message: Message, session: Session) -> None:
        ask = session.asks.take(message["id"])
        if ask is not None:
            name = "result" if "result" in message else "error"
            await self._server.answered(ask, {name: message[name]})

    def _cancelled(self, params: dict[str, Any], session: Session) -> None:
        request_id = usable_id(params.get("requestId"))
        for call in session.find(request_id) if request_id is not None else ():
            self._cancel(session, call, str(params.get("reason", "")))

    def _cancel(self, session: Session, call: Call, reason: str) -> None:
        self._calls.cancel(call, reason)
        for ask in session.asks.of(call):
            session.asks.take(ask.id)
            self._server.unanswered(ask)
        # The server answers a cancelled request no more, but the client waits for the end of its POST.
        error = {"code": REQUEST_CANCELLED, "message": "Request cancelled"}
        call.resolve({"jsonrpc": "2.0", "id": call.request_id, "error": error})

    def _ended(self, session: Session) -> None:
        for call in session.calls:
            self._cancel(session, call, "the session ended")
        for ask in session.asks.all():
            session.asks.take(ask.id)
            self._server.unanswered(ask)
        if session.end_stream is not None:
            session.end_stream()
        self._server.ended(session)


@contextmanager
def in_flight(
    calls: Calls, request: BridgeRequest, session: Session, call: Call, server: SessionServer
) -> Generator[None]:
    """Within, a request of a session is in flight.

    In this era a client that goes does not cancel: its request stays in flight, and it may come back and cancel it by
    name, or answer what it was asked.

    Args:
        calls: Where the request is in flight.
        request: What the client sent.
        session: The session.
        call: The request.
        server: Told of the questions that nobody will answer.
    """
    session.add(call)
    call.can_ask = request.accepts.stream
    abandoned = False

    def over() -> None:
        session.remove(call)
        for ask in session.asks.of(call):
            session.asks.take(ask.id)
            server.unanswered(ask)

    try:
        yield
    except asyncio.CancelledError:
        abandoned = request.connection.lost and calls.waits_for(call)
        raise
    finally:
        if abandoned:
            call.can_ask = False
            call.on_end = over
        else:
            over()
            calls.finish(call)


async def done(request: BridgeRequest) -> None:
    """Answer a request that asked for nothing but to be done."""
    await respond(request.send, json_reply(200, encode({"jsonrpc": "2.0", "id": request.id, "result": {}})))


async def _tell(request: BridgeRequest, session: Session) -> None:
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                part = sse.event(await session.outbox.take())
        except TimeoutError:
            part = sse.KEEP_ALIVE
        await request.send({"type": "http.response.body", "body": part, "more_body": True})
