"""Durations as Go reads and prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.config import RunConfig, format_duration, parse_duration
from workloads.errors import RunConfigError

LONGEST = (2**63 - 1) / 1e9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("5s", 5),
        ("+5s", 5),
        ("-1s", -1),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("100ms", 0.1),
        ("5µs", 5e-6),
        ("5μs", 5e-6),
        ("5us", 5e-6),
        ("7ns", 7e-9),
        (".5s", 0.5),
        ("1.s", 1),
        ("1h1m1.5s", 3661.5),
        ("1m1h", 3660),
        ("3000000h", None),
        ("2562047h47m16.854775807s", LONGEST),
    ],
)
def test_what_go_reads(text, seconds):
    if seconds is None:
        with pytest.raises(ValueError, match="292 years"):
            parse_duration(text)
    else:
        assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "1 h",
        "s",
        ".s",
        "-",
        "+",
        "1h ",
        " 1h",
        "1d",
        "--1s",
        "1h5",
        "1..5s",
        "1,5s",
        "٣s",
        "1S",
        "1h\n",
        "0x1s",
        "1e3s",
        ".",
    ],
)
def test_what_go_refuses(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
    if text:
        with pytest.raises(RunConfigError):
            RunConfig(name="x", idle_timeout=text)


@pytest.mark.parametrize("text", ["a" * 5_000, "1" * 5_000, "1h" * 5_000, "." * 5_000, "1" * 150 + "x"])
def test_a_text_made_to_take_long_is_refused_at_once(text):
    with pytest.raises(ValueError, match=r"duration|292 years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-0.0, "0s"),
        (1, "1s"),
        (61, "1m1s"),
        (5400, "1h30m0s"),
        (0.1, "100ms"),
        (0.0015, "1.5ms"),
        (5e-6, "5µs"),
        (7e-9, "7ns"),
        (-90.5, "-1m30.5s"),
        (3600, "1h0m0s"),
        (1e-12, "0s"),
        (LONGEST, "2562047h47m16.854775807s"),
    ],
)
def test_what_go_prints(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e10, -1e10])
def test_what_go_has_no_duration_for(seconds):
    with pytest.raises(ValueError, match="292 years"):
        format_duration(seconds)


@given(st.integers(-(10**15), 10**15))
def test_a_printed_duration_is_read_as_the_same(microseconds):
    assert parse_duration(format_duration(microseconds / 1e6)) == pytest.approx(microseconds / 1e6, abs=1e-9, rel=1e-15)
