"""Where secrets come from, and how they are kept from where they must not go.

A run config only refers to secrets. Their values are looked up when a workload is started, live in memory as long as
that takes, and reach a server through its environment; nothing here writes them anywhere.
"""

from workloads.secrets.environment import EnvironmentProvider, scrub
from workloads.secrets.resolution import SecretProvider, resolve

__all__ = ("EnvironmentProvider", "SecretProvider", "resolve", "scrub")
