"""Changing events of a stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.middleware.events import EventRewriter, TooLongError

STREAM = (
    b": comment\n\n"
    b"data: keep\n\n"
    b"id: 1\r\nevent: message\r\ndata: change\r\nretry: 5\r\n\r\n"
    b"data:change\rid: 2\r\r"
    b"data: two\ndata: lines\n\n"
    b"\n\n"
    b"data: not ended"
)


def shout(data):
    return data.upper().replace(b"\n", b" ") if data in (b"change", b"two\nlines") else None


def run(parts):
    rewriter = EventRewriter(shout, limit=1000)
    return b"".join(rewriter.feed(part, last=index == len(parts)) for index, part in enumerate(parts, 1))


CHANGED = (
    b": comment\n\n"
    b"data: keep\n\n"
    b"id: 1\nevent: message\nretry: 5\ndata: CHANGE\n\n"
    b"id: 2\ndata: CHANGE\n\n"
    b"data: TWO LINES\n\n"
    b"\n\n"
)


def test_events_are_changed_and_the_rest_stays():
    assert run([STREAM]) == CHANGED


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_it_does_not_matter_how_the_stream_is_cut(cuts):
    ends = [0, *cuts, len(STREAM)]
    assert run([STREAM[a:b] for a, b in pairwise(ends)]) == CHANGED


def test_each_event_goes_on_when_it_is_whole():
    rewriter = EventRewriter(shout, limit=1000)
    assert rewriter.feed(b"data: change\n") == b""
    assert rewriter.feed(b"\ndata: x") == b"data: CHANGE\n\n"
    assert rewriter.feed(b"\r\n\r\n") == b"data: x\r\n\r\n"
    assert rewriter.feed(b": alive\n") == b": alive\n"


def test_an_event_has_a_limit():
    rewriter = EventRewriter(shout, limit=10)
    rewriter.feed(b"data: 1234")
    with pytest.raises(TooLongError):
        rewriter.feed(b"5")


def test_the_first_event_is_looked_at_where_the_stream_begins_with_a_byte_order_mark():
    stream = b"\xef\xbb\xbfdata: change\n\n"
    assert run([stream]) == b"data: CHANGE\n\n"
    assert run([stream.replace(b"change", b"keep")]) == stream.replace(b"change", b"keep")
