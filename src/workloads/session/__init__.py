"""Sessions that survive the process that began them.

A session is what an MCP client and a replica share. Kept in a storage that several proxies use, any of them can serve
any session.

Names are loaded when they are first used; ``redis`` is imported by the first :class:`RedisStorage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports
from workloads.errors import (
    CorruptSessionError,
    InvalidSessionStoreError,
    SessionAlreadyExistsError,
    SessionForbiddenError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)

if TYPE_CHECKING:
    from workloads.session.identity import Identity
    from workloads.session.local import LocalStorage
    from workloads.session.manager import Repinned, SessionManager
    from workloads.session.model import Session, SessionType
    from workloads.session.protocols import CoherentStorage, Invalidations, Peeked, Storage
    from workloads.session.redis.storage import RedisStorage
    from workloads.session.routing import RoutingStats, RoutingStorage

__all__ = (
    "CoherentStorage",
    "CorruptSessionError",
    "Identity",
    "InvalidSessionStoreError",
    "Invalidations",
    "LocalStorage",
    "Peeked",
    "RedisStorage",
    "Repinned",
    "RoutingStats",
    "RoutingStorage",
    "Session",
    "SessionAlreadyExistsError",
    "SessionForbiddenError",
    "SessionManager",
    "SessionNotFoundError",
    "SessionStoreUnavailableError",
    "SessionType",
    "Storage",
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "identity": ("Identity",),
        "local": ("LocalStorage",),
        "manager": ("Repinned", "SessionManager"),
        "model": ("Session", "SessionType"),
        "protocols": ("CoherentStorage", "Invalidations", "Peeked", "Storage"),
        "redis.storage": ("RedisStorage",),
        "routing": ("RoutingStats", "RoutingStorage"),
    },
)
