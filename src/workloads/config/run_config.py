"""The run config: from it a workload can be started again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from workloads.config._additive_keys import AdditiveKeys
from workloads.config._messages import describe, got
from workloads.config._shape import keep_converters
from workloads.errors import Problem, RunConfigError
from workloads.model import DEFAULT_GROUP, ProxyMode, TransportType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads.config.permissions import PermissionProfile

__all__ = ("DEFAULT_SCHEMA_VERSION", "DEFAULT_SESSION_CACHE_SIZE", "DEFAULT_SESSION_TTL", "RunConfig")

DEFAULT_SCHEMA_VERSION = "v0.1.0"
"""The version of the format that this library writes."""

DEFAULT_SESSION_TTL = 7200.0
"""Seconds that a session may be idle when the run config does not say."""

DEFAULT_SESSION_CACHE_SIZE = 1000
"""Sessions that a proxy keeps in memory when the run config does not say."""

_MANAGED_NETWORKS = ("", "bridge", "default")
_PROXY_MODES = frozenset(("", *ProxyMode))


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class RunConfig(AdditiveKeys):
    """The serialisable description of a workload, as JSON or YAML compatible with ToolHive's.

    It is immutable: collections are copied in and read-only. All fields are keyword arguments named as their keys; only
    ``name`` is required. They are documented at :class:`~workloads.config.ToolHiveKeys` and
    :class:`~workloads.config.AdditiveKeys`. Normalised values are the ``effective_*`` properties and are never stored.

    Loading and saving gives the same document again: the order of keys, number literals, keys without a field at every
    level, nulls and explicit defaults. They survive ``evolve``, copying and pickling too.

    Raises:
        RunConfigError: Some values are not valid. It lists every problem with its path.

    Example:
        >>> config = RunConfig(name="time", image="ghcr.io/acme/time:1", transport="streamable-http")
        >>> config.effective_group, config.evolve(group="engineering").group
        ('default', 'engineering')
    """

    def __cross_problems__(self) -> Sequence[Problem]:
        problems: list[Problem] = []
        if self.proxy_mode not in _PROXY_MODES and (
            self.proxy_mode != self.transport or self.transport is TransportType.STDIO
        ):
            problems.append(Problem("proxy_mode", f"expected one of {', '.join(ProxyMode)}, {got(self.proxy_mode)}"))
        nested = self.scaling_config.backend_replicas if self.scaling_config is not None else None
        if self.backend_replicas is not None and nested is not None and nested != self.backend_replicas:
            shown = f"{describe(self.backend_replicas)} and scaling_config.backend_replicas is {describe(nested)}"
            problems.append(Problem("backend_replicas", f"is {shown}; they must be the same, or one of them absent"))
        return problems

    @property
    def effective_schema_version(self) -> str:
        """The version of the format; empty means ``v0.1.0``."""
        return self.schema_version or DEFAULT_SCHEMA_VERSION

    @property
    def effective_base_name(self) -> str:
        """The name that files and labels are kept under."""
        return self.base_name or self.name

    @property
    def effective_group(self) -> str:
        """The group the workload belongs to; empty means ``default``."""
        return self.group or DEFAULT_GROUP

    @property
    def effective_proxy_mode(self) -> ProxyMode:
        """What the proxy speaks: for stdio what was asked for or streamable HTTP, else what the server speaks."""
        mode = self.proxy_mode if self.transport is TransportType.STDIO else self.transport
        return ProxyMode.SSE if mode == ProxyMode.SSE else ProxyMode.STREAMABLE_HTTP

    @property
    def effective_backend_replicas(self) -> int | None:
        """How many replicas there should be, under whichever key; None leaves their number alone."""
        if self.backend_replicas is not None or self.scaling_config is None:
            return self.backend_replicas
        return self.scaling_config.backend_replicas

    @property
    def effective_session_ttl(self) -> float:
        """Seconds that a session may be idle."""
        from workloads.config.duration import parse_duration

        return (self.session_ttl and parse_duration(self.session_ttl)) or DEFAULT_SESSION_TTL

    @property
    def effective_session_cache_size(self) -> int:
        """How many sessions a proxy keeps in memory; 0 means 1000."""
        return self.session_cache_size or DEFAULT_SESSION_CACHE_SIZE

    @property
    def effective_isolate_network(self) -> bool:
        """Whether the network is isolated, which it can be only where the network is a managed one."""
        profile = self.permission_profile
        mode = profile.network.mode if profile is not None and profile.network is not None else ""
        return self.isolate_network and mode in _MANAGED_NETWORKS

    @property
    def effective_permission_profile(self) -> PermissionProfile:
        """The profile that counts: the one given, else the built-in one named, else ``network``.

        Raises:
            RunConfigError: A file is named. Properties read no files: whoever runs the workload does, and sets
                ``permission_profile``.
        """
        from workloads.config.permissions import PermissionProfile

        if self.permission_profile is not None:
            return self.permission_profile
        try:
            return PermissionProfile.builtin(self.permission_profile_name_or_path or "network")
        except LookupError as error:
            path = got(self.permission_profile_name_or_path)
            message = f"expected none, network or stdio, {path}; set permission_profile to what the file holds"
            raise RunConfigError([Problem("permission_profile_name_or_path", message)]) from error

    def with_backend_replicas(self, replicas: int | None) -> Self:
        """A copy with another number of replicas, under the key that this run config uses.

        Args:
            replicas: How many; None removes the number, which then is left alone.

        Raises:
            RunConfigError: It is not a 32 bit integer.
        """
        changes: dict[str, object] = {}
        scaling = self.scaling_config
        nested = scaling is not None and _uses(scaling.__document__, scaling.backend_replicas)
        if scaling is not None and nested:
            changes["scaling_config"] = scaling.evolve(backend_replicas=replicas)
        if not nested or _uses(self.__document__, self.backend_replicas):
            changes["backend_replicas"] = replicas
        return self.evolve(**changes)


def _uses(document: Mapping[str, object] | None, value: int | None) -> bool:
    return value is not None or "backend_replicas" in (document or ())
