"""Answers clients of the new era from what their server allows to be kept: even while the server is not there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.answer_cache import CACHEABLE, MAX_ANSWER, AnswerCache
from workloads.proxyrunner.asgi import header, respond
from workloads.proxyrunner.body import has_body, read_body
from workloads.proxyrunner.encoded import decoded
from workloads.proxyrunner.fan_in import EventSplitter
from workloads.proxyrunner.identity import IDENTITY
from workloads.proxyrunner.jsonrpc import Kind, encode, kind_of, members, read
from workloads.proxyrunner.middleware.bodies import with_body
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.protocol import CAPABILITIES_KEY, MODERN, VERSION_KEY
from workloads.proxyrunner.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.asgi import Application, Headers, Message, Receive, Scope, Send
    from workloads.proxyrunner.gate import Gate

__all__ = ("Caching",)

_METHODS = {method.encode(): method for method in CACHEABLE}
_LISTEN = b"subscriptions/listen"
# They say nothing of who asks; any other header might.
_NEUTRAL = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"baggage", b"connection", b"content-length", b"content-type",
    b"host", b"last-event-id", b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id", b"origin",
    b"traceparent", b"tracestate", b"transfer-encoding", b"user-agent",
})  # fmt: skip


class Caching:
    """An ASGI application around that which forwards requests.

    Args:
        application: What forwards them.
        cache: Where answers are kept.
        gate: Tells which servers there are: of new ones nothing is known.
        max_body: Bytes a request may have.
    """

    def __init__(
        self, application: Application, cache: AnswerCache, gate: Gate[ReplicaAddress | Pool], *, max_body: int
    ) -> None:
        """Compose."""
        self._application = application
        self._cache = cache
        self._gate = gate
        self._max_body = max_body
        self._servers: object = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request. Not a coroutine function: what is only passed on shall not pay for one more."""
        asked = header(scope["headers"], b"mcp-method") if scope["method"] == "POST" else None
        method = None if asked is None else _METHODS.get(asked)
        if method is not None and has_body(scope["headers"]):
            return self._serve(method, scope, receive, send)
        if asked == _LISTEN:
            return self._application(scope, receive, self._overhearing(send))
        return self._application(scope, receive, send)

    async def _serve(self, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope["headers"], receive, self._max_body)
        scope, receive = with_body(scope, receive, body)
        message = _message(method, scope["headers"], body)
        if message is None:  # its server shall say what is wrong with it
            await self._application(scope, receive, send)
            return
        params, who = members(message["params"]), _who(scope)
        self._look_for_new_servers()
        result = None if self._gate.refusing else self._cache.find(method, params, who)
        if result is not None:
            await respond(send, json_reply(200, encode({"jsonrpc": "2.0", "id": message["id"], "result": result})))
            return

        def keep(answer: dict[str, Any]) -> None:
            self._cache.keep(method, params, who, members(answer.get("result")))

        await self._application(scope, receive, _recording(send, keep))

    def _look_for_new_servers(self) -> None:
        target = self._gate.target
        servers = target.grown if isinstance(target, Pool) else target
        if servers is not None and servers is not self._servers:
            self._servers = servers
            self._cache.clear()

    def _overhearing(self, send: Send) -> Send:
        """Sends on what a subscriber gets, and forgets what that says has changed."""
        splitter: EventSplitter | None = EventSplitter()

        async def overhear(message: Message) -> None:
            nonlocal splitter
            try:
                for event in () if splitter is None else splitter.feed(message.get("body", b"")):
                    data = b"\n".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
                    if data:
                        self._cache.heard(_read(data))
            except ValueError:  # what it tells of cannot be known
                splitter = None
                self._cache.clear()
            await send(message)

        return overhear


def _message(method: str, headers: Headers, body: bytes) -> dict[str, Any] | None:
    """The request in a body, if nothing is wrong with it and it may be answered with JSON."""
    accept = header(headers, b"accept")
    message = _read(body)
    params = members(message.get("params"))
    meta = members(params.get("_meta"))
    name = header(headers, b"mcp-name")
    if kind_of(message) is not Kind.REQUEST or message["method"] != method:
        return None
    if _all(headers, b"mcp-protocol-version") != [MODERN.encode()] or meta.get(VERSION_KEY) != MODERN:
        return None
    if not isinstance(meta.get(CAPABILITIES_KEY), dict):
        return None
    if method == "resources/read" and (name is None or decoded(name.decode("latin-1")) != params.get("uri")):
        return None
    return message if accept is None or b"json" in accept or b"*/*" in accept else None


def _who(scope: Scope) -> str:
    """Who asks, in a form that tells nobody: what the server may be sent of it, and what the proxy knows of it."""
    said = [item for item in scope["headers"] if item[0] not in _NEUTRAL and not item[0].startswith(b"sec-fetch-")]
    known = (said, scope.get(IDENTITY))
    return hashlib.sha256(repr(known).encode()).hexdigest() if any(known) else ""


def _recording(send: Send, keep: Callable[[dict[str, Any]], None]) -> Send:
    """Sends on an answer, and hands it over if it is one that may be kept."""
    parts: list[bytes] = []
    size, whole = 0, False

    async def record(message: Message) -> None:
        nonlocal size, whole
        if message["type"] == "http.response.start":
            whole = message["status"] == 200 and (header(message["headers"], b"content-type") or b"").startswith(
                b"application/json"
            )
            whole = whole and header(message["headers"], b"content-encoding") is None
        else:
            part = message.get("body", b"")
            size += len(part)
            whole = whole and size <= MAX_ANSWER
            if whole:
                parts.append(part)
                if not message.get("more_body", False):
                    keep(_read(b"".join(parts)))
        await send(message)

    return record


def _read(text: bytes) -> dict[str, Any]:
    try:
        return members(read(text))
    except ValueError:
        return {}


def _all(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]
