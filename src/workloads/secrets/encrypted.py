"""Secrets in an encrypted file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from workloads._core.files import check_folder, read_bytes, remove, secure_folder, write_atomic
from workloads.secrets.encrypted_format import DEFAULT_COST, Derivation, parse, seal, unseal
from workloads.secrets.locking import only_writer
from workloads.secrets.names import check_secret_name, check_secret_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ("EncryptedProvider",)

_Content: TypeAlias = "tuple[dict[str, str], Derivation]"


class EncryptedProvider:
    """Keeps secrets in one file, encrypted with AES-256-GCM under a key that scrypt makes from a password.

    Of writers at the same time, none loses what another has written. Whatever interrupts a write, the file holds the
    old secrets or the new. When the last secret is deleted, the file is removed. Safe to use from several threads and
    processes.

    Attributes:
        name: ``encrypted``.
        can_list: True.
        can_write: True.
        hint: How to provide a secret that was not found.
    """

    name = "encrypted"
    can_list = True
    can_write = True
    hint = "store it with `workloads secret set <name> --provider encrypted`"

    def __init__(self, path: Path, password: Callable[[], str], *, cost: int = DEFAULT_COST) -> None:
        """Keep secrets in a file; nothing is read or created yet.

        Args:
            path: The file. Its lock is beside it.
            password: Tells the password; asked only when there is something to encrypt or decrypt.
            cost: The binary logarithm of scrypt's N for a new file, 10 to 20; a file that exists has its own.
        """
        self._path = path
        self._password = password
        self._cost = cost

    def get(self, name: str) -> str | None:
        """The value of a secret; None when there is none. See :meth:`workloads.secrets.SecretProvider.get`.

        Args:
            name: The secret.

        Raises:
            SecretStoreLockedError: No password is known.
            WrongPasswordError: The file was encrypted with another.
            CorruptStateError: The file is damaged. It is left as it is.
        """
        content = self._load()
        return None if content is None else content[0].get(name)

    def set(self, name: str, value: str) -> None:
        """Keep a secret. See :meth:`workloads.secrets.SecretProvider.set`; raises as :meth:`get`, too.

        Args:
            name: The secret.
            value: Its value.
        """
        check_secret_name(name)
        check_secret_value(name, value)
        secure_folder(self._path.parent)
        empty: _Content = {}, Derivation(self._cost)
        _, derivation = self._load() or empty
        derivation.key(self._password())  # before the lock is taken, because it takes long
        with only_writer(self._path, self.name):
            secrets, derivation = self._load() or empty
            self._write(secrets | {name: value}, derivation)

    def delete(self, name: str) -> bool:
        """Forget a secret. See :meth:`workloads.secrets.SecretProvider.delete`; raises as :meth:`get`, too.

        Args:
            name: The secret.
        """
        if self.get(name) is None:
            return False
        with only_writer(self._path, self.name):
            content = self._load()
            if content is None or content[0].pop(name, None) is None:
                return False  # somebody else did it meanwhile
            if content[0]:
                self._write(*content)
            else:
                remove(self._path)
            return True

    def names(self) -> list[str]:
        """The names of all secrets, sorted; raises as :meth:`get`."""
        content = self._load()
        return [] if content is None else sorted(content[0])

    def _load(self) -> _Content | None:
        if not check_folder(self._path.parent):
            return None
        data = read_bytes(self._path)
        if data is None:
            return None
        sealed = parse(self._path, data)
        return unseal(self._path, sealed, sealed.derivation.key(self._password())), sealed.derivation

    def _write(self, secrets: Mapping[str, str], derivation: Derivation) -> None:
        write_atomic(self._path, seal(secrets, derivation, derivation.key(self._password())))
