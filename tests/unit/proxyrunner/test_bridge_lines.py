"""Lines out of a stream of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.bridge.lines import LineSplitter


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_it_does_not_matter_where_the_parts_begin(lines, data):
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    splitter = LineSplitter(limit=8)
    found = [
        line
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for line in splitter.feed(whole[start:end])
    ]
    assert found == [line for line in lines if len(line) <= 8]
    assert splitter.dropped == sum(len(line) > 8 for line in lines)


def test_a_line_that_is_too_long_is_not_collected_and_the_next_is_read():
    splitter = LineSplitter(limit=10)
    for _ in range(100):
        assert splitter.feed(b"x" * 1000) == []
    assert len(splitter._rest) == 0
    assert splitter.feed(b"\nnext\n") == [b"next"]
    assert splitter.dropped == 1


def test_a_line_without_end_is_none():
    assert LineSplitter().feed(b"almost") == []


@pytest.mark.parametrize("size", [1, 7, 300, 5000])
def test_of_a_line_that_is_too_long_is_told_how_it_begins_and_ends_however_it_comes(size):
    line = b"begins" + b"x" * 2000 + b"ends"
    whole = line + b"\nnext\n" + line + b"\n"
    told = []
    splitter = LineSplitter(1000, lambda *ends: told.append(ends))
    found = [each for at in range(0, len(whole), size) for each in splitter.feed(whole[at : at + size])]
    assert found == [b"next"]
    assert told == [(line[:256], line[-256:])] * 2
