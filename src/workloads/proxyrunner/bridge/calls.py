"""Requests in flight on a shared pipe, each under a name of ours.

Two clients may use the same id, and the same progress token. On the pipe each request gets an id that is unique for the
life of the process, which serves as its progress token too; answers get the client's own id and token back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.bridge.pipe import Pipe, PipeClosedError
from workloads.proxyrunner.jsonrpc import METHOD_NOT_FOUND, Kind, encode, kind_of, members, read
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.protocol import SUBSCRIPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.jsonrpc import Id, Message

__all__ = ("MAX_IN_FLIGHT", "MAX_QUEUED", "Call", "Calls", "TooManyCallsError")

_log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 1_000
"""Requests that may be in flight on one pipe."""

MAX_QUEUED = 100
"""Notifications kept for one client that does not read them yet."""


class TooManyCallsError(Exception):
    """The pipe has all the requests in flight that it may have."""


class Call:
    """A request in flight, and what came for it so far.

    Args:
        request_id: The client's id of the request.
        minted: Its id on the pipe.
        token: The client's progress token; None when it gave none.
        request: What is to be sent.
        endless: Whether it is answered only when it is over, as a subscription is; its notifications must not be lost.
    """

    def __init__(
        self, request_id: Id, minted: str, token: Id | None, request: Message, *, endless: bool = False
    ) -> None:
        """A request that was just made."""
        self.request = request
        self.request_id = request_id
        self.minted = minted
        self.token = token
        self.endless = endless
        self.on_end: Callable[[], object] | None = None
        """Called when the call ends after its client has gone; until then nobody gave it up."""
        self.gone = ""
        """How the server ended, if it did before it answered."""
        self._notifications: deque[Message] = deque()
        self._response: Message | None = None
        self._lost = False
        self._news = asyncio.Event()

    @property
    def response(self) -> Message | None:
        """The answer, once all notifications before it were taken."""
        return None if self._notifications else self._response

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._response is not None or bool(self.gone)

    def notify(self, message: Message) -> None:
        """A notification came that belongs to the request."""
        if len(self._notifications) < MAX_QUEUED:
            self._notifications.append(message)
        elif self.endless:
            # A subscriber must not miss anything: a stream that ends tells it to look again.
            self._lost = True
        else:
            self._notifications.popleft()
            self._notifications.append(message)
        self._news.set()

    def resolve(self, message: Message) -> None:
        """The answer came."""
        if not self.done:
            self._response = message
            self._news.set()

    def fail(self, reason: str) -> None:
        """No answer will come."""
        self.gone = reason
        self._news.set()

    async def next(self) -> Message | None:
        """The next notification; None when there is none left and the answer is there.

        Raises:
            ServerGoneError: No answer will come, or notifications that must not be lost were.
        """
        while True:
            if self._notifications:
                return self._notifications.popleft()
            if self._response is not None:
                return None
            if self.gone or self._lost:
                raise ServerGoneError(self.gone or "too many notifications were not read")
            self._news.clear()
            await self._news.wait()


class Calls:
    """All requests in flight on one pipe.

    Args:
        on_notification: Takes the notifications that belong to no request.
        limit: How many requests may be in flight.
    """

    def __init__(self, on_notification: Callable[[Message], None], *, limit: int = MAX_IN_FLIGHT) -> None:
        """Begin with none."""
        self.pipe = Pipe(self._receive)
        self._on_notification = on_notification
        self._limit = limit
        self._calls: dict[str, Call] = {}
        self._numbers = count(1)
        self._posts: set[asyncio.Task[None]] = set()
        self._gone = ""

    def __len__(self) -> int:
        return len(self._calls)

    def open(self, method: str, params: dict[str, Any] | None, request_id: Id, *, endless: bool = False) -> Call:
        """Take a request on; :meth:`submit` sends it.

        Args:
            method: Its method.
            params: Its parameters, as the client gave them; None when it gave none.
            request_id: The client's id.
            endless: Whether it is answered only when it is over.

        Returns:
            The call, to be ended with :meth:`finish` or :meth:`cancel`.

        Raises:
            ServerGoneError: The server has ended.
            TooManyCallsError: Too many are in flight.
        """
        if self._gone:
            raise ServerGoneError(self._gone)
        if len(self._calls) >= self._limit and not self._forget_abandoned():
            raise TooManyCallsError
        minted = f"w{next(self._numbers)}"
        params, token = _with_token(params, minted)
        request: Message = {"jsonrpc": "2.0", "id": minted, "method": method}
        if params is not None:
            request["params"] = params
        call = Call(request_id, minted, token, request, endless=endless)
        self._calls[minted] = call
        return call

    async def submit(self, call: Call) -> None:
        """Send a request; waits while the server does not read. If it cannot be sent, it is over.

        Raises:
            ServerGoneError: The server has ended.
        """
        try:
            await self._send(call.request)
        except BaseException:
            self.finish(call)
            raise
        call.request = {}

    def waits_for(self, call: Call) -> bool:
        """Whether the call is in flight."""
        return call.minted in self._calls

    def finish(self, call: Call) -> bool:
        """Nobody is interested in the call any more, and the server knows or need not know.

        Returns:
            Whether it was still in flight.
        """
        known = self._calls.pop(call.minted, None) is not None
        if call.on_end is not None:
            call.on_end()
            call.on_end = None
        return known

    def cancel(self, call: Call, reason: str) -> None:
        """Nobody waits for the answer any more: tell the server, unless it has answered."""
        if self.finish(call):
            self.post("notifications/cancelled", {"requestId": call.minted, "reason": reason})

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        """Send a notification.

        Raises:
            ServerGoneError: The server has ended.
            TooManyCallsError: Too many wait to be sent.
        """
        if len(self._posts) >= self._limit:
            raise TooManyCallsError
        message: Message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        await self._send(message)

    def post(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification when the pipe takes it; nobody waits for that, and the server may be gone."""
        self._post({"jsonrpc": "2.0", "method": method, "params": params})

    def forget(self, method: str, params: dict[str, Any]) -> None:
        """Send a request whose answer interests nobody."""
        self._post({"jsonrpc": "2.0", "id": f"w{next(self._numbers)}", "method": method, "params": params})

    def fail(self, reason: str) -> None:
        """The server has ended: nothing in flight will be answered.

        Args:
            reason: How it ended.
        """
        self._gone = reason
        for call in list(self._calls.values()):
            call.fail(reason)
            self.finish(call)

    def close(self) -> None:
        """Give up what still waits to be sent."""
        for task in self._posts:
            task.cancel()

    async def _send(self, message: Message) -> None:
        try:
            await self.pipe.send(encode(message))
        except PipeClosedError:
            raise ServerGoneError(self._gone or "the server reads no more") from None

    def _post(self, message: Message) -> None:
        if len(self._posts) >= self._limit:  # the server asks and asks, and does not read
            return

        async def send() -> None:
            try:
                await self._send(message)
            except ServerGoneError:
                return

        task = asyncio.create_task(send())
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    def _forget_abandoned(self) -> bool:
        """Make room: give up the oldest request whose client has gone."""
        oldest = next((call for call in self._calls.values() if call.on_end is not None), None)
        if oldest is not None:
            self.cancel(oldest, "the client has gone")
        return oldest is not None

    def _receive(self, line: bytes) -> None:
        try:
            message = members(read(line))
        except ValueError:
            message = {}
        match kind_of(message):
            case Kind.RESPONSE:
                self._answer(message)
            case Kind.NOTIFICATION:
                self._route(message)
            case Kind.REQUEST:
                self._decline(message)
            case None:
                if line.strip():
                    _log.debug("dropped what is no message", extra={"bytes": len(line)})

    def _answer(self, message: Message) -> None:
        call = self._find(message["id"])
        if call is None:  # cancelled, or never asked
            return
        self.finish(call)
        message["id"] = call.request_id
        _restore_subscription(members(message.get("result")), call)
        call.resolve(message)

    def _route(self, message: Message) -> None:
        params = members(message.get("params"))
        match message["method"]:
            case "notifications/progress":
                call = self._find(params.get("progressToken"))
                if call is not None and call.token is not None:
                    params["progressToken"] = call.token
                    call.notify(message)
            case "notifications/message":
                # It does not tell which request it belongs to: on a shared pipe it could reach the wrong client.
                return
            case "notifications/cancelled":
                call = self._find(params.get("requestId"))
                if call is not None and call.endless:
                    self.finish(call)
                    call.fail("the server ended the subscription")
            case _:
                call = self._find(members(params.get("_meta")).get(SUBSCRIPTION_KEY))
                if call is not None:
                    _restore_subscription(params, call)
                    call.notify(message)
                elif SUBSCRIPTION_KEY not in members(params.get("_meta")):
                    self._on_notification(message)

    def _decline(self, message: Message) -> None:
        """Answer a request of the server. Nothing in it says for which client it is, so none can be asked."""
        answer: Message = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": "Not available through this proxy"}
        self._post(answer)

    def _find(self, minted: object) -> Call | None:
        return self._calls.get(minted) if isinstance(minted, str) else None


def _with_token(params: dict[str, Any] | None, minted: str) -> tuple[dict[str, Any] | None, Id | None]:
    """The parameters with our progress token in the place of the client's, and that."""
    meta = members(members(params).get("_meta"))
    token = meta.get("progressToken")
    if params is None or token is None:
        return params, None
    return {**params, "_meta": {**meta, "progressToken": minted}}, token


def _restore_subscription(holder: dict[str, Any], call: Call) -> None:
    """Put the client's id back where a frame names the subscription it belongs to."""
    meta = members(holder.get("_meta"))
    if SUBSCRIPTION_KEY in meta:
        meta[SUBSCRIPTION_KEY] = call.request_id
