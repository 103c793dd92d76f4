"""Heads that came before are not parsed again, and nobody can tell."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.support.aio import run, until
from tests.unit.proxyrunner.test_connection import Transport, greet

from workloads.proxyrunner.clients import Clients
from workloads.proxyrunner.connection import Connection
from workloads.proxyrunner.heads import KnownHeads

HEAD = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
REQUESTS = [
    HEAD + b"body",
    HEAD + b"\r\n\r\n",
    HEAD + b"GET ",
    HEAD.replace(b"4", b"9") + b"some body",
    HEAD.replace(b"Host", b"X: 1\r\nHost") + b"more",
    HEAD.replace(b"Content-Length: 4", b"Content-Length: 0"),
    HEAD.replace(b"Content-Length: 4", b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 4") + b"kept",
    b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    b"GET /there HTTP/1.1\r\nHost: a\r\n\r\n",
]
SCOPE = {"headers": [(b"host", b"a")]}


def answers(pieces, count):
    """What a client gets that sends these pieces on one connection."""

    async def body():
        clients = Clients(greet, asyncio.get_running_loop(), lambda: None)
        connection, transport = Connection(clients), Transport()
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
            for _ in range(4):
                await asyncio.sleep(0)
        await until(lambda: b"".join(transport.done).count(b"HTTP/1.1 200 OK") == count)
        connection.connection_lost(None)
        await clients.gone()
        return b"".join(transport.done)

    return run(body())


@st.composite
def conversations(draw):
    """Requests that repeat themselves, and the pieces in which they come."""
    few = draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3))
    requests = draw(st.lists(st.sampled_from(few), min_size=2, max_size=8))
    pieces = [b""]
    for request in requests:
        cuts = draw(
            st.lists(st.one_of(st.just(request.find(b"\r\n\r\n") + 4), st.integers(0, len(request))), max_size=2)
        )
        first, *others = (request[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(request)]))
        if draw(st.integers(0, 3)):
            pieces.append(first)
        else:  # behind the one before, in the same packet
            pieces[-1] += first
        pieces += others
    return requests, [piece for piece in pieces if piece]


@given(conversations())
def test_however_requests_are_cut_and_repeated_each_is_answered_as_if_it_were_the_only_one(conversation):
    requests, pieces = conversation
    assert answers(pieces, len(requests)) == b"".join(answers([each], 1) for each in requests)


def test_a_head_is_found_again_with_another_body_and_with_the_beginning_of_one():
    heads = KnownHeads()
    assert heads.find(HEAD + b"body") == (None, len(HEAD))
    heads.learn(HEAD + b"body", b"body", SCOPE, 4)
    for body in (b"more", b"mo", b""):
        known, end = heads.find(HEAD + body)
        assert (known.length, end) == (4, len(HEAD))
        assert known.scope()["headers"] == SCOPE["headers"]


def test_more_than_one_request_is_left_to_the_parser():
    heads = KnownHeads()
    heads.learn(HEAD + b"body", b"body", SCOPE, 4)
    assert heads.find(HEAD + b"body" + HEAD)[0] is None
    assert heads.find(HEAD[:-1])[0] is None


def test_a_head_whose_end_the_parser_sees_elsewhere_is_not_learned():
    heads = KnownHeads()
    for data, body in ((HEAD + b"body", b"bod"), (HEAD[:-4] + b"\n\nbody", b"body"), (HEAD + b"body", b"")):
        heads.learn(data, body, SCOPE, 4)
        assert heads.find(data)[0] is None


def test_what_a_request_does_to_its_scope_is_not_there_the_next_time():
    heads = KnownHeads()
    heads.learn(HEAD, b"", SCOPE, 4)
    known, _ = heads.find(HEAD)
    scope = known.scope()
    scope["headers"].append((b"more", b"1"))
    scope["path"] = "/elsewhere"
    again = known.scope()
    assert again["headers"] == SCOPE["headers"]
    assert "path" not in again


def test_a_few_heads_are_known_and_no_long_ones():
    heads = KnownHeads()
    many = [HEAD.replace(b"/mcp", b"/%d" % number) for number in range(100)]
    for head in many:
        heads.learn(head, b"", SCOPE, 4)
    assert sum(heads.find(head)[0] is not None for head in many) <= 8
    assert heads.find(many[-1])[0] is not None
    long = HEAD.replace(b"Host", b"X: " + b"x" * 5000 + b"\r\nHost")
    heads.learn(long, b"", SCOPE, 4)
    assert heads.find(long)[0] is None
