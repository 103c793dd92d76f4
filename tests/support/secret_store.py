"""A provider of secrets for tests."""

from __future__ import annotations


class SecretStore:
    """Keeps its secrets in memory, and fails with the error it was given."""

    can_list = can_write = True

    def __init__(self, name: str, error: Exception | None = None, **secrets: str) -> None:
        self.name = name
        self.hint = f"put it into {name}"
        self.secrets = secrets
        self.error = error

    def get(self, name: str) -> str | None:
        self._fail()
        return self.secrets.get(name)

    def set(self, name: str, value: str) -> None:
        self._fail()
        self.secrets[name] = value

    def delete(self, name: str) -> bool:
        self._fail()
        return self.secrets.pop(name, None) is not None

    def names(self) -> list[str]:
        self._fail()
        return sorted(self.secrets)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error
