"""A stream of the old SSE transport, from its first byte until it is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.support.aio import run, until

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.sse_ledger import SseLedger
from workloads.proxyrunner.sse_stream import SseStream

ENDPOINT = "/messages?session_id=a"


class Answer:
    """What a server sends, part by part; it goes on for ever unless it ends with an empty part."""

    def __init__(self, *parts):
        self.parts = list(parts)

    async def read(self):
        if not self.parts:
            await asyncio.Event().wait()
        return self.parts.pop(0) if self.parts[0] else b""


class Visit:
    """Notes what it is told."""

    remembers = True
    shares = False

    def __init__(self):
        self.told = []

    async def opened(self, endpoint):
        self.told.append(("opened", endpoint))

    async def closed(self):
        self.told.append("closed")


class SharingVisit(Visit):
    """Is told of answers to what was posted elsewhere, when the store can be reached."""

    shares = True

    def __init__(self):
        super().__init__()
        self.away = 0
        self.due = True
        self.cancelled = []

    async def settle(self, requests):
        self.reach("settle", *requests)
        self.due = False

    async def ending(self):
        self.reach("ending")
        return self.due, self.cancelled

    def reach(self, *told):
        self.told.append(told)
        if self.away:
            self.away -= 1
            raise SessionStoreUnavailableError("Redis", "it is away")


async def relayed(stream, exchanges=None):
    """What a client gets of a stream that ends."""
    got = []

    async def send(message):
        got.append(message["body"])

    exchanges = exchanges or Exchanges()
    exchanges.begin()
    await stream.relay(exchanges, SimpleNamespace(lost=False, done=False), send)
    exchanges.end()
    return got


def test_the_endpoint_is_known_before_the_client_sees_any_of_it():
    async def body():
        parts = [b": open\n\nevent: endpoint\nda", b"ta: " + ENDPOINT.encode() + b"\n\n", b"data: {}\n\n", b""]
        visit = Visit()
        stream = SseStream(Answer(*parts), SseLedger().watch("/sse"), visit)
        await stream.open()
        assert visit.told == [("opened", ENDPOINT)]
        assert await relayed(stream) == parts
        await stream.close()
        assert visit.told[1:] == ["closed"]

    run(body())


@pytest.mark.parametrize("parts", [(b"data: {}\n\n", b""), (b"", b"")])
def test_a_stream_that_ends_without_an_endpoint_is_passed_on(parts):
    async def body():
        visit = Visit()
        stream = SseStream(Answer(*parts), SseLedger().watch("/sse"), visit)
        await stream.open()
        assert visit.told == []
        assert b"".join(await relayed(stream)) == b"".join(parts)

    run(body())


@pytest.mark.parametrize("patience", ["time", "bytes"])
def test_what_names_no_endpoint_soon_is_none_of_the_protocols_streams_and_is_passed_on(patience, monkeypatch):
    async def body():
        if patience == "time":
            monkeypatch.setattr("workloads.proxyrunner.sse_stream._PATIENCE", 0.01)
        else:
            monkeypatch.setattr("workloads.proxyrunner.sse_stream._ENOUGH", 8)
        answer, visit = Answer(b": a line\n"), Visit()
        stream = SseStream(answer, SseLedger().watch("/other"), visit)
        await stream.open()
        answer.parts.append(b"")
        assert await relayed(stream) == [b": a line\n", b""]
        assert visit.told == []

    run(body())


def test_where_it_does_not_matter_nothing_is_waited_for():
    async def body():
        answer = Answer()
        await SseStream(answer, SseLedger().watch("/sse"), None).open()

    run(body())


async def posted_to(visit):
    """A stream that has named its endpoint, to which request 1 was posted."""
    ledger = SseLedger()
    answer = Answer(b"event: endpoint\ndata: " + ENDPOINT.encode() + b"\n\n")
    stream = SseStream(answer, ledger.watch("/sse"), visit)
    await stream.open()
    ledger.posted(ENDPOINT, b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    return stream


def answer_to(request_id):
    return b'data: {"jsonrpc":"2.0","id":%s,"result":{}}\n\n' % request_id.encode()


@pytest.mark.parametrize("away", [0, 1])
def test_that_what_was_posted_elsewhere_was_answered_is_told_at_once_or_when_the_store_is_back(away, monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.sse_stream._LOOK", 0.0)

    async def body():
        visit = SharingVisit()
        visit.away = away
        stream = await posted_to(visit)
        stream._answer.parts += [answer_to("1"), answer_to('"x"')]
        exchanges = Exchanges()
        relaying = asyncio.create_task(relayed(stream, exchanges))
        await until(lambda: visit.told[1:])
        await exchanges.finish()
        assert (await relaying)[-1] == b""
        assert visit.told[1:] == [("settle", '"x"')] * (away + 1) + [("ending",)]
        await stream.close()

    run(body())


def test_what_is_cancelled_elsewhere_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.sse_stream._LOOK", 0.0)

    async def body():
        visit = SharingVisit()
        visit.due = False
        stream = await posted_to(visit)
        exchanges = Exchanges()
        relaying = asyncio.create_task(relayed(stream, exchanges))
        await until(lambda: exchanges.streams)
        ending = asyncio.create_task(exchanges.finish())
        await until(lambda: visit.told.count(("ending",)) > 2)
        assert not relaying.done()
        visit.cancelled = ["1"]
        await ending
        await relaying
        await stream.close()

    run(body())


def test_a_stream_ends_though_it_cannot_be_known_what_others_await(caplog):
    async def body():
        visit = SharingVisit()
        visit.away = 1
        stream = SseStream(Answer(), SseLedger().watch("/sse"), visit)
        exchanges = Exchanges()
        relaying = asyncio.create_task(relayed(stream, exchanges))
        await until(lambda: exchanges.streams)
        await exchanges.finish()
        assert await relaying == [b""]
        await stream.close()

    run(body())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
