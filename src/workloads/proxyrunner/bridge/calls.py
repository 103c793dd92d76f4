"""Requests in flight on a shared pipe, each under a name of ours.

Two clients may use the same id, and the same progress token. On the pipe each request gets an id that is unique for the
life of the process, which serves as its progress token too; answers get the client's own id and token back.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.bridge.blame import Blame
from workloads.proxyrunner.bridge.call import Call, loud_enough
from workloads.proxyrunner.bridge.lines import MAX_LINE
from workloads.proxyrunner.bridge.pipe import Pipe, PipeClosedError
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, METHOD_NOT_FOUND, Kind, encode, kind_of, members, read
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.protocol import SUBSCRIPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.jsonrpc import Id, Message

__all__ = ("MAX_IN_FLIGHT", "Calls", "TooManyCallsError")

_log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 1_000
"""Requests that may be in flight on one pipe."""


# Where SDKs put the id of an answer: before everything else, or behind.
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"'
_OURS = rb'"id"\s*:\s*"(w[0-9]+)"'
_ANSWER_BEGINS = re.compile(
    rb'\s*\{\s*(?:%b\s*,\s*)?%b\s*,\s*(?:%b\s*,\s*)?"(?:result|error)"' % (_VERSION, _OURS, _VERSION)
)
_ANSWER_ENDS = re.compile(rb",\s*(?:%b\s*,\s*)?%b\s*(?:,\s*%b\s*)?\}\s*\Z" % (_VERSION, _OURS, _VERSION))


class TooManyCallsError(Exception):
    """The pipe has all the requests in flight that it may have."""


class Calls:
    """All requests in flight on one pipe.

    Args:
        on_notification: Takes the notifications that belong to no request.
        on_request: Takes the requests of the server, with the request of ours that must have caused it; None in its
            place when none is in flight. Returns whether somebody will answer. Default: nobody ever does.
        limit: How many requests may be in flight.
    """

    def __init__(
        self,
        on_notification: Callable[[Message], None],
        on_request: Callable[[Message, Call | None], bool] | None = None,
        *,
        limit: int = MAX_IN_FLIGHT,
    ) -> None:
        """Begin with none."""
        self.pipe = Pipe(self._receive, self._miss)
        self._on_notification = on_notification
        self._on_request = on_request
        self._limit = limit
        self._blame = Blame(time.monotonic)
        self._calls: dict[str, Call] = {}
        self._numbers = count(1)
        self._posts: set[asyncio.Task[None]] = set()
        self._gone = ""

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def quiet(self) -> bool:
        """Whether the server has nothing to do that anybody asked for."""
        return self._blame.quiet(self._calls.values())

    def open(
        self,
        method: str,
        params: dict[str, Any] | None,
        request_id: Id,
        *,
        endless: bool = False,
        owner: object = None,
        log_level: str | None = None,
    ) -> Call:
        """Take a request on; :meth:`submit` sends it.

        Args:
            method: Its method.
            params: Its parameters, as the client gave them; None when it gave none.
            request_id: The client's id.
            endless: Whether it is answered only when it is over.
            owner: The session that asks; None when the client has none.
            log_level: The least urgent log message that the client wants; None is none at all.

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
        call = Call(request_id, minted, token, request, endless=endless, owner=owner, log_level=log_level)
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
            self._blame.cancelled(call)
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

    async def respond(self, request: Message, outcome: Message) -> None:
        """Answer a request of the server.

        Args:
            request: The request.
            outcome: The member ``result`` or ``error`` of the answer.

        Raises:
            ServerGoneError: The server has ended.
        """
        await self._send({"jsonrpc": "2.0", "id": request["id"], **outcome})

    def decline(self, request: Message, outcome: Message | None = None) -> None:
        """Answer a request of the server that no client answers.

        Args:
            request: The request.
            outcome: The answer. Default: that there is no such method here.
        """
        refused = {"error": {"code": METHOD_NOT_FOUND, "message": "Not available through this proxy"}}
        self._post({"jsonrpc": "2.0", "id": request["id"], **(outcome or refused)})

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
        # At once, if that is possible: what is sent next may have to come after it, as may who subscribes again.
        if self.pipe.send_now(encode(message)):
            return
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
        try:
            self._take(message, line)
        except RecursionError:  # it could just be read, but not be written again; what follows it shall not be lost
            _log.debug("dropped what is nested too deeply", extra={"bytes": len(line)})

    def _take(self, message: Message, line: bytes) -> None:
        match kind_of(message):
            case Kind.RESPONSE:
                self._answer(message)
            case Kind.NOTIFICATION:
                self._route(message)
            case Kind.REQUEST:
                self._request(message)
            case None:
                if line.strip():
                    _log.debug("dropped what is no message", extra={"bytes": len(line)})

    def _miss(self, begins: bytes, ends: bytes) -> None:
        """A message was too long to be read. If it was an answer, whoever waits for it would do so for ever."""
        found = _ANSWER_BEGINS.match(begins) or _ANSWER_ENDS.search(ends)
        if found is not None:
            error = {"code": INTERNAL_ERROR, "message": f"The answer of the server is longer than {MAX_LINE} bytes"}
            self._answer({"jsonrpc": "2.0", "id": found[1].decode(), "error": error})

    def _answer(self, message: Message) -> None:
        call = self._find(message["id"])
        if call is None:  # cancelled, or never asked
            self._blame.answered(str(message["id"]))
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
                # It does not tell which request it belongs to; where that is not certain, nobody may see it.
                call = self._blame.find(self._calls.values())
                if call is not None:
                    if loud_enough(message, call.log_level):
                        call.notify(message)
                elif self.quiet:
                    self._on_notification(message)
            case "notifications/cancelled":
                call = self._find(params.get("requestId"))
                if call is None:
                    self._on_notification(message)
                elif call.endless:
                    self.finish(call)
                    call.fail("the server ended the subscription")
            case _:
                call = self._find(members(params.get("_meta")).get(SUBSCRIPTION_KEY))
                if call is not None:
                    _restore_subscription(params, call)
                    call.notify(message)
                elif SUBSCRIPTION_KEY not in members(params.get("_meta")):
                    self._on_notification(message)

    def _request(self, message: Message) -> None:
        """Pass a request of the server on, if it is certain whose request caused it."""
        if message["method"] == "ping":
            self.decline(message, {"result": {}})
            return
        call = self._blame.find(self._calls.values())
        certain = call is not None or self.quiet
        if not certain or self._on_request is None or not self._on_request(message, call):
            self.decline(message)

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
