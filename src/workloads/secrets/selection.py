"""Which providers of secrets are asked."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from workloads._core.paths import DEFAULT_APP
from workloads._core.variables import DISABLE_ENV_FALLBACK, SECRETS_PROVIDER
from workloads.errors import SecretProviderNotFoundError
from workloads.secrets.chain import ChainProvider
from workloads.secrets.environment import EnvironmentProvider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads._core.paths import Paths
    from workloads.secrets.protocols import SecretProvider

__all__ = ("PROVIDERS", "chosen_providers", "default_provider", "open_provider")

PROVIDERS = ("encrypted", "environment", "keyring")
"""The names of all providers."""

_ENVIRONMENT = "environment"
_TOOLHIVE = "toolhive"
_FALSE = frozenset({"", "0", "false", "no", "off"})


def open_provider(
    name: str, paths: Paths, environ: Mapping[str, str] | None = None, *, app: str = DEFAULT_APP
) -> SecretProvider:
    """The provider of a name. Nothing is read or created yet.

    Args:
        name: One of :data:`PROVIDERS`.
        paths: The application folder.
        environ: The environment; None (the default) is that of this process.
        app: Whose folder it is. Of ``toolhive``, secrets are only read.

    Raises:
        SecretProviderNotFoundError: There is none of that name.
    """
    if name == _ENVIRONMENT:
        return EnvironmentProvider(environ)
    path = _files(paths, app).get(name)
    if path is None:
        raise SecretProviderNotFoundError(name, sorted({_ENVIRONMENT, *_files(paths, app)}))
    if name == "keyring":
        from workloads.secrets.keyring_provider import KeyringProvider

        return KeyringProvider(path, service=app)
    from workloads.secrets.password import find_password

    @cache
    def password() -> str:
        return find_password(os.environ if environ is None else environ, app=app)

    if app == _TOOLHIVE:
        from workloads.secrets.toolhive_file import ToolHiveProvider

        return ToolHiveProvider(path, password)
    from workloads.secrets.encrypted import EncryptedProvider

    return EncryptedProvider(path, password)


def chosen_providers(
    paths: Paths, environ: Mapping[str, str] | None = None, *, app: str = DEFAULT_APP
) -> list[SecretProvider]:
    """The providers that are asked, in their order; the environment comes last.

    It is the one that ``WORKLOADS_SECRETS_PROVIDER`` names, else the one that ``TOOLHIVE_SECRETS_PROVIDER`` names, else
    those that hold secrets already. The environment is asked for what these do not know, unless
    ``WORKLOADS_DISABLE_ENV_FALLBACK`` or else ``TOOLHIVE_DISABLE_ENV_FALLBACK`` says ``true``. An empty variable counts
    as none.

    Args:
        paths: The application folder.
        environ: The environment; None (the default) is that of this process.
        app: Whose folder it is.

    Raises:
        SecretProviderNotFoundError: There is none of the name asked for.
    """
    variables = os.environ if environ is None else environ
    named = SECRETS_PROVIDER.value(variables)
    chosen = [named] if named else [name for name, path in _files(paths, app).items() if os.path.lexists(path)]
    fallback = DISABLE_ENV_FALLBACK.value(variables).lower() in _FALSE
    if not chosen or (fallback and chosen != [_ENVIRONMENT]):
        chosen.append(_ENVIRONMENT)
    return [open_provider(name, paths, environ, app=app) for name in chosen]


def default_provider(
    paths: Paths, environ: Mapping[str, str] | None = None, *, app: str = DEFAULT_APP
) -> SecretProvider:
    """What knows the secrets of users: the providers that :func:`chosen_providers` finds, as one.

    Args:
        paths: The application folder.
        environ: The environment; None (the default) is that of this process.
        app: Whose folder it is.

    Raises:
        SecretProviderNotFoundError: There is none of the name asked for.

    Example:
        >>> import pathlib
        >>> from workloads._core.paths import Paths
        >>> nowhere = Paths.locate(state_dir=pathlib.Path("/nonexistent"))
        >>> default_provider(nowhere, {"WORKLOADS_SECRET_key": "value"}).get("key")
        'value'
    """
    return ChainProvider(chosen_providers(paths, environ, app=app))


def _files(paths: Paths, app: str) -> dict[str, Path]:
    """Where each provider keeps what it keeps on disk, in the order in which they are asked."""
    encrypted = {"encrypted": paths.data / "secrets_encrypted"}
    return encrypted if app == _TOOLHIVE else encrypted | {"keyring": paths.data / "secrets_keyring.json"}
