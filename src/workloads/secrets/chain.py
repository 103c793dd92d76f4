"""Several providers of secrets, asked one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import UnsupportedOperationError
from workloads.secrets.names import is_reserved, refuse_reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.secrets.protocols import SecretProvider

__all__ = ("ChainProvider",)


class ChainProvider:
    """The secrets of users, from several providers as if they were one.

    The next provider is asked only when one does not know a secret; an error is an error of the chain. The secrets that
    ToolHive and this library keep for themselves are refused.
    """

    def __init__(self, providers: Sequence[SecretProvider]) -> None:
        """Ask these providers.

        Args:
            providers: At least one, the first to be asked first.
        """
        self._providers = tuple(providers)

    @property
    def name(self) -> str:
        """The names of its providers."""
        return ", ".join(provider.name for provider in self._providers)

    @property
    def hint(self) -> str:
        """How to provide a secret that was not found."""
        return "; or ".join(provider.hint for provider in self._providers)

    @property
    def can_list(self) -> bool:
        """Whether one of its providers can list."""
        return any(provider.can_list for provider in self._providers)

    @property
    def can_write(self) -> bool:
        """Whether exactly one of its providers can write: of several, the caller has to choose one."""
        return len(self._writers) == 1

    def get(self, name: str) -> str | None:
        """The value of a secret; None when nobody knows it. See :meth:`workloads.secrets.SecretProvider.get`.

        Args:
            name: The secret.

        Raises:
            InvalidNameError: It is not a secret of users.
        """
        refuse_reserved(name)
        for provider in self._providers:
            value = provider.get(name)
            if value is not None:
                return value
        return None

    def set(self, name: str, value: str) -> None:
        """Keep a secret. See :meth:`workloads.secrets.SecretProvider.set`.

        Args:
            name: The secret.
            value: Its value.
        """
        self._writer(name).set(name, value)

    def delete(self, name: str) -> bool:
        """Forget a secret. See :meth:`workloads.secrets.SecretProvider.delete`.

        Args:
            name: The secret.

        Raises:
            InvalidNameError: It is not a secret of users.
        """
        return self._writer(name).delete(name)

    def names(self) -> list[str]:
        """The names of all secrets, sorted, but those that providers cannot list.

        Raises:
            UnsupportedOperationError: None of its providers can list.
        """
        if not self.can_list:
            return self._providers[0].names()  # which says why not
        found = {name for provider in self._providers if provider.can_list for name in provider.names()}
        return sorted(name for name in found if not is_reserved(name))

    @property
    def _writers(self) -> list[SecretProvider]:
        return [provider for provider in self._providers if provider.can_write]

    def _writer(self, name: str) -> SecretProvider:
        refuse_reserved(name)
        writers = self._writers
        if len(writers) > 1:
            listed = ", ".join(provider.name for provider in writers)
            raise UnsupportedOperationError(f"changing the secret {name!r}", f"choose one of the providers {listed}")
        return writers[0] if writers else self._providers[0]  # which says why not
