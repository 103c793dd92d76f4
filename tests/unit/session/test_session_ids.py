"""Ids of sessions."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.session.ids import new_session_id, session_key

PLAIN = "6F2c1b1e-54c5-4f0c-9d4e-0a3f6e0f8a11"


@pytest.mark.parametrize("as_is", [PLAIN, f"urn:uuid:{PLAIN}", f"{{{PLAIN}}}", PLAIN.replace("-", "")])
def test_what_toolhive_takes_for_a_uuid_stays_as_it_is(as_is):
    assert session_key(as_is) == as_is


@pytest.mark.parametrize(
    ("foreign", "key"),
    [
        # What Go's uuid.NewSHA1 gives for the namespace 6ba7b810-9dad-11d1-80b4-00c04fd430c8.
        ("python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"),
        (f"({PLAIN})", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"({PLAIN})"))),
        (f"{PLAIN}\n", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{PLAIN}\n"))),
    ],
)
def test_a_foreign_id_becomes_a_uuid(foreign, key):
    assert session_key(foreign) == key


@given(st.text())
def test_the_key_of_a_key_is_itself(text):
    try:
        key = session_key(text)
    except UnicodeEncodeError:
        return
    assert session_key(key) == key
    assert key == text or uuid.UUID(key).version == 5


def test_an_id_of_other_bytes_than_utf8_becomes_a_uuid_too():
    assert uuid.UUID(session_key(b"\xff\xfe".decode("utf-8", "surrogateescape"))).version == 5


def test_new_ids_are_random_uuids():
    first, second = new_session_id(), new_session_id()
    assert first != second
    assert uuid.UUID(first).version == 4
    assert session_key(first) == first
