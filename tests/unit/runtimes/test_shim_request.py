"""What the shim is told."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.runtimes.process.shim import decode, encode

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAME = st.text(st.characters(exclude_characters="\0=", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(TEXT, min_size=1), st.dictionaries(NAME, TEXT))
def test_a_request_arrives_as_it_was_sent(argv, environ):
    length, _, body = encode(argv, environ).partition(b"\n")
    assert len(body) == int(length)
    assert decode(body) == (
        [os.fsencode(item) for item in argv],
        {os.fsencode(name): os.fsencode(value) for name, value in environ.items()},
    )


def test_bytes_that_are_no_text_arrive_as_they_are():
    _, _, body = encode(["/bin/x", os.fsdecode(b"\xff")], {"A": os.fsdecode(b"=\xfe=")}).partition(b"\n")
    assert decode(body) == ([b"/bin/x", b"\xff"], {b"A": b"=\xfe="})


@pytest.mark.parametrize(
    ("argv", "environ"),
    [(["/bin/x", "a\0b"], {}), (["/bin/x"], {"A": "secret\0value"}), (["/bin/x"], {"A\0": ""})],
    ids=["argument", "value", "name"],
)
def test_a_nul_character_is_refused_without_showing_the_value(argv, environ):
    with pytest.raises(ValueError, match="NUL") as caught:
        encode(argv, environ)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "A=B"])
def test_a_name_that_no_variable_can_have_is_refused(name):
    with pytest.raises(ValueError, match="environment variable"):
        encode(["/bin/x"], {name: "secret"})
