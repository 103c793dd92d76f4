"""Clients of the old era with a server of the old era: the bridge is its only client, and shares it among sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.bridge.answers import Answer
from workloads.proxyrunner.bridge.asking import declares
from workloads.proxyrunner.bridge.call import LOG_LEVELS, loud_enough
from workloads.proxyrunner.bridge.interest import concerns
from workloads.proxyrunner.bridge.session_http import done, in_flight
from workloads.proxyrunner.bridge.sessions import MAX_SUBSCRIPTIONS, Session, Sessions
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, Message, encode, members
from workloads.proxyrunner.protocol import agreed_version

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.bridge.asking import Ask
    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.interest import Interest
    from workloads.proxyrunner.bridge.request import BridgeRequest

__all__ = ("LegacySessions",)

_CANCELLED = "notifications/cancelled"
_NOBODY = {"error": {"code": INTERNAL_ERROR, "message": "The client did not answer"}}


class LegacySessions:
    """Does what clients with sessions ask for. Implements ``SessionServer``.

    Args:
        calls: The requests in flight to the process.
        introduction: Its answer to the one ``initialize`` it got, which every client gets, in a version it knows.
        sessions: The sessions.
        interest: Who wants to hear of which resource.
        private: Whether the process is for one session only, which is all that it will ever hear of.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self,
        calls: Calls,
        introduction: dict[str, Any],
        sessions: Sessions,
        interest: Interest,
        *,
        private: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Serve these sessions."""
        self._calls = calls
        self._introduction = introduction
        self._sessions = sessions
        self._interest = interest
        self._private = private
        self._request_timeout = request_timeout
        self._log_level: str | None = None

    def introduce(self, session: Session) -> dict[str, Any]:
        """The result of ``initialize``: what the server said to the bridge, in no newer version than was asked for."""
        if self._private:
            return self._introduction  # to this very client
        version = agreed_version(session.version, self._introduction["protocolVersion"])
        return {**self._introduction, "protocolVersion": version}

    def notify(self, message: Message) -> None:
        """The server told something that belongs to no request of ours."""
        params = members(message.get("params"))
        line = encode(message)
        match message["method"]:
            case "notifications/resources/updated":
                uri = params.get("uri")
                for each in self._sessions.all():
                    if isinstance(uri, str) and concerns(each.subscriptions, uri):
                        each.outbox.put(line)
            case "notifications/message":
                session = self._sessions.only
                if session is not None and loud_enough(message, session.log_level or LOG_LEVELS[0]):
                    session.outbox.put(line)
            case "notifications/cancelled":
                self._withdraw(params)
            case _:
                for each in self._sessions.all():
                    each.outbox.put(line)

    def ask(self, message: Message, call: Call | None) -> bool:
        """The server asks something. Returns whether a client was asked.

        Args:
            message: The server's request.
            call: The request that caused it; None when none is in flight.
        """
        session = self._sessions.only if call is None else call.owner
        if not isinstance(session, Session):
            return False
        # A client with a process of its own will open its stream sooner or later.
        reachable = self._private or (call is not None and call.can_ask) or session.end_stream is not None
        if not reachable or not declares(session.capabilities, message["method"], members(message.get("params"))):
            return False
        ask = session.asks.put(message, call)
        if ask is None:
            return False
        self._tell(session, ask, ask.sent)
        return True

    async def answered(self, ask: Ask, outcome: Message) -> None:
        """A client answered a question."""
        await self._calls.respond(ask.message, outcome)

    def unanswered(self, ask: Ask) -> None:
        """Nobody will answer a question."""
        self._calls.decline(ask.message, _NOBODY)

    def listening(self) -> None:
        """A client has opened its stream: the server need not know."""

    def ended(self, session: Session) -> None:
        """A session is over."""
        uris, session.subscriptions = session.subscriptions, set()
        for uri in uris:
            if self._interest.remove(uri, session):
                self._calls.forget("resources/unsubscribe", {"uri": uri})

    async def notification(self, request: BridgeRequest, session: Session) -> None:
        """Pass a notification on, if it concerns the server and nobody else."""
        match request.method:
            case "notifications/progress":
                if not session.asks.reports(members(request.params).get("progressToken")):
                    return
            case "notifications/roots/list_changed":
                if self._sessions.only is not session:
                    return
            case "notifications/initialized":
                if not self._private:  # the bridge has said so
                    return
            case _:
                pass
        await self._calls.notify(request.method, request.params)

    async def request(self, request: BridgeRequest, session: Session) -> None:
        """Answer a request."""
        params = members(request.params)
        uri = params.get("uri")
        match request.method:
            case "resources/subscribe" if isinstance(uri, str):
                await self._subscribe(request, session, uri)
            case "resources/unsubscribe" if isinstance(uri, str) and uri in session.subscriptions:
                session.subscriptions.discard(uri)
                if self._interest.remove(uri, session):
                    await self._call(request, session)
                else:
                    # Others want to hear of it: the server must not know.
                    await done(request)
            case "logging/setLevel" if params.get("level") in LOG_LEVELS:
                await self._set_level(request, session, params["level"])
            case _:
                await self._call(request, session)

    async def _set_level(self, request: BridgeRequest, session: Session, level: str) -> None:
        """The server has one level for all: that of the client which wants most. The others get what they want."""
        session.log_level = level
        levels = [each.log_level for each in self._sessions.all() if each.log_level is not None]
        lowest = min(levels, key=LOG_LEVELS.index)
        if lowest == self._log_level:
            await done(request)
            return
        response = await self._call(request, session, {**members(request.params), "level": lowest})
        if response is not None and "result" in response:
            self._log_level = lowest

    async def _subscribe(self, request: BridgeRequest, session: Session, uri: str) -> None:
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and uri not in session.subscriptions:
            raise request.refuse(200, INVALID_REQUEST, f"No more than {MAX_SUBSCRIPTIONS} subscriptions")
        known = uri in session.subscriptions
        session.subscriptions.add(uri)
        self._interest.add(uri, session)
        response: Message | None = None
        try:
            response = await self._call(request, session)
        finally:
            if response is not None and "error" not in response:
                self._interest.agreed(uri)
            elif not known:  # else it hears of the resource as before
                session.subscriptions.discard(uri)
                self._interest.remove(uri, session)

    async def _call(
        self, request: BridgeRequest, session: Session, params: dict[str, Any] | None = None
    ) -> Message | None:
        """Have the server answer a request, perhaps with other parameters. Returns the answer, if there was one."""
        params = request.params if params is None else params
        level = session.log_level or LOG_LEVELS[0]
        call = self._calls.open(request.method, params, request.id, owner=session, log_level=level)
        with in_flight(self._calls, request, session, call, self):
            await self._answer(request, call)
        return call.response

    async def _answer(self, request: BridgeRequest, call: Call) -> None:
        answer = Answer(call, request.send, request.accepts)
        try:
            async with asyncio.timeout(self._request_timeout):
                await self._calls.submit(call)
                await answer.deliver()
        except TimeoutError:
            self._calls.cancel(call, "time-out")
            if not answer.streaming:
                raise request.refuse(504, INTERNAL_ERROR, "The server took too long") from None
            await answer.end_with_error("The server took too long")

    def _withdraw(self, params: dict[str, Any]) -> None:
        """The server does not want an answer to its question any more."""
        for session in self._sessions.all():
            ask = session.asks.find(params.get("requestId"))
            if ask is not None:
                session.asks.take(ask.id)
                cancelled = {"jsonrpc": "2.0", "method": _CANCELLED, "params": {**params, "requestId": ask.id}}
                self._tell(session, ask, cancelled)

    @staticmethod
    def _tell(session: Session, ask: Ask, message: Message) -> None:
        """Tell a client something of a question, where it was asked."""
        if ask.call is not None and ask.call.can_ask:
            ask.call.notify(message)
        else:
            session.outbox.put(encode(message))
