"""Which requests of the old SSE transport are unanswered."""

from __future__ import annotations

import json

import pytest

from workloads.proxyrunner.sse_ledger import SseLedger

ENDPOINT = b"event: endpoint\r\ndata: /messages/?session_id=a\r\n\r\n"
TARGET = "/messages/?session_id=a"


def asks(request_id):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {}}).encode()


def answers(request_id):
    return b'event: message\ndata: {"jsonrpc":"2.0","id":%s,"result":{}}\n\n' % json.dumps(request_id).encode()


@pytest.fixture
def ledger():
    return SseLedger()


@pytest.fixture
def tap(ledger):
    tap = ledger.watch("/sse")
    tap.feed(ENDPOINT)
    return tap


def idle(tap):
    called = []
    tap.when_idle(lambda: called.append(True))
    return called


def test_a_stream_without_requests_is_idle_at_once(tap):
    assert idle(tap)


def test_a_stream_is_idle_when_its_last_answer_has_come(ledger, tap):
    ledger.posted(TARGET, asks(1))
    ledger.posted(TARGET, asks("1"))
    called = idle(tap)
    tap.feed(answers(1))
    assert not called
    tap.feed(b'data: {"jsonrpc":"2.0","id":"1","method":"sampling/createMessage"}\n\n: ping\n\n')
    assert not called
    whole = answers("1")
    tap.feed(whole[:20])
    assert not called
    tap.feed(whole[20:])
    assert called


def test_a_request_that_was_not_accepted_or_is_cancelled_is_not_waited_for(ledger, tap):
    first, message = ledger.posted(TARGET, asks(1))
    assert first is tap
    tap.forget(message)
    ledger.posted(TARGET, asks(2))
    called = idle(tap)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
    ledger.posted(TARGET, json.dumps(cancel).encode())
    assert called


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"jsonrpc":"2.0","method":"x"}', b'{"jsonrpc":"2.0","id":1,"result":{}}']
)
def test_what_is_no_request_needs_no_answer(ledger, tap, body):
    ledger.posted(TARGET, body)
    assert idle(tap)


def test_what_was_posted_elsewhere_is_noted_when_it_is_answered_or_cancelled_here(ledger, tap):
    ledger.posted(TARGET, asks(1))
    for request_id in (1, "1", 2):
        tap.feed(answers(request_id))
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}
    ledger.posted(TARGET, json.dumps(cancel).encode())
    assert tap.strangers == {'"1"', "2", "3"}
    ledger.posted(TARGET, asks(4))
    assert not tap.idle
    tap.cancelled(["5", "4"])
    assert tap.idle


def test_clients_with_their_own_streams_do_not_wait_for_each_other(ledger, tap):
    other = ledger.watch("/sse")
    other.feed(ENDPOINT.replace(b"=a", b"=b"))
    ledger.posted(TARGET, asks(1))
    assert idle(other)
    assert not idle(tap)


@pytest.mark.parametrize(
    ("stream", "endpoint", "target"),
    [
        ("/sse", b"messages?x=1", "/messages?x=1"),
        ("/base/sse", b"messages", "/base/messages"),
        ("/sse", b"http://127.0.0.1:9/m?y=2", "/m?y=2"),
        ("/sse", b"?z=3", "/sse?z=3"),
    ],
)
def test_an_endpoint_is_understood_as_clients_do(ledger, stream, endpoint, target):
    tap = ledger.watch(stream)
    tap.feed(b"event: endpoint\ndata: " + endpoint + b"\n\n")
    assert tap.endpoint == target
    assert ledger.posted(target, asks(1)) is not None


def test_a_stream_that_is_over_is_forgotten_and_unknown_targets_are_nobodys(ledger, tap):
    assert ledger.posted("/other", asks(1)) is None
    tap.close()
    assert ledger.posted(TARGET, asks(1)) is None


def test_a_stream_that_is_none_is_idle(ledger, tap):
    ledger.posted(TARGET, asks(1))
    called = idle(tap)
    tap.feed(b"x" * (9 * 2**20))
    assert called
