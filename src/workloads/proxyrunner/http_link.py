"""The connection between the transparent proxy and one HTTP server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.model import TransportType
from workloads.proxyrunner.readiness import SseProbe, StreamableProbe, wait_ready

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.remote import Remote
    from workloads.proxyrunner.upstream import Upstream

__all__ = ("HttpLink",)


class HttpLink:
    """Talks to one server over HTTP.

    Args:
        address: Where it listens.
        upstream: The connections of the proxy.
        transport: What it speaks.
        remote: What is known of it when it runs elsewhere. Default: None, it does not.
    """

    def __init__(
        self, address: ReplicaAddress, upstream: Upstream, transport: TransportType, remote: Remote | None = None
    ) -> None:
        """Prepare to ask."""
        self._address = address
        probe = SseProbe if transport is TransportType.SSE else StreamableProbe
        self._probe = (
            probe(upstream, address)
            if remote is None
            else probe(upstream, address, path=remote.path.decode(), strangers=True)
        )
        self.last_answer = ""

    async def ready(self) -> tuple[ReplicaAddress, float]:
        """Wait until the server answers in its protocol.

        Returns:
            Its address, and the seconds its answer took.
        """
        return self._address, await wait_ready(self._probe, self._note)

    async def closed(self) -> None:
        """Never: whether a server can be reached shows with each request."""
        await asyncio.get_running_loop().create_future()

    def fail(self, reason: str) -> None:
        """The server has ended; connections to it end by themselves.

        Args:
            reason: How it ended.
        """

    def close_input(self) -> None:
        """Nothing: a server of HTTP is told to end by a signal."""

    def close(self) -> None:
        """Nothing is held."""

    def _note(self, answer: str) -> None:
        self.last_answer = answer
