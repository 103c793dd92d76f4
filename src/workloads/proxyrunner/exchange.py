"""One request on its way through the transparent proxy, with what is needed to answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads.proxyrunner.asgi import header
from workloads.proxyrunner.encoded import decoded
from workloads.proxyrunner.headers import forwarded, response_headers
from workloads.proxyrunner.identity import IDENTITY
from workloads.proxyrunner.jsonrpc import begins_session, members, read
from workloads.proxyrunner.protocol import REPEATABLE
from workloads.proxyrunner.trails import TRACED, TrailReader, state_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from workloads.proxyrunner.asgi import ClientConnection, Receive, Scope, Send
    from workloads.proxyrunner.body import Intake
    from workloads.proxyrunner.headers import RequestHead
    from workloads.proxyrunner.pool import Pool, Visit
    from workloads.proxyrunner.upstream import Answer
    from workloads.session import Identity

__all__ = ("Exchange",)

_DISCOVER = b"server/discover"
_LISTEN = b"subscriptions/listen"
_EVENT_STREAM = "text/event-stream"
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


@attrs.define
class Exchange:
    """A request. Implements :class:`~workloads.proxyrunner.sought.Sought`.

    Attributes:
        scope: The ASGI scope.
        receive: The ASGI callable.
        send: The ASGI callable.
        head: Its headers.
        body: Its body, or how that begins.
        intake: Where the rest of the body comes from; None when there is none.
        connection: The client's connection.
        authority: Host and port of the server it was sent to.
        visit: The replica it was sent to, if that was chosen from several.
        pool: Those, then.
        awaits: The id, as JSON, of what it asks for on a stream of another proxy; None where it does not.
        cancels: The id, as JSON, of what it cancels on such a stream.
        begun: What came of it, where it was sent already: the answer, or why there is none.
    """

    scope: Scope
    receive: Receive
    send: Send
    head: RequestHead
    body: bytes
    intake: Intake | None
    connection: ClientConnection
    authority: bytes = b""
    visit: Visit | None = None
    pool: Pool | None = None
    awaits: str | None = None
    cancels: str | None = None
    begun: Answer | Exception | None = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        method: str = self.scope["method"]
        return method

    @property
    def target(self) -> bytes:
        """Path and query as the client encoded them."""
        raw: bytes = self.scope["raw_path"]
        query: bytes = self.scope["query_string"]
        return b"%s?%s" % (raw, query) if query else raw

    @property
    def discovers(self) -> bool:
        """Whether it is a ``server/discover``."""
        return self.head.mcp_method == _DISCOVER

    @property
    def listens(self) -> bool:
        """Whether it is a subscription."""
        return self.head.modern and self.head.mcp_method == _LISTEN

    @property
    def session(self) -> str | None:
        """The session it names."""
        session = self.head.session
        return None if session is None else session.decode("latin-1")

    @property
    def begins(self) -> bool:
        """Whether it begins a session."""
        return self.method == "POST" and not self.head.modern and begins_session(self.body)

    @property
    def speaks_for_itself(self) -> bool:
        """Whether its headers tell all that decides where it goes, so that its body may still be on its way."""
        return self.method != "POST" or ((self.head.modern or self.head.session is not None) and not self.discovers)

    @property
    def repeatable(self) -> bool:
        """Whether to carry it out twice does no harm."""
        if self.intake is not None:
            return False
        if self.method != "POST":
            return self.method in _SAFE_METHODS
        try:
            return members(read(self.body)).get("method") in REPEATABLE
        except ValueError:
            return False

    @property
    def identity(self) -> Identity | None:
        """Who sends it, where a middleware has proven that."""
        return self.scope.get(IDENTITY)

    def name_session(self, name: str | None) -> None:
        """Call the session so towards the server; None names none."""
        if name != self.session or name is None:
            kept = [item for item in self.head.kept if item[0] != b"mcp-session-id"]
            if name is not None:
                kept.append((b"mcp-session-id", name.encode("latin-1")))
            self.head = attrs.evolve(self.head, kept=kept)

    async def trail(self) -> str | None:
        """The state it gives back, or the task it asks for."""
        if self.head.modern and self.head.mcp_method in TRACED:
            await self.collect()
        return self.trail_here()

    def trail_here(self) -> str | None:
        """The same, as far as what is here of its body tells."""
        method = self.head.mcp_method
        if method is None or not self.head.modern:
            return None
        if method.startswith(b"tasks/"):
            name = header(self.head.kept, b"mcp-name")
            return None if name is None else decoded(name.decode("latin-1"))
        return state_in(self.body) if method in TRACED else None

    def tracer(self) -> TrailReader | None:
        """Looks for states and tasks in the answer; None where it has none, or there is one replica."""
        if self.visit is None or self.head.mcp_method not in TRACED:
            return None
        return TrailReader(self.visit.note)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers for the server."""
        client: tuple[str, int] | None = self.scope["client"]
        address = client[0] if client else ""
        return forwarded(self.head.kept, client=address, host=self.head.host, scheme=self.scope["scheme"])

    def outcome(self) -> Answer:
        """What :attr:`begun` tells, once.

        Raises:
            Exception: There is no answer.
        """
        begun, self.begun = self.begun, None
        assert begun is not None
        if isinstance(begun, Exception):
            raise begun
        return begun

    def end(self) -> None:
        """It is over. Idempotent."""
        if self.begun is not None and not isinstance(self.begun, Exception):
            self.begun.close()
        if self.visit is not None:
            self.visit.end()
        # They know the exchange: a circle would stay until it is searched for.
        self.begun = self.visit = None

    @property
    def shares_trails(self) -> bool:
        """Whether other proxies are to be told of what the answer brings, before the client gets that."""
        return self.visit is not None and self.visit.tells and self.head.mcp_method in TRACED

    @property
    def called(self) -> bytes | None:
        """What the client calls its session, where the server may call it otherwise; None where both are the same."""
        return self.head.session if self.visit is not None and self.visit.session is not None else None

    def headers_of(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        """The headers of the server's answer for the client."""
        return response_headers(
            answer.headers,
            status=answer.status,
            authority=self.authority,
            modern=self.head.modern,
            session=self.called,
        )

    async def collect(self) -> None:
        """Read the whole body, unless it has gone to a server already.

        Raises:
            BodyError: It is too large or too slow.
            ClientGoneError: The client left.
        """
        if self.intake is not None and not self.intake.passed_on:
            self.body += await self.intake.read()
            self.intake = None

    def rest(self) -> AsyncIterator[bytes] | None:
        """What follows the body that was read."""
        return None if self.intake is None else self.intake.parts()

    async def message(self) -> bytes | None:
        """The JSON-RPC message in it, or as much of that as is here; None if it is none."""
        if self.method != "POST":
            return None
        await self.collect()
        return self.body

    def lives_long(self, answer: Answer) -> bool:
        """Whether the answer is a stream that nobody expects to end."""
        if self.method != "GET" and self.head.mcp_method != _LISTEN:
            return False
        return answer.content_type == _EVENT_STREAM
