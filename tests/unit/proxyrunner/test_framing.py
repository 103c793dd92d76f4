"""Where the body of an answer ends."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.upstream.framing import Chunks, Counted, UntilClosed

CHUNKED = b"2;a=b\r\nok\r\n0003\r\n...\r\nA\r\n0123456789\r\n0\r\nX-Sum: 5\r\nX-More: \xff\r\n\r\n"


def taken(framing, *pieces):
    """The body in these pieces."""
    return b"".join(b"".join(framing.take(piece, 0)) for piece in pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_are_read_wherever_they_are_cut(size):
    chunks = Chunks()
    assert taken(chunks, *(CHUNKED[at : at + size] for at in range(0, len(CHUNKED), size))) == b"ok...0123456789"
    assert chunks.ended
    assert not chunks.beyond


def test_a_body_begins_where_its_head_ends():
    for framing, body in ((Chunks(), b"2\r\nok\r\n"), (Counted(2), b"ok"), (UntilClosed(), b"ok")):
        assert b"".join(framing.take(b"head" + body, 4)) == b"ok"


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n", b"x\r\n", b"5 \r\nhello\r\n", b"5\nhello\n", b"0x5\r\n", b"+5\r\n", b"5_0\r\n", b"-1\r\n", b" 5\r\n",
        b"1" * 16 + b"\r\n", b"5\r\nhellox\r\n", b"5\r\nhello\n", b"5\r\nhello\r\r\n", b"5;a\0\r\n", b"5;a\rb\r\n",
        b"0\r\nno trailer\r\n\r\n", b"0\r\n: x\r\n\r\n", b"0\r\nx : y\r\n\r\n", b"0\r\nx: \0\r\n\r\n", b"0\r\n\n",
        b"5;" + b"x" * 2**13, b"0\r\n" + b"x" * 2**13, b"0\r\n" + b"x: y\r\n" * 2**14,
    ],
    ids=lambda text: repr(text[:20]),
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2**20])
def test_chunks_whose_end_is_in_doubt_are_refused(text, size):
    with pytest.raises(ValueError, match="body"):
        taken(Chunks(), *(text[at : at + size] for at in range(0, len(text), size)))


@pytest.mark.parametrize(("framing", "body"), [(Counted(2), b"ok"), (Chunks(), b"2\r\nok\r\n0\r\n\r\n")])
def test_what_comes_behind_a_body_is_not_taken_for_it(framing, body):
    assert taken(framing, body + b"more") == b"ok"
    assert framing.ended
    assert framing.beyond


def test_a_body_of_known_length_is_passed_as_it_comes():
    counted, part = Counted(4), b"ab"
    assert counted.take(part, 0)[0] is part
    assert not counted.ended
    counted.take(part, 0)
    assert counted.ended
    assert not counted.beyond
    assert Counted(0).ended


def test_large_chunks_are_not_copied_and_tiny_ones_do_not_fill_the_memory():
    large = Chunks().take(b"10000\r\n" + b"x" * 2**16 + b"\r\n", 0)
    assert [type(part) for part in large] == [memoryview]
    assert len(Chunks().take(b"1\r\nx\r\n" * 1000, 0)) == 1


def test_a_body_without_a_length_never_ends_by_itself():
    framing = UntilClosed()
    assert taken(framing, b"a", b"b") == b"ab"
    assert not framing.ended
