"""States and tasks of which every proxy of a workload knows the replica that they mean something to."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from workloads.errors import (
    SessionAlreadyExistsError,
    SessionForbiddenError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)
from workloads.session.model import Session
from workloads.session.pins import BACKEND_URL_KEY, Pin

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.session import Identity, SessionManager

__all__ = ("SharedTrails",)

_log = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds that an answer waits for the store, of which it could do without."""


class SharedTrails:
    """What ties requests without sessions to replicas, where the sessions of the workload are kept.

    A state or task is kept as a session whose id is a digest of it, and nothing else of it is.

    Args:
        manager: Where they are kept; closed with this.
    """

    def __init__(self, manager: SessionManager) -> None:
        """Nothing is asked yet."""
        self._manager = manager

    async def close(self) -> None:
        """Close the store. Can be repeated."""
        await self._manager.close()

    async def keep(self, trail: str, address: ReplicaAddress, identity: Identity | None) -> None:
        """Keep which replica a state or task is of. That it cannot be kept is no error: this proxy knows it.

        Args:
            trail: The state or task.
            address: The replica.
            identity: Who was given it; None for nobody in particular.
        """
        session = Session(id=_name(trail), metadata={BACKEND_URL_KEY: address.url})
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._manager.add(session, identity=identity)
        except SessionAlreadyExistsError:
            return
        except (SessionStoreUnavailableError, TimeoutError) as error:
            reason = str(error) or f"the store took longer than {_PATIENCE:g} s"
            _log.warning("other proxies do not know of a state or task", extra={"reason": reason})

    async def find(self, trail: str, identity: Identity | None) -> str | None:
        """Where the replica is that a state or task is of; None when that is not known, or not for everybody.

        Args:
            trail: The state or task.
            identity: Who gives it back; None for nobody in particular.

        Raises:
            SessionStoreUnavailableError: The store cannot be reached.
        """
        try:
            return Pin.of(await self._manager.get(_name(trail), identity=identity)).backend_url
        except (SessionNotFoundError, SessionForbiddenError):
            return None


def _name(trail: str) -> str:
    """The name under which it is kept: that of no session, whatever the server calls its own."""
    return f"trail {trail}"
