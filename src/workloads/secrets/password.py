"""The password of an encrypted file of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.paths import DEFAULT_APP
from workloads._core.variables import SECRETS_PASSWORD
from workloads.errors import MissingDependencyError, SecretStoreLockedError, SecretStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("find_password",)

# Under which name an application keeps it in the keyring, whose service is the application.
_ENTRIES = {"toolhive": "toolhive"}
_ENTRY = "__workloads_password"


def find_password(environ: Mapping[str, str], *, app: str = DEFAULT_APP) -> str:
    """The password: that of the environment, else that of the keyring.

    Args:
        environ: Where ``WORKLOADS_SECRETS_PASSWORD`` is looked up, and then ``TOOLHIVE_SECRETS_PASSWORD``.
        app: Whose file it is, see :meth:`Paths.locate <workloads._core.paths.Paths.locate>`.

    Raises:
        SecretStoreLockedError: There is none, or the keyring that may hold it is locked.
    """
    from workloads.secrets.os_keyring import OSKeyring

    if password := SECRETS_PASSWORD.value(environ):
        return password
    entry = _ENTRIES.get(app, _ENTRY)
    try:
        kept = OSKeyring(app).read(entry)
    except SecretStoreLockedError as error:
        raise SecretStoreLockedError(
            "encrypted",
            f"the keyring, which may hold its password, is locked; unlock it, or set {SECRETS_PASSWORD.names[0]}",
        ) from error
    except (SecretStoreUnavailableError, MissingDependencyError):
        kept = None
    if not kept:
        raise SecretStoreLockedError(
            "encrypted",
            f"it needs a password: set {SECRETS_PASSWORD.names[0]},"
            f" or keep one in the keyring by `keyring set {app} {entry}`",
        )
    return kept
