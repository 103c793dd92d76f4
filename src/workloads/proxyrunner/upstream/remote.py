"""Sends requests to a server that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.proxyrunner.remote import onward
from workloads.proxyrunner.upstream.client import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.remote import Remote
    from workloads.proxyrunner.upstream.answer import Answer
    from workloads.proxyrunner.upstream.connection import Asker

__all__ = ("RemoteUpstream",)

_REDIRECTS = frozenset((301, 302, 307, 308))
_MAX_REDIRECTS = 10


class RemoteUpstream(Upstream):
    """Connections to a remote server: each request gets what the server needs, and redirects on its host are followed.

    Args:
        remote: The server.
    """

    def __init__(self, remote: Remote) -> None:
        """Prepare; nothing is connected yet."""
        super().__init__()
        self._remote = remote

    async def send(
        self,
        address: ReplicaAddress,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
        *,
        rest: AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """As :meth:`Upstream.send`; a redirect is left to the client while the body of its request is on its way."""
        target, headers = self._remote.target(target), self._remote.dressed(headers)
        answer = await super().send(address, method, target, headers, body, rest=rest)
        for _ in range(_MAX_REDIRECTS):
            location = answer.header(b"location") if answer.status in _REDIRECTS and rest is None else None
            found = None if location is None else onward(address, target, location)
            if found is None:
                break
            answer.close()
            address, target = found
            answer = await super().send(address, method, target, headers, body)
        return answer

    def send_now(self, head: Asker, address: ReplicaAddress, request: bytes) -> None:
        """Nothing: whether an answer is a redirect is known later only."""
