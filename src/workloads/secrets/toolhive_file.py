"""Secrets in the encrypted file of ToolHive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.files import check_folder, read_bytes
from workloads.errors import CorruptStateError, WrongPasswordError
from workloads.secrets.cipher import NONCE_BYTES, TAG_BYTES, as_bytes, decrypt, load_secrets
from workloads.secrets.read_only import ReadOnly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("ToolHiveProvider",)


class ToolHiveProvider(ReadOnly):
    """Reads the secrets that ToolHive keeps. Only ToolHive itself changes them.

    Its file is a nonce and a JSON object that AES-256-GCM encrypted under the SHA-256 of a password. An empty file is
    one without secrets.

    Attributes:
        name: ``encrypted``.
        can_list: True.
        can_write: False.
        read_only: Why it cannot write.
        hint: How to provide a secret that was not found.
    """

    name = "encrypted"
    can_list = True
    read_only = "this is the file of ToolHive; `thv secret` changes it"
    hint = "store it with `thv secret set <name>`"

    def __init__(self, path: Path, password: Callable[[], str]) -> None:
        """Read a file; not yet.

        Args:
            path: The file.
            password: Tells the password; asked only when there is something to decrypt.
        """
        self._path = path
        self._password = password

    def get(self, name: str) -> str | None:
        """The value of a secret; None when there is none. See :meth:`workloads.secrets.SecretProvider.get`.

        Args:
            name: The secret.

        Raises:
            SecretStoreLockedError: No password is known.
            WrongPasswordError: The file was encrypted with another, or is damaged: nothing in it tells which.
            CorruptStateError: The file is too short, or holds something else.
        """
        return self._load().get(name)

    def names(self) -> list[str]:
        """The names of all secrets, sorted; raises as :meth:`get`."""
        return sorted(self._load())

    def _load(self) -> dict[str, str]:
        import hashlib

        data = read_bytes(self._path) if check_folder(self._path.parent) else None
        if not data:
            return {}
        if len(data) < NONCE_BYTES + TAG_BYTES:
            raise CorruptStateError(self._path, "is too short for a file of secrets; restore it from a copy")
        key = hashlib.sha256(as_bytes(self._password())).digest()
        plain = decrypt(key, data[:NONCE_BYTES], data[NONCE_BYTES:])
        if plain is None:
            raise WrongPasswordError(
                self.name, f"{self._path} is damaged, or was encrypted with another password than the one given"
            )
        secrets = load_secrets(plain)
        if secrets is None:
            raise CorruptStateError(self._path, "holds something else than secrets; restore it from a copy")
        return secrets
