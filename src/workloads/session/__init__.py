"""Sessions that survive the process that began them.

A session is what an MCP client and a replica share. Kept in a storage that several proxies use, any of them can serve
any session.
"""

from __future__ import annotations

from workloads.errors import SessionAlreadyExistsError, SessionNotFoundError, SessionStoreUnavailableError
from workloads.session.model import Session, SessionType
from workloads.session.protocols import CoherentStorage, Invalidations, Peeked, Storage

__all__ = (
    "CoherentStorage",
    "Invalidations",
    "Peeked",
    "Session",
    "SessionAlreadyExistsError",
    "SessionNotFoundError",
    "SessionStoreUnavailableError",
    "SessionType",
    "Storage",
)
