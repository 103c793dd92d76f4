"""Heads of answers that came before are not parsed again, and nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.aio import run
from tests.unit.proxyrunner.test_connection import Transport

from workloads.proxyrunner.upstream.connection import ServerConnection
from workloads.proxyrunner.upstream.errors import StreamCutError
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


class Exchange:
    """A request, whose time to wait for the body of its answer ends when the test says so.

    Args:
        known: The heads that are known.
        bodiless: Whether an answer to it has no body.
    """

    def __init__(self, known, *, bodiless=False):
        self.idle = []
        self.waiting = set()
        self.transport, self.asker = Transport(), Asker()
        self.connection = ServerConnection(self.idle.append, lambda _: None, known, self)
        self.connection.connection_made(self.transport)
        self.connection.ask(self.asker, b"", bodiless=bodiless)

    def begin(self, waiter):
        self.waiting.add(waiter)

    def end(self, waiter):
        self.waiting.discard(waiter)

    def come(self, *pieces):
        """These pieces of the answer come."""
        for piece in pieces:
            if not self.transport.is_closing():
                self.connection.data_received(piece)

    @property
    def outcome(self):
        """What has come of it."""
        answer = self.asker.answer
        found = None if answer is None else (answer.status, list(answer.headers), answer.whole)
        return found, self.asker.error, bool(self.idle), self.transport.is_closing()


def outcome(known, pieces, *, bodiless=False):
    """What comes of a request whose answer comes in these pieces."""
    exchange = Exchange(known, bodiless=bodiless)
    exchange.come(*pieces)
    assert not exchange.waiting
    return exchange.outcome


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


def knowing():
    """Knows the head :data:`COUNTED`."""
    known = KnownAnswers()
    outcome(known, [COUNTED + b"body"])
    return known


def test_a_known_head_waits_for_its_small_body_so_that_both_are_told_at_once():
    exchange = Exchange(knowing())
    exchange.come(COUNTED, b"bo")
    assert exchange.asker.answer is None
    assert exchange.waiting == {exchange.connection}
    exchange.come(b"dy")
    assert exchange.asker.answer.whole == b"body"
    assert not exchange.waiting
    assert exchange.idle == [exchange.connection]


def test_a_head_that_is_forgotten_while_it_waits_for_its_body_is_read_again():
    known = knowing()
    exchange = Exchange(known)
    exchange.come(COUNTED, b"bo")
    for number in range(32):
        known.learn(b"%d" % number, AnswerHead(200, (), keep_alive=True))
    assert known.find(COUNTED) is None
    exchange.come(b"dy")
    assert exchange.outcome[0][2] == b"body"
    assert not exchange.waiting


def test_a_body_that_stays_away_is_not_waited_for_for_long():
    known = knowing()
    exchange = Exchange(known)
    exchange.come(COUNTED, b"bo")
    exchange.connection.waited()
    assert exchange.asker.answer.status == 200
    assert exchange.asker.answer.head is known.find(COUNTED)
    assert not exchange.asker.answer.ended
    exchange.come(b"dy")
    assert exchange.outcome[0][2] == b"body"
    assert exchange.idle == [exchange.connection]


def test_who_gives_up_late_does_not_close_the_connection_on_which_another_asks_by_then():
    exchange = Exchange(knowing())
    first = exchange.connection.asked
    exchange.come(COUNTED + b"body")
    exchange.connection.ask(Asker(), b"", bodiless=False)
    exchange.connection.give_up(first)
    assert not exchange.transport.is_closing()
    exchange.connection.give_up(exchange.connection.asked)
    assert exchange.transport.is_closing()


def test_a_server_that_goes_between_head_and_body_leaves_an_answer_that_is_cut():
    exchange = Exchange(knowing())
    exchange.come(COUNTED, b"bo")
    exchange.connection.connection_lost(None)
    assert not exchange.waiting
    assert exchange.asker.answer.status == 200
    with pytest.raises(StreamCutError):
        run(_to_the_end(exchange.asker.answer))


async def _to_the_end(answer):
    while await answer.read():
        pass


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
    known.learn(many[-1], head)
    assert known.find(many[-2]) is head
    known.learn(b"x" * 5000, head)
    assert known.find(b"x" * 5000) is None


def test_what_was_sent_in_its_place_is_kept_for_a_few_ways():
    head = AnswerHead(200, (), keep_alive=True)
    for way in range(100):
        assert way not in head.sent
        head.send(way, b"%d" % way)
        assert head.sent[way] == b"%d" % way
    assert len(head.sent) <= 4
