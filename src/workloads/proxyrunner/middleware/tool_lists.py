"""``tool-filter``: lists of tools show clients only the tools they have, as they have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.asgi import header, respond
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, members
from workloads.proxyrunner.middleware.bodies import (
    AmbiguousError,
    is_post,
    message_of,
    request_body,
    with_body,
    without_header,
)
from workloads.proxyrunner.middleware.events import EventRewriter, TooLongError
from workloads.proxyrunner.middleware.tool_policy import ToolPolicy
from workloads.proxyrunner.replies import refusal

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application, Message, Receive, Scope, Send
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext

__all__ = ("make", "rewritten")

_LIST = "tools/list"
_MAX_LIST = 8 * 2**20
"""Bytes that a list of tools, or any one event of a stream, may have."""


def make(parameters: Any, context: MiddlewareContext) -> Middleware:
    """The middleware for the parameters ``filter_tools`` and ``tools_override``."""
    policy = ToolPolicy.of(parameters)
    return lambda application: _ToolLists(application, policy, context.max_body)


def rewritten(policy: ToolPolicy, text: bytes) -> bytes | None:
    """A message as clients see it; None when it has no list of tools and stays as it is. Pure.

    It goes by the form of the answer, for on a stream answers come without what was asked.
    """
    if b'"tools"' not in text and b"\\u" not in text:
        return None
    try:
        message = members(json.loads(text))  # with NaN, which some servers write and some clients read
    except (ValueError, RecursionError):
        return None
    result = members(message.get("result"))
    tools = result.get("tools")
    if not isinstance(tools, list):
        return None
    shown = {**message, "result": {**result, "tools": policy.listed(tools)}}  # pyright: ignore[reportUnknownArgumentType]
    return json.dumps(shown, separators=(",", ":")).encode()


class _ToolLists:
    def __init__(self, application: Application, policy: ToolPolicy, max_body: int) -> None:
        self._application = application
        self._policy = policy
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What comes back must be readable.
        scope = {**scope, "headers": without_header(scope["headers"], b"accept-encoding")}
        request = b""
        lists = False
        if is_post(scope):
            request = await request_body(scope, receive, self._max_body)
            try:
                lists = message_of(scope["headers"], request).get("method") == _LIST
            except AmbiguousError as error:
                await respond(send, refusal(400, INVALID_REQUEST, f"Message refused: {error}", request=request))
                return
            scope, receive = with_body(scope, receive, request)
        answer = _Answer(self._policy, send, request, whole=lists)
        await self._application(scope, receive, answer)


class _Answer:
    """The ``send`` of one exchange: what it is given reaches the client as clients shall see it.

    Args:
        policy: What clients shall see.
        send: Where it goes.
        request: The body of the request.
        whole: Whether the body of the answer is one message with a list of tools.
    """

    def __init__(self, policy: ToolPolicy, send: Send, request: bytes, *, whole: bool) -> None:
        self._policy = policy
        self._send = send
        self._request = request
        self._whole = whole
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._refused = False
        self._events: EventRewriter | None = None

    async def __call__(self, message: Message) -> None:
        if self._refused:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif self._events is not None:
            await self._forward_events(self._events, message)
        elif self._start is not None:
            await self._collect(self._start, message)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        headers = message["headers"]
        kind = (header(headers, b"content-type") or b"").lower()
        streams = kind.startswith(b"text/event-stream")
        if header(headers, b"content-encoding") not in (None, b"identity") and (streams or self._whole):
            await self._refuse("The server compresses what was asked for plainly")
        elif streams:
            self._events = EventRewriter(lambda data: rewritten(self._policy, data), limit=_MAX_LIST)
            await self._send({**message, "headers": without_header(headers, b"content-length")})
        elif self._whole:
            self._start = message
        else:
            await self._send(message)

    async def _forward_events(self, events: EventRewriter, message: Message) -> None:
        more = message.get("more_body", False)
        try:
            out = events.feed(message.get("body", b""), last=not more)
        except TooLongError:
            # The status is sent already: an end without the last event is all that can be said.
            self._refused, out, more = True, b"", False
        if out or not more:
            await self._send({"type": "http.response.body", "body": out, "more_body": more})

    async def _collect(self, start: Message, message: Message) -> None:
        part: bytes = message.get("body", b"")
        self._parts.append(part)
        self._size += len(part)
        if self._size > _MAX_LIST:
            await self._refuse(f"The list of tools is larger than {_MAX_LIST} bytes")
            return
        if message.get("more_body", False):
            return
        body = b"".join(self._parts)
        changed = rewritten(self._policy, body)
        body = body if changed is None else changed
        headers = [*without_header(start["headers"], b"content-length"), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _refuse(self, reason: str) -> None:
        self._refused = True
        await respond(self._send, refusal(502, INTERNAL_ERROR, reason, request=self._request))
