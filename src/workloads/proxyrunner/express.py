"""A request on the short way: the callback that brings it sends it on, and that which brings the answer passes it back.

Nearly all requests are small, and so are their answers: each comes whole, with its head. For those no task is made, and
nothing is waited for. All rules are those of the long way, which takes over wherever that is not all there is to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.proxyrunner.peek import Peek
from workloads.proxyrunner.record import RECORD, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.exchange import Exchange
    from workloads.proxyrunner.forward import Forwarder
    from workloads.proxyrunner.turn import Turn
    from workloads.proxyrunner.upstream import Answer, ServerConnection

__all__ = ("Express",)

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
        self._answer: Answer
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
        turn.on_lost = self._abandon
        return True

    def peek(self) -> Peek:
        """Has seen its body, for who goes on."""
        peek = Peek(self.turn.receive)
        peek.saw(self.exchange.body)
        return peek

    def done(self) -> bool:
        """See :class:`Asker`."""
        return self._done

    def set_result(self, result: Answer, /) -> None:
        """See :class:`Asker`."""
        if result.status in _FINE and not self.exchange.shares_trails:
            self._answer = result
            result.on_come = self._came
        else:
            self._leave(result)

    def set_exception(self, error: Exception, /) -> None:
        """See :class:`Asker`."""
        self._leave(error)

    def _came(self) -> None:
        """The answer is here, or the beginning of one that is not small."""
        if self._done:
            return
        turn, exchange, record, answer = self.turn, self.exchange, self.record, self._answer
        body = answer.whole
        if body is None or not turn.free:
            self._leave(answer)
            return
        tracer = exchange.tracer()
        if tracer is not None:
            tracer.feed(body)
        headers = exchange.headers_of(answer)
        turn.on_lost = None
        turn.answer(answer.status, headers, body)
        self._done = True
        record.status, record.answer, record.sent = answer.status, headers, len(body)
        exchange.end()
        self._over(self)

    def _leave(self, outcome: Answer | Exception) -> None:
        """Let a task go on."""
        self._done = True
        self.turn.on_lost = None
        self.exchange.begun = outcome
        self._long_way(self)

    def _abandon(self) -> None:
        """The client has gone."""
        self._done = True
        self._connection.abort()
        self.exchange.end()
        self.turn.give_up()
        self._over(self)
