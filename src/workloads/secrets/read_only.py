"""What providers of secrets have in common that cannot write."""

from __future__ import annotations

from workloads.errors import UnsupportedOperationError

__all__ = ("ReadOnly",)


class ReadOnly:
    """The half of a provider that refuses to write.

    Attributes:
        name: The provider.
        read_only: Why it cannot write.
        can_write: False.
    """

    name: str
    read_only: str
    can_write = False

    def set(self, name: str, value: str) -> None:
        """Not offered.

        Raises:
            UnsupportedOperationError: Always.
        """
        del value
        raise UnsupportedOperationError(f"setting the secret {name!r} (provider {self.name!r})", self.read_only)

    def delete(self, name: str) -> bool:
        """Not offered.

        Raises:
            UnsupportedOperationError: Always.
        """
        raise UnsupportedOperationError(f"removing the secret {name!r} (provider {self.name!r})", self.read_only)
