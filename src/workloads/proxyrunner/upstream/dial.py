"""Making connections to servers, in the clear or with TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.threads import in_thread
from workloads.proxyrunner.upstream.errors import ConnectFailedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.upstream.connection import ServerConnection

__all__ = ("CONNECT_TIMEOUT", "Dialer")

CONNECT_TIMEOUT = 5.0
"""Seconds until a connection must be there, encrypted if it shall be."""


class Dialer:
    """Connects to servers."""

    def __init__(self) -> None:
        """Prepare; what this machine trusts is read when the first server speaks TLS."""
        self._context: asyncio.Future[ssl.SSLContext] | None = None

    async def dial(self, address: ReplicaAddress, protocol: Callable[[], ServerConnection]) -> ServerConnection:
        """Connect to a server.

        Args:
            address: Where it listens.
            protocol: Makes the protocol of the connection.

        Raises:
            ConnectFailedError: It cannot be reached in time, or is not who it shall be.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                context = await self._trust() if address.tls else None
                _, connection = await loop.create_connection(protocol, address.host, address.port, ssl=context)
        except TimeoutError as error:
            # The kernel's own time-out has a text, asyncio's has none.
            reason = str(error) or f"no answer within {CONNECT_TIMEOUT:g} s"
            raise ConnectFailedError(f"Cannot connect to {address.authority}: {reason}") from error
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise ConnectFailedError(f"Cannot connect to {address.authority}: {reason}") from error
        return connection

    async def _trust(self) -> ssl.SSLContext:
        import ssl

        if self._context is None:
            # To read what this machine trusts takes some 30 ms.
            self._context = in_thread(ssl.create_default_context)
        return await asyncio.shield(self._context)
