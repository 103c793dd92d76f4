"""Opens the storage that a run config names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from workloads._core.variables import SESSION_REDIS_PASSWORD
from workloads.errors import InvalidSessionStoreError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config import RunConfig
    from workloads.session.protocols import Storage

__all__ = ("open_storage",)

# What would have a meaning in a URL: a user, whose host got the password; a path; options; other hosts.
_MORE_THAN_AN_ADDRESS = re.compile(r"[@/?#,\s]")


def open_storage(config: RunConfig, *, environ: Mapping[str, str] | None = None) -> Storage:
    """The storage for the sessions of a workload. Connects to nothing yet.

    Args:
        config: Its run config. Without ``scaling_config.session_redis`` sessions are kept in memory.
        environ: Where the password is looked up; None (the default) is the environment of this process.

    Raises:
        MissingDependencyError: ``workloads[redis]`` is not installed.
        InvalidSessionStoreError: The address, or something else of it, cannot be used.
    """
    ttl = config.effective_session_ttl
    redis = config.scaling_config.session_redis if config.scaling_config else None
    if redis is None or not redis.address:
        from workloads.session.local import LocalStorage

        return LocalStorage(ttl=ttl)
    if _MORE_THAN_AN_ADDRESS.search(redis.address):
        raise InvalidSessionStoreError([Problem("scaling_config.session_redis.address", "expected host:port")])
    from workloads.session.redis.storage import DEFAULT_PREFIX, RedisStorage
    from workloads.session.routing import RoutingStorage

    environ = os.environ if environ is None else environ
    remote = RedisStorage.from_url(
        f"redis://{redis.address}/{redis.db}",
        key_prefix=redis.key_prefix or DEFAULT_PREFIX,
        ttl=ttl,
        password=SESSION_REDIS_PASSWORD.value(environ) or None,
    )
    return RoutingStorage(remote, max_local_entries=config.session_cache_size)
