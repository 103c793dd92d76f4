"""How answers get to clients."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from tests.support.aio import run, until
from tests.support.bridge_client import Connection

from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.relay import Relay
from workloads.proxyrunner.upstream.answer import Answer
from workloads.proxyrunner.upstream.known import AnswerHead

ACKNOWLEDGED = b'data: {"method":"notifications/subscriptions/acknowledged"}\n\n'


class Silent:
    """Connections to replicas that take every request, and answer none."""

    async def send(self, *request):
        await asyncio.Event().wait()


class Subscription(SimpleNamespace):
    """A subscription at one of two replicas."""

    listens, method, target, body, scope = True, "POST", b"/mcp", b"{}", {}

    def __init__(self):
        super().__init__(connection=Connection(), written=b"", ended=[])
        other = SimpleNamespace(address="other", end=lambda: self.ended.append("other"))
        self.visit = object()
        self.pool = SimpleNamespace(beside=lambda visit, exchange: [other], grown=asyncio.Event())

    async def send(self, message):
        self.written += message.get("body", b"")

    def headers(self):
        return []

    def headers_of(self, answer):
        return list(answer.headers)

    def lives_long(self, answer):
        return True


def test_a_replica_that_does_not_answer_does_not_keep_the_client_from_what_its_own_tells(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.relay._PATIENCE", 0.01)

    async def body():
        exchange = Subscription()
        answer = Answer(Silent(), AnswerHead(200, (), keep_alive=True))
        answer.feed((ACKNOWLEDGED,))
        relaying = asyncio.create_task(Relay(Silent(), Exchanges()).answer(exchange, answer, None))
        await until(lambda: ACKNOWLEDGED in exchange.written)
        answer.feed((), last=True)
        await relaying
        assert exchange.ended == ["other"]

    run(body(), timeout=30)
