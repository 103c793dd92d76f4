"""What answers on the data port: the guard first, then ``/health``, then the workload."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from workloads.proxyrunner import replies
from workloads.proxyrunner.asgi import CONNECTION, ClientGoneError, respond
from workloads.proxyrunner.body import BodyError, body_to_refuse
from workloads.proxyrunner.express import Express
from workloads.proxyrunner.heads import KNOWN
from workloads.proxyrunner.health import HEALTH_PATH
from workloads.proxyrunner.peek import Peek
from workloads.proxyrunner.record import RECORD, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workloads.proxyrunner.access_log import AccessLog
    from workloads.proxyrunner.asgi import Application, ClientConnection, Headers, Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.forward import Forwarder
    from workloads.proxyrunner.guard import Guard, Verdict
    from workloads.proxyrunner.heads import KnownHead
    from workloads.proxyrunner.health import Health
    from workloads.proxyrunner.meter import Meter
    from workloads.proxyrunner.recent import RecentSessions
    from workloads.proxyrunner.turn import Turn

__all__ = ("Front",)

_OK, _WRONG = 200, 400


class Front:
    """The outermost ASGI application.

    Args:
        guard: Judges every request.
        health: Answers ``/health``.
        workload: Answers everything else.
        exchanges: Where requests to the workload are counted while they are under way.
        meter: Where they are counted when they have been answered.
        access: Where they are written down, if anybody wants that.
        sessions: Where it is remembered which sessions were used; None where that does not matter.
        forwarder: Sends requests on the short way to the workload; None where there is no such way.
    """

    def __init__(
        self,
        guard: Guard,
        health: Health,
        workload: Application,
        exchanges: Exchanges,
        meter: Meter,
        access: AccessLog,
        sessions: RecentSessions | None = None,
        forwarder: Forwarder | None = None,
    ) -> None:
        """Compose."""
        self._guard = guard
        self._health = health
        self._workload = workload
        self._exchanges = exchanges
        self._meter = meter
        self._access = access
        self._sessions = sessions
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        verdict = self._guard.judge(scope["headers"])
        if verdict is None and scope["path"] == HEALTH_PATH:
            await respond(send, self._health.reply(scope["method"]))
            return
        record = scope[RECORD] = Record(send)
        peek = None
        if self._access.enabled:
            peek = Peek(receive)
            receive = peek.receive
        if verdict is None:
            self._exchanges.begin()
            await self._serve(self._workload, scope, receive, record, peek, counted=True)
        else:
            await self._serve(partial(_refuse, verdict), scope, receive, record, peek)

    def at_once(self, turn: Turn) -> bool:
        """Serve one request that has come whole without a task, if that is possible. Returns whether it is."""
        scope, forwarder = turn.scope, self._forwarder
        if forwarder is None or scope["method"] != "POST" or scope["path"] == HEALTH_PATH:
            return False
        known: KnownHead | None = scope.get(KNOWN)
        if known is None or not known.allowed:
            if self._guard.judge(scope["headers"]) is not None:
                return False
            if known is not None:
                known.allowed = True
        express = Express(turn, self._over, self._go_on)
        self._exchanges.begin()
        if express.sent(forwarder):
            return True
        self._exchanges.end()
        return False

    def _over(self, express: Express) -> None:
        self._exchanges.end()
        exchange, record = express.exchange, express.record
        # None that lives long goes the short way.
        self._write_down(exchange.scope, record, exchange.body, record.seconds, session=express.has_session)

    def _go_on(self, express: Express) -> None:
        """Serve the rest of a request in a task."""

        def forward(_scope: Scope, _receive: Receive, _send: Send) -> Awaitable[None]:
            assert self._forwarder is not None
            return self._forwarder.go_on(express.exchange)

        async def serve(scope: Scope, receive: Receive, _send: Send) -> None:
            await self._serve(forward, scope, receive, express.record, express.peek(), counted=True)

        express.turn.serve(serve)

    async def _serve(
        self,
        application: Application,
        scope: Scope,
        receive: Receive,
        record: Record,
        peek: Peek | None,
        *,
        counted: bool = False,
    ) -> None:
        connection: ClientConnection = scope[CONNECTION]
        try:
            try:
                await application(scope, receive, record.send)
            finally:
                if counted:
                    self._exchanges.end()
        except BodyError as error:
            await respond(record.send, error.reply)
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            # Whoever serves a client may ask to be cancelled when the client goes: then all is well.
            if not connection.lost:
                raise
        finally:
            seconds = None if record.lives_long(scope["method"], scope["headers"]) else record.seconds
            self._write_down(scope, record, b"" if peek is None else peek.text, seconds)

    def _write_down(
        self, scope: Scope, record: Record, text: bytes, seconds: float | None, *, session: bool = True
    ) -> None:
        """Count a request that is over, and write it down; without a session there is none to be noted."""
        method = scope["method"]
        self._meter.answered(method, record.status, seconds)
        if session:
            self._note_session(method, record, scope["headers"])
        if self._access.enabled:
            self._access.write(scope, record, text)

    def _note_session(self, method: str, record: Record, asked: Headers) -> None:
        if method == "POST" and record.begun_session(asked) is not None:
            self._meter.sessions_begun += 1
        if self._sessions is not None and _OK <= record.status < _WRONG:
            session = record.session(asked)
            if session is not None:
                (self._sessions.ended if method == "DELETE" else self._sessions.used)(session)


async def _refuse(verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    body = await body_to_refuse(scope, receive)
    await respond(send, replies.refusal(verdict.status, verdict.code, verdict.message, request=body))
