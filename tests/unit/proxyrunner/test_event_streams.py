"""Writing and reading server-sent events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.sse import KEEP_ALIVE, Event, EventReader, event


def read_all(*parts):
    reader = EventReader()
    return [found for part in parts for found in reader.feed(part)]


def test_what_is_written_is_read_again():
    assert read_all(event(b'{"a":1}'), KEEP_ALIVE, event(b"x")) == [Event("message", '{"a":1}'), Event("message", "x")]


def test_types_several_lines_and_windows_line_ends_are_understood():
    assert read_all(b"event: endpoint\r\ndata: /a\r\ndata:b\r\n\r\n") == [Event("endpoint", "/a\nb")]


def test_comments_and_events_without_data_are_nothing():
    assert read_all(b": hello\n\nevent: x\n\nid: 1\nretry: 5\n\n") == []


def test_an_event_that_is_not_complete_is_not_there_yet():
    assert read_all(b"data: x\n") == []


def test_a_line_without_end_is_not_collected_for_ever():
    reader = EventReader(limit=10)
    with pytest.raises(ValueError, match="too long"):
        list(reader.feed(b"data: 123456"))


@given(st.data())
def test_it_does_not_matter_where_the_parts_begin(data):
    whole = b"event: endpoint\r\ndata: one\n\n: c\n\ndata: two\r\ndata: three\n\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read_all(*parts) == [Event("endpoint", "one"), Event("message", "two\nthree")]
