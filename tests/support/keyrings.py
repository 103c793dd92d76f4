"""Backends for the real ``keyring`` library, so that no test touches the keyring of whoever runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keyring.errors
from keyring.backend import KeyringBackend
from keyring.compat import properties


class _Backend(KeyringBackend):
    @properties.classproperty
    def priority(cls) -> float:  # noqa: N805  # it is one of the class
        return 0  # used only where a test says so


class MemoryKeyring(_Backend):
    """Keeps entries in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("No such password!")


class FolderKeyring(_Backend):
    """Keeps each entry in a file of the folder ``TEST_KEYRING``, for tests with several processes."""

    def _file(self, service: str, username: str) -> Path:
        return Path(os.environ["TEST_KEYRING"]) / json.dumps([service, username]).encode().hex()

    def get_password(self, service: str, username: str) -> str | None:
        file = self._file(service, username)
        return bytes.fromhex(file.read_text()).decode() if file.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file(service, username).write_text(password.encode().hex())

    def delete_password(self, service: str, username: str) -> None:
        self._file(service, username).unlink()


class FailingKeyring(_Backend):
    """Raises what a test gives it, made from all that it was given itself."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self._error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self._error(f"cannot read {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise self._error(f"cannot write {password}")

    def delete_password(self, service: str, username: str) -> None:
        raise self._error(f"cannot delete {username}")
