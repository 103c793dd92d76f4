"""Heads of answers that came before are not parsed again, and nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.proxyrunner.test_connection import Transport

from workloads.proxyrunner.upstream.connection import ServerConnection
from workloads.proxyrunner.upstream.known import AnswerHead, KnownAnswers

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nMcp-Session-Id: a\r\n\r\n"
ANSWERS = [
    COUNTED + b"body",
    COUNTED + b"\r\n\r\n",
    COUNTED.replace(b"4", b"0"),
    COUNTED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"last",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + COUNTED + b"body",
    b"\r\n" + COUNTED + b"body",
    b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 600 ?\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nbody",
    b"no HTTP\r\n\r\n",
    COUNTED + b"body and more",
]


class Asker:
    """Who asks, with all that comes of it."""

    def __init__(self):
        self.answer = None
        self.error = ""

    def done(self):
        return False

    def set_result(self, result):
        self.answer = result

    def set_exception(self, error):
        self.error = repr(error)


def outcome(known, pieces, *, bodiless=False):
    """What comes of a request whose answer comes in these pieces."""
    idle = []
    connection, transport, asker = ServerConnection(idle.append, lambda _: None, known), Transport(), Asker()
    connection.connection_made(transport)
    connection.ask(asker, b"", bodiless=bodiless)
    for piece in pieces:
        if not transport.is_closing():
            connection.data_received(piece)
    answer = asker.answer
    found = None if answer is None else (answer.status, list(answer.headers), answer.whole)
    return found, asker.error, bool(idle), transport.is_closing()


@st.composite
def pieces(draw, answer):
    """An answer as it may come."""
    cuts = sorted(draw(st.lists(st.integers(0, len(answer)), max_size=3)))
    return [piece for begin, end in zip([0, *cuts], [*cuts, len(answer)], strict=True) if (piece := answer[begin:end])]


@given(st.lists(st.tuples(st.sampled_from(ANSWERS), st.booleans()), min_size=1, max_size=8), st.data())
def test_however_answers_are_cut_and_repeated_each_is_read_as_if_it_were_the_first(answers, data):
    known = KnownAnswers()
    for answer, bodiless in answers:
        cut = data.draw(pieces(answer))
        assert outcome(known, cut, bodiless=bodiless) == outcome(KnownAnswers(), cut, bodiless=bodiless)


def test_a_head_that_was_read_is_known_whatever_body_follows():
    known = KnownAnswers()
    outcome(known, [COUNTED + b"body"])
    assert known.find(COUNTED).headers == ((b"content-length", b"4"), (b"mcp-session-id", b"a"))
    assert outcome(known, [COUNTED, b"mo", b"re"])[0][2] == b"more"


@pytest.mark.parametrize("answer", [ANSWERS[5], *ANSWERS[8:12]])
def test_what_is_more_or_less_than_one_head_is_not_learned(answer):
    known = KnownAnswers()
    outcome(known, [answer])
    assert known.find(COUNTED) is None
    assert known.find(answer[: answer.find(b"\r\n\r\n") + 4]) is None


def test_a_few_heads_are_known_and_no_long_ones():
    known, head = KnownAnswers(), AnswerHead(200, (), keep_alive=True)
    many = [b"%d" % number for number in range(100)]
    for text in many:
        known.learn(text, head)
    assert sum(known.find(text) is not None for text in many) <= 32
    assert known.find(many[-1]) is head
    known.learn(b"x" * 5000, head)
    assert known.find(b"x" * 5000) is None


def test_what_was_sent_in_its_place_is_kept_for_a_few_ways():
    head = AnswerHead(200, (), keep_alive=True)
    for way in range(100):
        assert head.sent(way) is None
        head.send(way, b"%d" % way)
        assert head.sent(way) == b"%d" % way
    assert sum(head.sent(way) is not None for way in range(100)) <= 4
