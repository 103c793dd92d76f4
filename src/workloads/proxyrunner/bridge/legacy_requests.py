"""Clients of the new era with a server of the old era: what either says is put into the words of the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from workloads.proxyrunner.bridge.answers import Answer
from workloads.proxyrunner.bridge.asking import declares, needed
from workloads.proxyrunner.bridge.call import Call
from workloads.proxyrunner.bridge.calls import TooManyCallsError
from workloads.proxyrunner.bridge.envelope import log_level_of, status_of
from workloads.proxyrunner.bridge.interest import concerns
from workloads.proxyrunner.bridge.parked import Parked, ParkingLot
from workloads.proxyrunner.bridge.raising import CAN_ASK, discovered, honoured, input_required, raised, stripped
from workloads.proxyrunner.bridge.sessions import MAX_SUBSCRIPTIONS
from workloads.proxyrunner.bridge.stateless_http import deliver, deliver_endlessly
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Message, members, usable_id
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.protocol import CAPABILITIES_KEY, CAPABILITY_REQUIRED, SUBSCRIPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.bridge.interest import Interest
    from workloads.proxyrunner.bridge.request import BridgeRequest
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.session import Identity

__all__ = ("LegacyRequests",)

_MAX_LISTENERS = 1_000
_MAX_EARLY = 100
_KEY = "input"
_DECLINED = {"result": {"action": "decline"}}
_NOBODY = {"error": {"code": INTERNAL_ERROR, "message": "The client did not answer"}}


@attrs.define(eq=False)
class _Client:
    """Whoever sent a request: all that is known of a client without session."""

    method: str
    params: dict[str, Any]
    identity: Identity | None = None
    parked: bool = False

    @property
    def capabilities(self) -> dict[str, Any]:
        return members(members(self.params.get("_meta")).get(CAPABILITIES_KEY))


@attrs.define(eq=False)
class _Listener:
    """A subscription of a client; what comes before it is acknowledged waits."""

    call: Call
    methods: frozenset[str]
    uris: set[str] = attrs.field(factory=set[str])
    early: list[Message] | None = attrs.field(factory=list[Message])

    def hears(self, message: Message) -> bool:
        uri = members(message.get("params")).get("uri")
        if message["method"] == "notifications/resources/updated":
            return isinstance(uri, str) and concerns(self.uris, uri)
        return message["method"] in self.methods

    def tell(self, message: Message) -> None:
        params = members(message.get("params"))
        meta = {**members(params.get("_meta")), SUBSCRIPTION_KEY: self.call.request_id}
        named = {**message, "params": {**params, "_meta": meta}}
        if self.early is None:
            self.call.notify(named)
        elif len(self.early) < _MAX_EARLY:
            self.early.append(named)

    def acknowledge(self, notifications: dict[str, Any]) -> None:
        early, self.early = self.early or [], None
        self.tell({
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": notifications},
        })  # fmt: skip
        for message in early:
            self.call.notify(message)


class LegacyRequests:
    """Does what clients without sessions ask for. Implements ``StatelessServer``.

    Args:
        calls: The requests in flight to the process.
        introduction: Its answer to ``initialize``.
        interest: Who wants to hear of which resource.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self, calls: Calls, introduction: dict[str, Any], interest: Interest, *, request_timeout: float | None = None
    ) -> None:
        """Serve with this process."""
        self._calls = calls
        self._introduction = introduction
        self._interest = interest
        self._request_timeout = request_timeout
        self._lot = ParkingLot(asyncio.get_running_loop().call_later, self._expired)
        self._listeners: set[_Listener] = set()

    @property
    def discovered(self) -> dict[str, Any]:
        """The result of ``server/discover``, made of what the server said to ``initialize``."""
        return discovered(self._introduction)

    def remembers(self, state: str) -> bool:
        """Whether a request waits under that state."""
        return state in self._lot

    def notify(self, message: Message) -> None:
        """The server told something that belongs to no request: tell who subscribed."""
        for listener in self._listeners:
            if listener.hears(message):
                listener.tell(message)

    def ask(self, message: Message, call: Call) -> bool:
        """The server asks something while it is at a request. Returns whether the client will be asked."""
        client = call.owner
        if not isinstance(client, _Client) or client.method not in CAN_ASK or call.done:
            return False
        method, params = message["method"], members(message.get("params"))
        wanted = needed(method, params)
        if wanted is None:
            return False
        if not declares(client.capabilities, method, params):
            if method == "roots/list":
                # Servers ask for roots when they like, so this need not have to do with the request.
                return False
            data = {"requiredCapabilities": wanted}
            error = {"code": CAPABILITY_REQUIRED, "message": f"The request needs a client that serves {method}"}
            call.resolve({"jsonrpc": "2.0", "id": call.request_id, "error": {**error, "data": data}})
            self._calls.cancel(call, "the client cannot be asked")
            return False
        state = self._lot.park(call, message, _KEY, client.method, client.params, client.identity)
        if state is None:
            return False
        client.parked = True
        result = input_required(message, state, _KEY, self._introduction)
        call.pause({"jsonrpc": "2.0", "id": call.request_id, "result": result})
        return True

    async def request(self, request: BridgeRequest) -> None:
        """Answer a request."""
        params = members(request.params)
        if "requestState" in params or "inputResponses" in params:
            call, client, sending = self._go_on(request, params)
        else:
            call, client, sending = self._begin(request, params)

        def translate(response: Message) -> Message:
            return raised(response, request.method, self._introduction)

        answer = Answer(call, request.send, request.accepts, status_of=status_of, translate=translate)
        try:
            await deliver(request, answer, self._request_timeout, sending)
        finally:
            if not client.parked:
                self._calls.cancel(call, "the client has gone")

    async def listen(self, request: BridgeRequest, exchanges: Exchanges) -> None:
        """Answer a subscription."""
        wanted = members(request.params).get("notifications")
        if not isinstance(wanted, dict):
            raise request.refuse(400, INVALID_PARAMS, "params.notifications must be an object")
        if len(self._listeners) >= _MAX_LISTENERS:
            raise TooManyCallsError
        lists, methods, uris = honoured(members(wanted), self._introduction)  # pyright: ignore[reportUnknownArgumentType]
        call = Call(request.id, "", None, {}, endless=True)
        listener = _Listener(call, methods)
        self._listeners.add(listener)
        try:
            accepted = [uri for uri in uris[:MAX_SUBSCRIPTIONS] if await self._subscribe(listener, uri)]
            listener.acknowledge({**lists, **({"resourceSubscriptions": accepted} if accepted else {})})
            await deliver_endlessly(request, Answer(call, request.send, request.accepts), exchanges)
        finally:
            self._listeners.discard(listener)
            for uri in listener.uris:
                self._lose_interest(listener, uri)

    def close(self) -> None:
        """The process has ended: subscriptions end, and what waited is lost."""
        self._lot.clear()
        for listener in self._listeners:
            listener.call.fail("the server ended")

    def _begin(self, request: BridgeRequest, params: dict[str, Any]) -> tuple[Call, _Client, Awaitable[None]]:
        client = _Client(request.method, params, request.identity)
        call = self._calls.open(
            request.method, stripped(request.params), request.id, owner=client, log_level=log_level_of(params)
        )
        return call, client, self._calls.submit(call)

    def _go_on(self, request: BridgeRequest, params: dict[str, Any]) -> tuple[Call, _Client, Awaitable[None]]:
        """Give the server what it waits for."""
        state = params.get("requestState")
        parked = None
        if isinstance(state, str):
            parked = self._lot.take(state, request.method, params, request.identity)
        if parked is None:
            # It never was, was used or has expired, or the server that waited has ended.
            message = "Invalid or expired requestState"
            raise request.refuse(400, INVALID_PARAMS, message, {"reason": "invalid_request_state"})
        call = parked.call
        client = call.owner
        assert isinstance(client, _Client)
        client.parked, client.params = False, params
        call.resume(request.id, usable_id(members(params.get("_meta")).get("progressToken")))
        return call, client, self._calls.respond(parked.ask, {"result": params["inputResponses"][parked.key]})

    def _expired(self, parked: Parked) -> None:
        declined = _DECLINED if parked.ask["method"] == "elicitation/create" else _NOBODY
        self._calls.decline(parked.ask, declined)
        self._calls.cancel(parked.call, "the client did not come back")

    async def _subscribe(self, listener: _Listener, uri: str) -> bool:
        """Have the server tell of a resource. Returns whether it will."""
        listener.uris.add(uri)
        if not self._interest.add(uri, listener):
            return True
        call = self._calls.open("resources/subscribe", {"uri": uri}, 0)
        try:
            async with asyncio.timeout(self._request_timeout):
                await self._calls.submit(call)
                while await call.next() is not None:
                    pass
        except ServerGoneError:
            return False
        except TimeoutError:
            pass  # it has not agreed
        finally:
            self._calls.cancel(call, "the client has gone")
        if call.response is not None and "result" in call.response:
            self._interest.agreed(uri)
            return True
        listener.uris.discard(uri)
        self._interest.remove(uri, listener)
        return False

    def _lose_interest(self, listener: _Listener, uri: str) -> None:
        if self._interest.remove(uri, listener):
            self._calls.forget("resources/unsubscribe", {"uri": uri})
