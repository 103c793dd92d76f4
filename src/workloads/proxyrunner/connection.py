"""The client's connection: uvicorn's protocol, plus what a proxy must know and do that ASGI has no words for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from workloads.proxyrunner.asgi import CONNECTION
from workloads.proxyrunner.corked import Corked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ("Connection",)

_log = logging.getLogger("workloads.proxyrunner.connection")

_MAX_HEAD = 2**20
"""Bytes the head of a request may have, give or take what the network delivers at once."""


class Connection(HttpToolsProtocol):
    """One connection of a client. Implements :class:`~workloads.proxyrunner.asgi.ClientConnection`."""

    on_lost: Callable[[], object] | None = None
    lost: bool = False
    _in_head = True
    _head_size = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what the server passes on."""
        super().__init__(*args, **kwargs)
        # Logging is configured by the application, and access logs of a proxy are nobody's business by default.
        self.logger = _log
        self.access_log = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self.transport = self._corked = Corked(cast("asyncio.Transport", transport))  # type: ignore[assignment]
        super().connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is the head of a request that does not end."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > _MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("Request head is too large.")

    @property
    def arrived(self) -> bool:
        """Whether the whole request has come."""
        return not self.cycle.more_body

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came; what follows a body, the trailers, must not be taken for one."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete; what comes next is the head of another one."""
        self._in_head = True
        self._head_size = 0
        super().on_message_complete()

    def on_message_begin(self) -> None:
        """A request begins: hand this connection on with it."""
        super().on_message_begin()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]  # servers may add keys of their own

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: tell who serves it, at once."""
        self.lost = True
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()
            self.on_lost = None

    def leave(self) -> None:
        """Close once the answer that is due has been sent; without one, stay."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def cork(self) -> None:
        """Hold the head of an answer back until the body follows, which it does at once."""
        self._corked.cork()

    def cut(self) -> None:
        """Send what is written, then close without ending the response."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self.transport.abort()
