"""From the references of a run config to values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import SecretNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.config import SecretReference
    from workloads.secrets.protocols import SecretResolver

__all__ = ("resolve",)


def resolve(references: Iterable[SecretReference], provider: SecretResolver) -> dict[str, str]:
    """The environment variables that a run config's references to secrets stand for.

    Args:
        references: Secrets and the variable that each goes to.
        provider: Where to look them up.

    Returns:
        The value of each variable. It must not be written or logged.

    Raises:
        SecretNotFoundError: Some are not known; lists all of them.
    """
    values: dict[str, str] = {}
    missing: list[str] = []
    for reference in references:
        value = provider.get(reference.name)
        if value is None:
            missing.append(reference.name)
        else:
            values[reference.target] = value
    if missing:
        default = f"looked up by {type(provider).__name__}"
        # Each once, however many variables it goes to.
        raise SecretNotFoundError(list(dict.fromkeys(missing)), getattr(provider, "hint", default))
    return values
