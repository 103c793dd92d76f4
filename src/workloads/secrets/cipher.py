"""Encryption and decryption with a password: the one module that uses ``cryptography``. Pure: no I/O."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from workloads.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = (
    "KEY_BYTES",
    "NONCE_BYTES",
    "TAG_BYTES",
    "as_bytes",
    "decrypt",
    "dump_secrets",
    "encrypt",
    "load_secrets",
    "stretch",
)

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

# Scrypt takes much memory on purpose: many who start a workload at once shall not each take it, and each its time.
_one_at_a_time = threading.Lock()


def stretch(password: str, *, salt: bytes, cost: int, block_size: int, parallelism: int) -> bytes:
    """Make a key from a password with scrypt. Takes long on purpose, but only the first time.

    Args:
        password: The password.
        salt: What makes this key another one than others from the same password.
        cost: The binary logarithm of scrypt's N.
        block_size: Scrypt's r.
        parallelism: Scrypt's p.

    Raises:
        MissingDependencyError: The extra ``secrets`` is not installed.
    """
    with _one_at_a_time:
        return _scrypt(as_bytes(password), salt, cost, block_size, parallelism)


@lru_cache(maxsize=4)
def _scrypt(password: bytes, salt: bytes, cost: int, block_size: int, parallelism: int) -> bytes:
    with _needs_extra():
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    return Scrypt(salt=salt, length=KEY_BYTES, n=2**cost, r=block_size, p=parallelism).derive(password)


def as_bytes(password: str) -> bytes:
    """A password as the bytes it was in the environment, though they may be no text."""
    return password.encode("utf-8", "surrogateescape")


def encrypt(key: bytes, nonce: bytes, plain: bytes, header: bytes) -> bytes:
    """Encrypt with AES-256-GCM.

    Args:
        key: The key.
        nonce: The nonce; a key must never see it again.
        plain: What to encrypt.
        header: What to authenticate with it.

    Raises:
        MissingDependencyError: The extra ``secrets`` is not installed.
    """
    with _needs_extra():
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    return AESGCM(key).encrypt(nonce, plain, header)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, header: bytes | None = None) -> bytes | None:
    """Decrypt what :func:`encrypt` made; None when it was made with another key, or is something else.

    Args:
        key: The key.
        nonce: The nonce.
        sealed: What is encrypted.
        header: What was authenticated with it; None is nothing.

    Raises:
        MissingDependencyError: The extra ``secrets`` is not installed.
    """
    with _needs_extra():
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    try:
        return AESGCM(key).decrypt(nonce, sealed, header)
    except InvalidTag:
        return None


def dump_secrets(secrets: Mapping[str, str]) -> bytes:
    """Secrets as the text that is encrypted.

    Args:
        secrets: Name and value of each.
    """
    import json

    return json.dumps({"secrets": dict(secrets)}).encode()


def load_secrets(plain: bytes) -> dict[str, str] | None:
    """Secrets from the text that was encrypted; None when it is something else.

    Args:
        plain: The text.
    """
    import json

    try:
        document: Any = json.loads(plain)
    except (ValueError, RecursionError):
        # Not raised again: the error of the parser holds the whole text.
        return None
    secrets = cast("dict[str, Any]", document).get("secrets") if isinstance(document, dict) else None
    if not isinstance(secrets, dict):
        return None
    found = cast("dict[str, Any]", secrets)
    return found if all(isinstance(value, str) for value in found.values()) else None


@contextmanager
def _needs_extra() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError("secrets", "the encrypted file of secrets") from error
