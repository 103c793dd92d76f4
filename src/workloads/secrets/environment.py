"""Secrets in environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workloads._core.variables import CONTROL_TOKEN, SECRET, SECRETS_PASSWORD
from workloads.errors import UnsupportedOperationError
from workloads.secrets.read_only import ReadOnly

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("EnvironmentProvider", "scrub")

_SECRET_NAMES = frozenset({"OP_SERVICE_ACCOUNT_TOKEN", *CONTROL_TOKEN.names, *SECRETS_PASSWORD.names})
_SECRET_SUFFIXES = ("_SESSION_REDIS_PASSWORD", "_REMOTE_AUTH_BEARER_TOKEN")


class EnvironmentProvider(ReadOnly):
    """Finds the secret ``<name>`` in ``WORKLOADS_SECRET_<name>``, or else in ``TOOLHIVE_SECRET_<name>``.

    The name is used as it is, in its case. An empty variable counts as none. It is read only, and does not list.

    Attributes:
        name: ``environment``.
        can_list: False.
        can_write: False.
        read_only: Why it cannot write.
        hint: How to provide a secret that was not found.
    """

    name = "environment"
    can_list = False
    read_only = "who starts this program sets its environment"
    hint = f"set it in the environment as {SECRET.names[0]}<name> or {SECRET.names[1]}<name>"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Look secrets up in an environment.

        Args:
            environ: The environment; None (the default) is that of this process, as it is at each look-up.
        """
        self._environ = os.environ if environ is None else environ

    def get(self, name: str) -> str | None:
        """The value of a secret; None when there is none.

        Args:
            name: The secret.
        """
        try:
            return SECRET.value(self._environ, name) or None
        except UnicodeEncodeError:
            return None  # half a character: no variable can have such a name

    def names(self) -> list[str]:
        """Not offered.

        Raises:
            UnsupportedOperationError: Always.
        """
        raise UnsupportedOperationError("listing the secrets of the environment", "they are only looked up by name")


def scrub(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of an environment without any variable of this library or ToolHive that holds a secret.

    Args:
        environ: The environment; it is not changed.
    """
    return {name: value for name, value in environ.items() if not _is_secret(name)}


def _is_secret(name: str) -> bool:
    return name in _SECRET_NAMES or name.startswith(SECRET.names) or name.endswith(_SECRET_SUFFIXES)
