"""Whose a session is."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.session import Identity
from workloads.session.identity import (
    BINDING_KEY,
    LEGACY_KEYS,
    UNAUTHENTICATED,
    Ownership,
    bind,
    binding_of,
    ownership,
)

ALICE = Identity(issuer="https://idp.example", subject="alice")
BOB = Identity(issuer="https://idp.example", subject="bob")
ALICE_ELSEWHERE = Identity(issuer="https://other.example", subject="alice")
words = st.text(st.characters(exclude_characters="\0"), min_size=1)


def test_the_binding_is_what_toolhive_writes():
    assert binding_of(ALICE) == "https://idp.example\0alice"
    assert binding_of(None) == UNAUTHENTICATED == "unauthenticated"
    assert bind({"backend_url": "http://x"}, ALICE) == {
        "backend_url": "http://x",
        "vmcp.identity.binding": "https://idp.example\0alice",
    }


@pytest.mark.parametrize("owner", [ALICE, BOB, ALICE_ELSEWHERE, None])
@pytest.mark.parametrize("caller", [ALICE, BOB, ALICE_ELSEWHERE, None])
def test_only_the_owner_owns(owner, caller):
    expected = Ownership.OWN if owner == caller else Ownership.FOREIGN
    assert ownership(bind({}, owner), caller) is expected


@given(words, words, words, words)
def test_no_two_identities_share_a_binding(issuer, subject, other_issuer, other_subject):
    one, other = Identity(issuer=issuer, subject=subject), Identity(issuer=other_issuer, subject=other_subject)
    assert (binding_of(one) == binding_of(other)) is (one == other)
    assert ownership(bind({}, one), one) is Ownership.OWN
    assert ownership(bind({}, one), None) is Ownership.FOREIGN


@pytest.mark.parametrize(
    "metadata", [{LEGACY_KEYS[0]: "ab"}, {LEGACY_KEYS[1]: "cd"}, {BINDING_KEY: ""}, dict.fromkeys(LEGACY_KEYS, "")]
)
def test_what_cannot_be_checked_is_invalid(metadata):
    assert ownership(metadata, ALICE) is ownership(metadata, None) is Ownership.INVALID


def test_a_binding_counts_beside_older_keys_and_binding_anew_removes_them():
    metadata = {LEGACY_KEYS[0]: "ab", BINDING_KEY: binding_of(ALICE)}
    assert ownership(metadata, ALICE) is Ownership.OWN
    assert bind(metadata, BOB) == {BINDING_KEY: binding_of(BOB)}


def test_no_word_of_an_owner_is_unbound():
    assert ownership({"backend_url": "http://x"}, ALICE) is Ownership.UNBOUND


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": "", "subject": "a"},
        {"issuer": "a", "subject": ""},
        {"issuer": "a\0b", "subject": "c"},
        {"issuer": "a", "subject": "b\0c"},
    ],
)
def test_an_identity_that_could_be_taken_for_another_is_refused(fields):
    with pytest.raises(ValueError, match="of an identity"):
        Identity(**fields)


def test_bindings_are_compared_in_constant_time(monkeypatch):
    compared = []

    def spy(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", spy)
    ownership(bind({}, ALICE), BOB)
    assert compared == [(binding_of(ALICE).encode(), binding_of(BOB).encode())]


def test_an_identity_is_not_shown():
    assert "alice" not in repr(ALICE)
