"""What a provider of secrets is."""

from __future__ import annotations

from typing import Protocol

__all__ = ("SecretProvider", "SecretResolver")


class SecretResolver(Protocol):
    """Knows secrets by name. One that has a ``hint`` is asked for it when a secret is missing."""

    def get(self, name: str) -> str | None:
        """The value of a secret; None when it does not know that secret.

        Args:
            name: The secret.
        """
        ...


class SecretProvider(SecretResolver, Protocol):
    """Knows secrets by name, and tells as data whether it can list and change them.

    Every operation raises ``SecretStoreUnavailableError`` when secrets cannot be reached, ``SecretStoreLockedError``
    when they are locked, and ``MissingDependencyError`` when the extra ``secrets`` is needed and not installed. No
    error, log record or representation holds the value of a secret.
    """

    @property
    def name(self) -> str:
        """Its name, such as ``keyring``."""
        ...

    @property
    def hint(self) -> str:
        """How to provide a secret that was not found."""
        ...

    @property
    def can_list(self) -> bool:
        """Whether :meth:`names` is offered."""
        ...

    @property
    def can_write(self) -> bool:
        """Whether :meth:`set` and :meth:`delete` are offered."""
        ...

    def set(self, name: str, value: str) -> None:
        """Keep a secret, in the place of an earlier one of that name. It lasts when this returns.

        Args:
            name: The secret: 1 to 255 printable characters without a comma.
            value: Its value: text without NUL of at most 120 KiB.

        Raises:
            InvalidNameError: No secret can have that name.
            InvalidSecretError: No secret can have that value.
            UnsupportedOperationError: It cannot write.
        """
        ...

    def delete(self, name: str) -> bool:
        """Forget a secret.

        Args:
            name: The secret.

        Returns:
            Whether there was one.

        Raises:
            UnsupportedOperationError: It cannot write.
        """
        ...

    def names(self) -> list[str]:
        """The names of all secrets it keeps, sorted.

        Raises:
            UnsupportedOperationError: It cannot list.
        """
        ...
