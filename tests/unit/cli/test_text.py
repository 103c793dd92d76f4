"""Text from servers cannot act on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.cli.text import escape, escape_lines


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain\tline, ünïcode 雪", "plain\tline, ünïcode 雪"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("50%\r100%", r"50%\x0d100%"),
        ("two\nlines", r"two\x0alines"),
        ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("abc\u202edef\u2066", r"abc\u202edef\u2066"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud83d", r"\ud83d"),
    ],
)
def test_control_characters_are_spelled_out_and_tabs_kept(line, shown):
    assert escape(line) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_that_acts_on_a_terminal_is_left(text):
    left = escape(text)
    assert [char for char in left if unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} and char != "\t"] == []
    directions = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert [char for char in left if unicodedata.bidirectional(char) in directions] == []


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_left_as_it_is(text):
    assert escape(text) == text


def test_line_feeds_of_a_text_are_kept_and_the_rest_of_each_line_is_escaped():
    assert escape_lines("a\x1b\nb\r\n") == "a\\x1b\nb\\x0d\n"
