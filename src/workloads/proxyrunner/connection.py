"""The client's connection: requests as they come in, each of which gets its turn.

It is our own because it was measured: an HTTP server that is made for any use spends as much on a request as all of
the proxy. The parser is httptools, as on the side of the servers.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httptools

from workloads.proxyrunner.asgi import CONNECTION, header
from workloads.proxyrunner.farewell import Farewell
from workloads.proxyrunner.heads import KnownHeads
from workloads.proxyrunner.lag import Lag
from workloads.proxyrunner.opening import address_of, scope_of
from workloads.proxyrunner.response import whole
from workloads.proxyrunner.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.clients import Clients
    from workloads.proxyrunner.heads import KnownHead
    from workloads.proxyrunner.upstream.framing import Part

__all__ = ("Connection",)

_log = logging.getLogger(__name__)

_FRAMING = (b"content-length", b"transfer-encoding")
_VERSIONS = frozenset(("1.0", "1.1"))
_MAX_HEAD = 2**20
"""Bytes a head may have, or what stands between two parts of a body or behind it; give or take what comes at once."""
_AHEAD = 8
"""Requests that a client may send ahead, before it is held up."""
_BRIEF = 2**16
"""Bytes of a body that is probably on its way when its head has come."""
_UNPAUSED = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)
"""Whether asyncio's own ``writelines`` lets anything wait for a client that does not read (CVE-2024-12254)."""
_BUFFER = 2**16
"""Bytes that may wait for the client, before who writes them is held up. The loop writes a larger part at once, so that
its memory serves for the next one."""


class Connection(asyncio.Protocol):
    """One connection of a client.

    Args:
        clients: Where it is entered while it lasts.
    """

    __slots__ = (
        "_aside", "_awaited", "_between", "_clients", "_deaf", "_farewell", "_fresh", "_headers", "_heads", "_in_head",
        "_incoming", "_lag", "_parser", "_paused", "_refusal", "_resuming", "_since_body", "_transport",
        "_turns", "_url", "client", "idle_since", "later", "room", "server", "soon", "write", "write_all",
    )  # fmt: skip

    def __init__(self, clients: Clients) -> None:
        """A connection that is being made."""
        self._clients = clients
        self._parser: Any = None
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._turns: deque[Turn] = deque()  # the first one is being answered
        self._incoming: Turn | None = None
        self._fresh: Turn | None = None  # nobody answers it yet
        self._awaited: Turn | None = None  # nor this one, whose body is waited for
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._since_body = 0
        self._in_head = True
        self._between = True  # the parser has seen no part of a request whose end it has not seen
        self._heads = KnownHeads()
        # A request whose head is known, where that ends, and all that has come of it: until its body has, too.
        self._aside: tuple[KnownHead, int, bytes] | None = None
        self._farewell: Farewell | None = None
        self._resuming = self._paused = self._deaf = False
        self._refusal = b""
        self._lag: Lag | None = None
        self.soon: Callable[[Callable[[], object]], object] = clients.loop.call_soon
        """Calls something when the loop comes to it."""
        self.later: Callable[[float, Callable[[], object]], asyncio.TimerHandle] = clients.loop.call_later
        """Calls something after so many seconds."""
        self.room: asyncio.Event | None = None
        """Set when more can be written; None when that is so now."""
        self.idle_since = clients.loop.time()
        """When the last request was answered, or the client came, by the clock of the loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_BUFFER)
        self.write: Callable[[Part], None] = self._transport.write
        self.write_all: Callable[[Sequence[Part]], None] = (
            # The one that transports inherit writes the parts as one.
            partial(asyncio.WriteTransport.writelines, self._transport) if _UNPAUSED else self._transport.writelines
        )
        self.server = address_of(transport.get_extra_info("sockname"))
        self.client = address_of(transport.get_extra_info("peername"))
        self._parser = self._new_parser()
        self._clients.came(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # why does not matter
        """The client has gone."""
        self._clients.patience.end(self)
        self._awaited = None
        self.resume_writing()
        turns = list(self._turns)
        self._turns.clear()
        for turn in turns:
            turn.leave()
        self._parser = self._incoming = self._aside = None
        if self._farewell is not None:
            self._farewell.over()
        self._clients.left(self)

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self.room = asyncio.Event()

    def resume_writing(self) -> None:
        """It does again."""
        room, self.room = self.room, None
        if room is not None:
            room.set()
        if self._turns and (on_room := self._turns[0].on_room) is not None:
            on_room()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is a head that does not end, or trailers: the parser collects them."""
        if self._deaf:
            if self._farewell is not None:
                self._farewell.hear(len(data))
            return
        if self._between and not self._turns:
            aside, self._aside = self._aside, None
            if aside is None:
                known, end = self._heads.find(data)
            else:
                known, end, begun = aside
                data = begun + data
            missing = 0 if known is None else known.length - (len(data) - end)
            if known is not None and missing > 0:
                # Often the body comes apart from its head. Looked at together they cost less.
                if aside is None:
                    self._clients.patience.begin(self)
                self._aside = known, end, data
                return
            if aside is not None:
                self._clients.patience.end(self)
            if known is not None and not missing:
                turn = Turn(self, known.scope(), keep_alive=True, expects=False, body=data[end:])
                turn.scope[CONNECTION] = turn
                self._turns.append(turn)
                self._clients.serve(turn)
                return
        self._take(data)
        if self._awaited is not None and self._awaited.arrived:
            self.waited()

    def waited(self) -> None:
        """The body is here that was waited for, or too late: have its request served."""
        self._clients.patience.end(self)
        aside, self._aside = self._aside, None
        if aside is not None and not self._deaf:
            self._take(aside[-1], known=True)
        turn, self._awaited = self._awaited, None
        if turn is not None and not turn.lost:
            self._clients.serve(turn)

    def _take(self, data: bytes, *, known: bool = False) -> None:
        """Take what came, as the parser tells it; of a head that is known the body has been waited for already."""
        between = self._between and not self._turns
        self._since_body += len(data)
        self._feed(data)
        fresh, self._fresh = self._fresh, None
        if fresh is not None:  # now that is here what came with its head, often all of it
            brief = fresh.brief(_BRIEF)
            if brief and between and not known:
                self._heads.learn(data, fresh.body, fresh.template(), brief)
            self._serve(fresh, waits=brief > 0 and not known)
        if self._since_body > _MAX_HEAD:
            self._refuse(f"Request {'head is' if self._in_head else 'trailers are'} too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        if not self._resuming:
            self._url = b""
            self._headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the target came."""
        if not self._resuming:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came; what follows a body, the trailers, must not be taken for one."""
        if self._in_head and not self._resuming:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        if self._resuming or self._deaf:
            return
        self._in_head = False
        self._since_body = 0
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(f"HTTP/{version} is not spoken here; use HTTP/1.1.", 505)
            return
        scope = scope_of(self._parser, self._url, self._headers, server=self.server, client=self.client)
        keep_alive = version != "1.0" and self._parser.should_keep_alive()
        # Of a client that does not know the interim answer it must be ignored (RFC 9110, section 10.1.1).
        expects = version != "1.0" and (header(scope["headers"], b"expect") or b"").lower() == b"100-continue"
        self._incoming = turn = Turn(self, scope, keep_alive=keep_alive, expects=expects)
        scope[CONNECTION] = turn
        self._turns.append(turn)
        if len(self._turns) == 1:
            self._fresh = turn
        elif len(self._turns) > _AHEAD:
            self._hold()

    def on_body(self, part: bytes) -> None:
        """A part of a body came."""
        self._since_body = 0
        if self._incoming is not None and self._incoming.feed(part):
            self._hold()

    def on_message_complete(self) -> None:
        """A request is complete; what comes next is the head of another one."""
        if self._parser.should_upgrade() and any(name in _FRAMING for name, _ in self._headers):
            return  # only for a parser that does not expect its body
        self._in_head = self._between = True
        self._since_body = 0
        turn, self._incoming = self._incoming, None
        if turn is not None:
            turn.end()
            # What follows a request that says it is the last one is nobody's.
            self._deaf = self._deaf or not turn.keep_alive

    def serve(self, turn: Turn, application: Application) -> None:
        """Let an application answer a request, in a task of its own."""
        self._clients.run(turn, application)

    def take_more(self) -> None:
        """Whoever answers has room for more of the request."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def finished(self, turn: Turn) -> None:
        """A request has been answered: go on to the next one, or wait for it."""
        self._turns.popleft()
        self.idle_since = self._clients.loop.time()
        if not turn.keep_alive:
            self.part(heard=turn.arrived)
            return
        self.take_more()
        if self._turns:
            self._clients.serve(self._turns[0])
        elif self._refusal:
            self._part_refusing()

    def leave(self) -> None:
        """Close once all answers that are due have been sent; without any, stay."""
        if self._aside is not None:
            self.waited()
        if self._turns:
            self._turns[-1].keep_alive = False
            self._deaf = self._deaf or self._turns[-1].arrived

    def end(self) -> None:
        """Close as soon as no answer is due."""
        if self._turns or self._aside is not None:
            self.leave()
        elif self._farewell is None:
            self.part(heard=self._incoming is None)

    def expire(self, deadline: float) -> None:
        """Close if the client has sent no whole request since a time, by the clock of the loop."""
        if not self._turns and self._aside is None and self.idle_since <= deadline:
            self._transport.close()

    def give_up(self, now: float, patience: float) -> None:
        """Close at once if the client reads nothing of what waits for it. What has nothing to read may stay.

        Args:
            now: The time by the clock of the loop.
            patience: Seconds for which it may read nothing.
        """
        if not self._transport.get_write_buffer_size():
            self._lag = None
        elif self._lag is None:
            self._lag = Lag(self._transport, now)
        elif self._lag.lasts(now) >= patience:
            _log.info("a client does not read its answer", extra={"client": self.client})
            self.abort()

    def part(self, *, heard: bool) -> None:
        """Send what is written, then close, so that the client gets it.

        Args:
            heard: Whether the client has sent all that is to be expected of it.
        """
        self._deaf = True
        if heard:
            self._transport.close()
        elif not self._transport.is_closing():
            self.take_more()
            self._farewell = Farewell(self._transport, self._clients.loop)

    def close(self) -> None:
        """Send what is written, then close."""
        self._deaf = True
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self._deaf = True
        self._transport.abort()

    def _serve(self, turn: Turn, *, waits: bool) -> None:
        """Have a request served: when the rest of its body has come, if that is to be waited for."""
        if turn.arrived or not waits:
            self._clients.serve(turn)
        else:
            self._awaited = turn
            self._clients.patience.begin(self)

    def _new_parser(self) -> Any:
        parser = httptools.HttpRequestParser(self)
        # What follows a request that says it is the last one is no reason not to answer that.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            _log.debug("invalid request", extra={"client": self.client})
            self._refuse("Invalid HTTP request received.")

    def _stay(self, rest: bytes) -> None:
        """Pass over the wish to change the protocol, as a server may (RFC 9110, section 7.8).

        The parser has ended with the head of that request. So another one is told of the body alone.

        Args:
            rest: What came behind the head.
        """
        self._parser = self._new_parser()
        framing = next((item for item in self._headers if item[0] in _FRAMING), None)
        if framing is not None:
            self._resuming = True
            try:
                self._feed(b"POST / HTTP/1.1\r\n%s: %s\r\n\r\n" % framing)
            finally:
                self._resuming = False
            self._in_head = False
        if rest and not self._deaf:
            self._feed(rest)

    def _refuse(self, reason: str, status: int = 400) -> None:
        """What came is no request: answer it in its turn, then close."""
        if self._deaf:
            return
        self._deaf = True
        self._refusal = whole(status, reason)
        broken, self._incoming = self._incoming, None
        if broken is not None and broken.done:
            self.part(heard=False)  # it has its answer
            return
        if broken is not None:
            if len(self._turns) == 1:
                self._break(broken)
                return
            self._turns.pop()
        if not self._turns:
            self._part_refusing()

    def _break(self, turn: Turn) -> None:
        """The request that is being answered turned out to be none."""
        if turn.started:
            turn.cut()
        else:
            turn.leave()  # nothing may be sent behind the refusal
            self._part_refusing()

    def _part_refusing(self) -> None:
        self._transport.write(self._refusal)
        self.part(heard=False)

    def _hold(self) -> None:
        """Take nothing more from the client for now."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
