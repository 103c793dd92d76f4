"""A request on the short way: the callback that brings it sends it on, and that which brings the answer passes it back.

Nearly all requests are small, and so are their answers: each comes whole, with its head. For those no task is made, and
nothing is waited for; nor for an answer that comes part by part. All rules are those of the long way, which takes over
wherever that is not all there is to it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workloads.proxyrunner.peek import Peek
from workloads.proxyrunner.record import RECORD, Record
from workloads.proxyrunner.trails import names_trail

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.exchange import Exchange
    from workloads.proxyrunner.forward import Forwarder
    from workloads.proxyrunner.response import Head
    from workloads.proxyrunner.turn import Turn
    from workloads.proxyrunner.upstream import Answer, ServerConnection

__all__ = ("Express",)

_log = logging.getLogger(__name__)

_FINE = frozenset((200, 201, 202))
"""The statuses of an answer that has nothing to be done about."""
_SMALL = 2**16
"""Bytes of a request that is small."""


class Express:
    """One request. Implements :class:`~workloads.proxyrunner.upstream.Asker`.

    Args:
        turn: The request. It has come whole.
        over: Called when it has been answered, or the client has gone.
        long_way: Called instead when the rest is left to :meth:`Forwarder.go_on`.
    """

    __slots__ = ("_answer", "_connection", "_done", "_long_way", "_over", "exchange", "record", "turn")

    def __init__(self, turn: Turn, over: Callable[[Express], object], long_way: Callable[[Express], object]) -> None:
        """A request that nobody has sent yet."""
        self.turn = turn
        """The request."""
        self._over = over
        self._long_way = long_way
        self._answer: Answer | None = None
        self._connection: ServerConnection
        self._done = False
        self.exchange: Exchange
        """The request on its way, once it was sent."""
        self.record = Record(turn.send)
        """What is known of it."""

    def sent(self, forwarder: Forwarder) -> bool:
        """Send it, if nothing has to be waited for. Returns whether it was sent."""
        turn, body = self.turn, self.turn.body
        if len(body) > _SMALL:
            return False
        turn.scope[RECORD] = self.record
        try:
            begun = forwarder.begin(turn.scope, turn.receive, self.record.send, body, self)
        except Exception:  # noqa: BLE001  # the long way meets it as well, and tells of it
            begun = None
        if begun is None:
            return False
        self.exchange, self._connection = begun
        self.record.backend = self.exchange.authority
        turn.on_lost = self._abandon
        return True

    def peek(self) -> Peek:
        """Has seen its body, for who goes on."""
        peek = Peek(self.turn.receive)
        peek.saw(self.exchange.body)
        return peek

    @property
    def has_session(self) -> bool:
        """Whether it is of a session, or the answer names one."""
        answer = self._answer
        return self.exchange.head.names_session or (answer is not None and answer.head.names_session)

    def done(self) -> bool:
        """See :class:`Asker`."""
        return self._done

    def set_result(self, result: Answer, /) -> None:
        """See :class:`Asker`."""
        if result.head.status in _FINE and not self.exchange.shares_trails:
            self._answer = result
            if result.ended:
                self._came()
            else:
                result.on_come = self._came
        else:
            self._leave(result)

    def set_exception(self, error: Exception, /) -> None:
        """See :class:`Asker`."""
        self._leave(error)

    def _came(self) -> None:
        """The answer is here, or the beginning of one that is not small."""
        turn, record, answer = self.turn, self.record, self._answer
        if self._done or answer is None:
            return
        if not turn.free:
            self._leave(answer)
            return
        body, head = answer.whole, self._head_of(answer)
        record.status, record.answer = head.status, head.headers
        if body is None:
            tracer = self.exchange.tracer()
            turn.begin(head)
            answer.attach(turn, self._passed, None if tracer is None else tracer.feed)
            return
        if names_trail(body) and (tracer := self.exchange.tracer()) is not None:
            tracer.feed(body)
        turn.on_lost = None
        turn.answer(head, body)
        record.sent = len(body)
        self._end()

    def _head_of(self, answer: Answer) -> Head:
        """The head for the client. What the server's is to one is it to others."""
        exchange, came = self.exchange, answer.head
        session = exchange.called if came.names_session else None
        way = (exchange.authority, exchange.head.modern, session, self.turn.way)
        head: Head | None = came.sent.get(way)
        if head is None:
            head = self.turn.head(answer.status, exchange.headers_of(answer))
            came.send(way, head)
        return head

    def _passed(self, reason: str) -> None:
        """All of the answer has been passed on that will come."""
        self.turn.on_lost = None
        if reason:
            _log.debug("answer was cut off", extra={"reason": reason, "path": self.exchange.scope["path"]})
            self.turn.cut()
        self._end()

    def _leave(self, outcome: Answer | Exception) -> None:
        """Let a task go on."""
        self._done = True
        self.turn.on_lost = None
        self.exchange.begun = outcome
        self._long_way(self)

    def _abandon(self) -> None:
        """The client has gone."""
        if self._answer is None:
            self._connection.abort()
        else:
            self._answer.close()
        self.turn.give_up()
        self._end()

    def _end(self) -> None:
        """The exchange is over."""
        self._done = True
        if self._answer is not None:
            self.record.sent += self._answer.poured
        self.exchange.end()
        self._over(self)
