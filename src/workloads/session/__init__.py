"""Sessions that survive the process that began them.

A session is what an MCP client and a replica share. Kept in a storage that several proxies use, any of them can serve
any session.

Names are loaded when they are first used; ``redis`` is imported by the first :class:`RedisStorage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workloads.errors import (
        CorruptSessionError,
        InvalidSessionStoreError,
        SessionAlreadyExistsError,
        SessionForbiddenError,
        SessionNotFoundError,
        SessionStoreUnavailableError,
    )
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

_MODULES = {
    "workloads.session.identity": ("Identity",),
    "workloads.session.local": ("LocalStorage",),
    "workloads.session.manager": ("Repinned", "SessionManager"),
    "workloads.session.model": ("Session", "SessionType"),
    "workloads.session.protocols": ("CoherentStorage", "Invalidations", "Peeked", "Storage"),
    "workloads.session.redis.storage": ("RedisStorage",),
    "workloads.session.routing": ("RoutingStats", "RoutingStorage"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "workloads.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
