"""Where secrets come from, and how they are kept from where they must not go.

A run config only refers to secrets. Their values are looked up when a workload is started, live in memory as long as
that takes, and reach a server through its environment. Nothing writes them down but a provider that was told to keep
them, and that one never in the clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.secrets.chain import ChainProvider
    from workloads.secrets.encrypted import EncryptedProvider
    from workloads.secrets.environment import EnvironmentProvider, scrub
    from workloads.secrets.keyring_provider import KeyringProvider
    from workloads.secrets.names import check_secret_name, check_secret_value, is_reserved
    from workloads.secrets.protocols import SecretProvider, SecretResolver
    from workloads.secrets.resolution import resolve
    from workloads.secrets.selection import PROVIDERS, chosen_providers, default_provider, open_provider
    from workloads.secrets.toolhive_file import ToolHiveProvider
    from workloads.secrets.usage import secret_names_used_by

__all__ = (
    "PROVIDERS",
    "ChainProvider",
    "EncryptedProvider",
    "EnvironmentProvider",
    "KeyringProvider",
    "SecretProvider",
    "SecretResolver",
    "ToolHiveProvider",
    "check_secret_name",
    "check_secret_value",
    "chosen_providers",
    "default_provider",
    "is_reserved",
    "open_provider",
    "resolve",
    "scrub",
    "secret_names_used_by",
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "chain": ("ChainProvider",),
        "encrypted": ("EncryptedProvider",),
        "environment": ("EnvironmentProvider", "scrub"),
        "keyring_provider": ("KeyringProvider",),
        "names": ("check_secret_name", "check_secret_value", "is_reserved"),
        "protocols": ("SecretProvider", "SecretResolver"),
        "resolution": ("resolve",),
        "selection": ("PROVIDERS", "chosen_providers", "default_provider", "open_provider"),
        "toolhive_file": ("ToolHiveProvider",),
        "usage": ("secret_names_used_by",),
    },
)
