"""The encrypted file as bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import CorruptStateError, StateError, WrongPasswordError
from workloads.secrets.cipher import encrypt
from workloads.secrets.encrypted_format import Derivation, parse, seal, unseal

pytestmark = pytest.mark.needs("secrets")

PATH = Path("/data/secrets_encrypted")
QUICK = Derivation(10)
# A file of version 1, written once: later versions of this library must read it.
GOLDEN = bytes.fromhex(
    "776f726b6c6f6164732d736563726574730a010a0801652d4f333099386eab787d1f8115ad976671493618c0f6b503a8b5f6"
    "c3c99fae5b14567fa5e5da5447a20882bb135fdcf099c3a900ac896827eb553ce41c0b334b9cde9a4b63c9a776c027ce14b7"
    "059c035c549ce370132de1e9b5ebcc47148292af69a687bad3a3dc226e51926c1b58a3d2aa66c6080b8ee6c3ff767641b299"
    "6bf4ffb41ee0b035f2423557f29462072917701fffbeb7c3b2"
)


def opened(data, password="correct horse"):
    sealed = parse(PATH, data)
    return unseal(PATH, sealed, sealed.derivation.key(password))


def with_checksum(body):
    return body + hashlib.sha256(body).digest()


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=5))
def test_what_was_sealed_is_unsealed(secrets):
    assert opened(seal(secrets, QUICK, QUICK.key("correct horse"))) == secrets


def test_a_file_of_the_first_version_is_read_for_ever():
    assert opened(GOLDEN) == {"api_key": "hunter2", "ключ": "two\nlines"}


def test_the_header_says_what_the_documentation_of_the_format_says():
    assert GOLDEN.startswith(b"workloads-secrets\n\x01\x0a\x08\x01")
    assert GOLDEN[-32:] == hashlib.sha256(GOLDEN[:-32]).digest()


def test_nothing_of_a_secret_is_in_the_clear():
    data = seal({"api_key": "hunter2"}, QUICK, QUICK.key("correct horse"))
    assert b"hunter2" not in data
    assert b"api_key" not in data


def test_the_same_secrets_are_never_encrypted_to_the_same_bytes():
    first, second = (seal({"a": "b"}, QUICK, QUICK.key("correct horse")) for _ in range(2))
    assert first != second
    assert Derivation().salt != Derivation().salt


def test_a_wrong_password_is_told_apart_from_damage():
    with pytest.raises(WrongPasswordError, match="another password") as caught:
        opened(GOLDEN, "incorrect horse")
    assert isinstance(caught.value, PermissionError)
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize("position", range(len(GOLDEN)))
def test_a_change_of_any_byte_is_damage(position):
    data = bytearray(GOLDEN)
    data[position] ^= 0x10
    with pytest.raises(CorruptStateError, match=r"/data/secrets_encrypted: .* restore it from a copy"):
        opened(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 18, 40, 60, len(GOLDEN) - 1])
def test_a_file_that_ends_too_early_is_damaged(length):
    with pytest.raises(CorruptStateError):
        opened(GOLDEN[:length])


def test_a_short_file_with_a_checksum_of_its_own_is_damaged():
    with pytest.raises(CorruptStateError, match="too early"):
        opened(with_checksum(GOLDEN[:40]))


@pytest.mark.parametrize("position", [22, 40, 52, 60, -33], ids=["salt", "nonce", "content", "content", "tag"])
def test_who_changes_a_file_on_purpose_cannot_do_it_without_the_password(position):
    body = bytearray(GOLDEN[:-32])
    body[position if position > 0 else position + 32] ^= 1
    with pytest.raises(WrongPasswordError):
        opened(with_checksum(bytes(body)))


def test_the_header_is_authenticated_too():
    body = bytearray(GOLDEN[:-32])
    body[21] = 2  # scrypt's p
    with pytest.raises(WrongPasswordError):
        opened(with_checksum(bytes(body)))


def test_a_later_version_is_not_called_damaged():
    body = bytearray(GOLDEN[:-32])
    body[18] = 2
    with pytest.raises(StateError, match="later version of workloads; upgrade") as caught:
        opened(with_checksum(bytes(body)))
    assert not isinstance(caught.value, CorruptStateError)


@pytest.mark.parametrize(("position", "value"), [(18, 0), (19, 0), (19, 63), (20, 0), (20, 255), (21, 0), (21, 255)])
def test_a_file_cannot_ask_for_all_memory(position, value):
    body = bytearray(GOLDEN[:-32])
    body[position] = value
    with pytest.raises(CorruptStateError, match="no version of workloads writes"):
        parse(PATH, with_checksum(bytes(body)))


@pytest.mark.parametrize(
    "plain", [b"", b"[]", b"{}", b'{"secrets": []}', b'{"secrets": {"canary": 1}}', b"canary", b"[" * 100_000]
)
def test_something_else_under_the_right_password_is_told_without_showing_it(plain):
    header = GOLDEN[:50]
    sealed = parse(PATH, GOLDEN)
    key = sealed.derivation.key("correct horse")
    data = with_checksum(header + encrypt(key, sealed.nonce, plain, header))
    with pytest.raises(CorruptStateError, match="something else") as caught:
        opened(data)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
