"""Clients of the old era with a server of the new era: what either says is put into the words of the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.bridge.answers import Answer
from workloads.proxyrunner.bridge.asking import Ask, declares
from workloads.proxyrunner.bridge.call import LOG_LEVELS
from workloads.proxyrunner.bridge.feed import Feed
from workloads.proxyrunner.bridge.interest import concerns
from workloads.proxyrunner.bridge.lowering import introduction, lowered, question, questions, retried, stamped
from workloads.proxyrunner.bridge.session_http import done, in_flight
from workloads.proxyrunner.bridge.sessions import MAX_SUBSCRIPTIONS, Session, Sessions
from workloads.proxyrunner.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    encode,
    members,
)
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.protocol import REQUEST_CANCELLED

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.request import BridgeRequest

__all__ = ("MAX_ROUNDS", "ModernSessions")

MAX_ROUNDS = 10
"""How often a server may ask before it answers."""

_PAUSE = 0.1
_WITHDRAWN = {"error": {"code": REQUEST_CANCELLED, "message": "Request cancelled"}}


class _CannotAskError(Exception):
    """A client cannot be asked, or does not answer; carries the error of its request."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.error = error
        super().__init__(error.get("message"))


class ModernSessions:
    """Does what clients with sessions ask for. Implements ``SessionServer``.

    Args:
        calls: The requests in flight to the process.
        discovered: What the process said of itself.
        sessions: The sessions.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self, calls: Calls, discovered: dict[str, Any], sessions: Sessions, *, request_timeout: float | None = None
    ) -> None:
        """Serve these sessions."""
        self._calls = calls
        self._discovered = discovered
        self._sessions = sessions
        self._request_timeout = request_timeout
        self._feed = Feed(calls, self._changed, self._wanted)

    def introduce(self, session: Session) -> dict[str, Any]:
        """The result of ``initialize``, made of what the server discovers."""
        return introduction(self._discovered, session.version)

    def listening(self) -> None:
        """A client has opened its stream: changes shall be heard of."""
        self._feed.start()

    def ended(self, session: Session) -> None:
        """A session is over. The server knows nothing of it."""
        session.subscriptions = set()

    def close(self) -> None:
        """The process has ended."""
        self._feed.close()

    async def answered(self, ask: Ask, outcome: Message) -> None:
        """A client answered a question."""
        if ask.answer is not None and not ask.answer.done():
            ask.answer.set_result(outcome)

    def unanswered(self, ask: Ask) -> None:
        """Nobody will answer a question."""
        if ask.answer is not None and not ask.answer.done():
            ask.answer.set_result(_WITHDRAWN)

    async def notification(self, request: BridgeRequest, session: Session) -> None:
        """Take a notification. A server of the new era gets none but cancellations."""

    async def request(self, request: BridgeRequest, session: Session) -> None:
        """Answer a request."""
        params = members(request.params)
        match request.method:
            case "ping":
                await done(request)
            case "logging/setLevel":
                if params.get("level") not in LOG_LEVELS:
                    raise request.refuse(200, INVALID_PARAMS, f"level must be one of {', '.join(LOG_LEVELS)}")
                session.log_level = params["level"]
                await done(request)
            case "resources/subscribe":
                await self._subscribe(request, session, params.get("uri"))
            case "resources/unsubscribe":
                session.subscriptions.discard(str(params.get("uri")))
                await done(request)
            case "subscriptions/listen":
                raise request.refuse(200, METHOD_NOT_FOUND, "Method not found")
            case _:
                await self._serve(request, session)

    async def _subscribe(self, request: BridgeRequest, session: Session, uri: object) -> None:
        if not isinstance(uri, str):
            raise request.refuse(200, INVALID_PARAMS, "uri must be a string")
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and uri not in session.subscriptions:
            raise request.refuse(200, INVALID_REQUEST, f"No more than {MAX_SUBSCRIPTIONS} subscriptions")
        session.subscriptions.add(uri)
        if not await self._feed.cover(uri):
            session.subscriptions.discard(uri)
            raise request.refuse(200, INVALID_PARAMS, "The server does not tell of changes of this resource")
        await done(request)

    async def _serve(self, request: BridgeRequest, session: Session) -> None:
        reachable = request.accepts.stream or session.end_stream is not None
        params = stamped(
            request.params,
            capabilities=session.capabilities if reachable else {},
            client_info=session.client_info,
            log_level=session.log_level if self._calls.quiet else None,
        )
        call = self._open(request, session, params)
        answer = Answer(call, request.send, request.accepts, translate=lowered)
        try:
            await answer.respond(await self._rounds(request, session, answer, call, params))
        except _CannotAskError as error:
            await answer.respond({"jsonrpc": "2.0", "id": request.id, "error": error.error})
        except (ServerGoneError, TimeoutError) as error:
            reason = "The server took too long" if isinstance(error, TimeoutError) else str(error)
            if answer.streaming:
                await answer.end_with_error(reason)
            elif isinstance(error, TimeoutError):
                raise request.refuse(504, INTERNAL_ERROR, reason) from None
            else:
                raise

    def _open(self, request: BridgeRequest, session: Session, params: dict[str, Any]) -> Call:
        return self._calls.open(request.method, params, request.id, owner=session, log_level=session.log_level)

    async def _rounds(
        self, request: BridgeRequest, session: Session, answer: Answer, call: Call, params: dict[str, Any]
    ) -> Message:
        """Have the server answer a request, and the client what the server asks meanwhile."""
        following: dict[str, Any] = params
        for round_ in range(MAX_ROUNDS + 1):
            if round_:
                call = self._open(request, session, following)
                answer.follow(call)
            with in_flight(self._calls, request, session, call, self):
                try:
                    async with asyncio.timeout(self._request_timeout):
                        await self._calls.submit(call)
                        response = await answer.relay()
                except TimeoutError:
                    self._calls.cancel(call, "time-out")
                    raise
                asked = questions(response)
                if asked is None:
                    return response
                responses = await self._put(asked, session, call, answer)
            following = retried(params, response, responses)
        raise _CannotAskError({"code": INTERNAL_ERROR, "message": f"The server asked more than {MAX_ROUNDS} times"})

    async def _put(self, asked: dict[str, Any], session: Session, call: Call, answer: Answer) -> dict[str, Any]:
        """Put questions to the client, all at once. Returns its answers."""
        if not asked:
            await asyncio.sleep(_PAUSE)  # the server has only asked for another round
        asks: dict[str, Ask] = {}
        for key, each in asked.items():
            message = question(each)
            reachable = call.can_ask or session.end_stream is not None
            if not reachable or not declares(session.capabilities, message["method"], message["params"]):
                why = "does not serve" if reachable else "cannot get: it reads no stream"
                said = f"The server asked for {message['method']}, which the client {why}"
                raise _CannotAskError({"code": INTERNAL_ERROR, "message": said})
            ask = session.asks.put(message, call, asyncio.get_running_loop().create_future())
            if ask is None:
                raise _CannotAskError({"code": INTERNAL_ERROR, "message": "Too many questions are open"})
            asks[key] = ask
            if call.can_ask:
                await answer.tell(ask.sent)
            else:
                session.outbox.put(encode(ask.sent))
        return {key: await _answer_to(ask, answer) for key, ask in asks.items()}

    def _wanted(self) -> set[str]:
        """The resources that any session wants to hear of."""
        return {uri for session in self._sessions.all() for uri in session.subscriptions}

    def _changed(self, message: Message) -> None:
        """Tell the sessions what has changed, of resources only those that want to hear of them."""
        line = encode(message)
        uri = members(message.get("params")).get("uri")
        updated = message["method"] == "notifications/resources/updated"
        for session in self._sessions.all():
            if not updated or (isinstance(uri, str) and concerns(session.subscriptions, uri)):
                session.outbox.put(line)


async def _answer_to(ask: Ask, answer: Answer) -> Any:
    assert ask.answer is not None
    outcome = await answer.wait(ask.answer)
    if "result" in outcome:
        return outcome["result"]
    error = members(outcome["error"])
    if ask.message["method"] == "elicitation/create" and error.get("code") != REQUEST_CANCELLED:
        return {"action": "cancel"}
    raise _CannotAskError({"code": error.get("code", INTERNAL_ERROR), "message": error.get("message", "")})
