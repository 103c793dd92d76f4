r"""The encrypted file of secrets, as bytes. Pure: no I/O but random numbers.

::

    "workloads-secrets\n"                      what it is
    version                  1 byte           1
    log2 N, r, p             1 byte each      the cost of scrypt, which makes the key from the password
    salt                     16 bytes         of scrypt
    nonce                    12 bytes         of AES-256-GCM, another one for each write
    secrets                  the rest         a JSON object, encrypted; everything above is authenticated with it
    checksum                 32 bytes         SHA-256 of everything above, in every version

The checksum is what tells a damaged file from a wrong password, which the encryption alone could not. It is for
accidents; against people who change the file on purpose there is the encryption.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import attrs

from workloads.errors import CorruptStateError, StateError, WrongPasswordError
from workloads.secrets.cipher import NONCE_BYTES, TAG_BYTES, decrypt, dump_secrets, encrypt, load_secrets, stretch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("DEFAULT_COST", "Derivation", "Sealed", "parse", "seal", "unseal")

DEFAULT_COST = 17
"""The binary logarithm of scrypt's N: every guess of a password takes 128 MiB and a good part of a second."""

_MAGIC = b"workloads-secrets\n"
_VERSION = 1
_SALT_BYTES = 16
_CHECKSUM_BYTES = 32
_HEADER = struct.Struct(f">{len(_MAGIC)}sBBBB{_SALT_BYTES}s{NONCE_BYTES}s")
# What a file may ask for: it shall not take all memory because somebody changed a byte of it.
_COSTS = range(10, 21)
_BLOCK_SIZES = range(1, 17)
_PARALLELISMS = range(1, 9)


@attrs.frozen
class Derivation:
    """How a key is made from a password.

    Attributes:
        cost: The binary logarithm of scrypt's N.
        block_size: Scrypt's r.
        parallelism: Scrypt's p.
        salt: What makes the key another one than that of another file with the same password; random by default.
    """

    cost: int = DEFAULT_COST
    block_size: int = 8
    parallelism: int = 1
    salt: bytes = attrs.field(factory=lambda: os.urandom(_SALT_BYTES))

    def key(self, password: str) -> bytes:
        """The key that a password stands for. Takes long on purpose, but only the first time.

        Args:
            password: The password.

        Raises:
            MissingDependencyError: The extra ``secrets`` is not installed.
        """
        return stretch(
            password, salt=self.salt, cost=self.cost, block_size=self.block_size, parallelism=self.parallelism
        )


@attrs.frozen
class Sealed:
    """A file taken apart, not yet decrypted.

    Attributes:
        derivation: How its key is made.
        nonce: The nonce of the encryption.
        header: What is authenticated, but not encrypted.
        content: What is encrypted.
    """

    derivation: Derivation
    nonce: bytes
    header: bytes
    content: bytes


def parse(path: Path, data: bytes) -> Sealed:
    """Take a file apart.

    Args:
        path: The file, for the error.
        data: Its content.

    Raises:
        CorruptStateError: It is damaged, or something else.
        StateError: A later version of this library has written it.
    """
    if not data.startswith(_MAGIC):
        raise _damaged(path, "does not begin like an encrypted file of secrets")
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        raise _damaged(path, "does not have the checksum it was written with")
    if body[len(_MAGIC) :][:1] > bytes([_VERSION]):
        raise StateError(path, "was written by a later version of workloads; upgrade this one")
    if len(body) < _HEADER.size + TAG_BYTES:
        raise _damaged(path, "ends too early")
    _, version, cost, block_size, parallelism, salt, nonce = _HEADER.unpack_from(body)
    if version != _VERSION or cost not in _COSTS or block_size not in _BLOCK_SIZES or parallelism not in _PARALLELISMS:
        raise _damaged(path, "asks for what no version of workloads writes")
    derivation = Derivation(cost, block_size, parallelism, salt)
    return Sealed(derivation, nonce, body[: _HEADER.size], body[_HEADER.size :])


def seal(secrets: Mapping[str, str], derivation: Derivation, key: bytes) -> bytes:
    """The content of a file that holds these secrets.

    Args:
        secrets: Name and value of each.
        derivation: How the key was made.
        key: The key.

    Raises:
        MissingDependencyError: The extra ``secrets`` is not installed.
    """
    nonce = os.urandom(NONCE_BYTES)
    header = _HEADER.pack(
        _MAGIC, _VERSION, derivation.cost, derivation.block_size, derivation.parallelism, derivation.salt, nonce
    )
    body = header + encrypt(key, nonce, dump_secrets(secrets), header)
    return body + _checksum(body)


def unseal(path: Path, sealed: Sealed, key: bytes) -> dict[str, str]:
    """The secrets in a file.

    Args:
        path: The file, for the error.
        sealed: The file taken apart.
        key: The key.

    Returns:
        Name and value of each.

    Raises:
        WrongPasswordError: The key was made from another password.
        CorruptStateError: Something else than secrets was encrypted.
        MissingDependencyError: The extra ``secrets`` is not installed.
    """
    plain = decrypt(key, sealed.nonce, sealed.content, sealed.header)
    if plain is None:
        raise WrongPasswordError("encrypted", f"{path} was encrypted with another password than the one given")
    secrets = load_secrets(plain)
    if secrets is None:
        raise _damaged(path, "holds something else than secrets")
    return secrets


def _checksum(body: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(body).digest()


def _damaged(path: Path, what: str) -> CorruptStateError:
    return CorruptStateError(path, f"{what}; restore it from a copy, or remove it and set the secrets again")
