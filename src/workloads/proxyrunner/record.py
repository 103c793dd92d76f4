"""What is known of one request while it is served, for those who count and write down."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import header

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.asgi import ClientConnection, Headers, Message, Passage, Scope, Send

__all__ = ("RECORD", "Record", "record_of")

RECORD = "workloads.record"
"""The key of the scope under which the proxy keeps the :class:`Record` of a request."""

_SESSION = b"mcp-session-id"
_LISTEN = b"subscriptions/listen"
_EVENT_STREAM = b"text/event-stream"


class Record:
    """One request. It sees the answer go by, and is told what only others know.

    Args:
        send: The ASGI callable that sends the answer.
    """

    __slots__ = ("_begun", "_send", "answer", "backend", "sent", "status")

    def __init__(self, send: Send) -> None:
        """Begin now."""
        self._send = send
        self._begun = perf_counter()
        self.status = 0
        """The HTTP status of the answer; 0 while there is none."""
        self.answer: Headers = []
        """The headers of the answer."""
        self.sent = 0
        """Bytes of its body."""
        self.backend = b""
        """Host and port of the server that got the request; empty when none did, or it has no address."""

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return perf_counter() - self._begun

    def send(self, message: Message) -> Awaitable[None]:
        """Send a part of the answer. Not a coroutine function: each of those would cost as much as all of this."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer = message["headers"]
        else:
            self.sent += len(message.get("body", b""))
        return self._send(message)

    def passage(self, send: Send, connection: ClientConnection) -> Passage | None:
        """The way past it to the client; what goes there is to be added to :attr:`sent`.

        Args:
            send: What would be called with messages.
            connection: The client's connection.

        Returns:
            None where somebody else wants to see the answer go by.
        """
        return connection.passage(self._send) if send == self.send else None

    def lives_long(self, method: str, asked: Headers) -> bool:
        """Whether the answer is a stream that nobody expects to end.

        Args:
            method: The HTTP method.
            asked: The headers of the request.
        """
        if not (header(self.answer, b"content-type") or b"").startswith(_EVENT_STREAM):
            return False
        return method == "GET" or header(asked, b"mcp-method") == _LISTEN

    def begun_session(self, asked: Headers) -> bytes | None:
        """The session that the answer begins; None when it begins none.

        Args:
            asked: The headers of the request.
        """
        named = header(self.answer, _SESSION) if self.status == 200 else None
        return None if named is None or header(asked, _SESSION) is not None else named

    def session(self, asked: Headers) -> bytes | None:
        """The session of the request, or that the answer begins.

        Args:
            asked: The headers of the request.
        """
        return header(asked, _SESSION) or header(self.answer, _SESSION)


def record_of(scope: Scope) -> Record | None:
    """The record of a request; None where nobody keeps one."""
    return scope.get(RECORD)
