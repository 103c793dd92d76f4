"""The client's connection: uvicorn's protocol, plus what a proxy must know and do that ASGI has no words for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from workloads.proxyrunner.asgi import CONNECTION
from workloads.proxyrunner.corked import Corked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application

__all__ = ("Connection",)

_log = logging.getLogger("workloads.proxyrunner.connection")

_FRAMING = (b"content-length", b"transfer-encoding")
_MAX_HEAD = 2**20
"""Bytes the head of a request may have, give or take what the network delivers at once."""


class Connection(HttpToolsProtocol):
    """One connection of a client. Implements :class:`~workloads.proxyrunner.asgi.ClientConnection`."""

    on_lost: Callable[[], object] | None = None
    lost: bool = False
    _served: RequestResponseCycle | None = None
    _in_head = True
    _resuming = False
    _head_size = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what the server passes on."""
        super().__init__(*args, **kwargs)
        # Logging is configured by the application, and access logs of a proxy are nobody's business by default.
        self.logger = _log
        self.access_log = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        # It does what a transport does, and is none to a type checker.
        self.transport = self._corked = Corked(cast("asyncio.Transport", transport))  # type: ignore[assignment]
        super().connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is the head of a request that does not end."""
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > _MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("Request head is too large.")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            _log.debug("invalid request", extra={"client": self.client})
            self.send_400_response("Invalid HTTP request received.")

    def _stay(self, rest: bytes) -> None:
        """Pass over the wish to change the protocol, as a server may (RFC 9110, section 7.8).

        The parser has ended with the head of that request. So another one is told of the body alone.

        Args:
            rest: What came behind the head.
        """
        self.parser = httptools.HttpRequestParser(self)
        framing = next((item for item in self.headers if item[0] in _FRAMING), None)
        if framing is not None:
            self._resuming = True
            try:
                self._feed(b"POST / HTTP/1.1\r\n%s: %s\r\n\r\n" % framing)
            finally:
                self._resuming = False
            self._in_head = False
        if rest and not self.transport.is_closing():
            self._feed(rest)

    @property
    def arrived(self) -> bool:
        """Whether the whole request has come."""
        return self._served is None or not self._served.more_body

    def on_message_begin(self) -> None:
        """A request begins: hand this connection on with it."""
        if not self._resuming:
            super().on_message_begin()
            self.scope[CONNECTION] = self  # type: ignore[literal-required]  # servers may add keys of their own

    def on_url(self, url: bytes) -> None:
        """A part of the target came."""
        if not self._resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came; what follows a body, the trailers, must not be taken for one."""
        if self._in_head and not self._resuming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        if not self._resuming:
            self._in_head = False
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete; what comes next is the head of another one."""
        if self.parser.should_upgrade() and any(name in _FRAMING for name, _ in self.headers):
            return  # only for a parser that does not expect its body
        self._in_head = True
        self._head_size = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: tell who serves it, at once."""
        self.lost = True
        # The base looks at the last request that came, which is another one when several are sent ahead.
        if self._served is not None and not self._served.response_complete:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()
            self.on_lost = None

    def leave(self) -> None:
        """Close once the answer that is due has been sent; without one, stay."""
        if self._served is not None and not self._served.response_complete:
            self._served.keep_alive = False

    def cork(self) -> None:
        """Hold the head of an answer back until the body follows, which it does at once."""
        self._corked.cork()

    def cut(self) -> None:
        """Send what is written, then close without ending the response."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self.transport.abort()
