"""Several processes of a stdio server: a session stays with one, and what is of none goes to the idlest.

The state of a request that goes over several rounds means something to the process only that gave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import header
from workloads.proxyrunner.balance import Balance
from workloads.proxyrunner.jsonrpc import members

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.bridge.app import Front
    from workloads.proxyrunner.bridge.process_front import ProcessFront
    from workloads.proxyrunner.bridge.request import BridgeRequest

__all__ = ("FrontPool",)


class FrontPool:
    """The processes that are ready, served to clients as one. Implements ``Front``."""

    def __init__(self) -> None:
        """Begin empty."""
        self._fronts: list[ProcessFront] = []
        self._balance = Balance()

    def __len__(self) -> int:
        return len(self._fronts)

    def add(self, target: ProcessFront) -> None:
        """A process is ready."""
        self._fronts.append(target)

    def remove(self, target: ProcessFront) -> None:
        """A process is ready no more."""
        self._fronts = [front for front in self._fronts if front is not target]

    @property
    def discovered(self) -> dict[str, Any]:
        """The result of ``server/discover``: of one, as they are copies of one server."""
        return self._fronts[0].discovered

    async def post(self, request: BridgeRequest) -> None:
        """Serve a POST."""
        await self._choose(request).post(request)

    async def get(self, request: BridgeRequest) -> None:
        """Serve a GET."""
        await self._choose(request).get(request)

    async def delete(self, request: BridgeRequest) -> None:
        """Serve a DELETE."""
        await self._choose(request).delete(request)

    def _choose(self, request: BridgeRequest) -> Front:
        if request.method == "initialize":
            return self._fronts[self._balance.choose([front.sessions for front in self._fronts])]
        session = header(request.headers, b"mcp-session-id")
        if session is not None:
            session_id = session.decode("latin-1")
            for front in self._fronts:
                if front.holds(session_id):
                    return front
            # Nobody holds it, and each of them can say so.
        state = members(request.params).get("requestState")
        if isinstance(state, str):
            for front in self._fronts:
                if front.remembers(state):
                    return front
        return self._fronts[self._balance.choose([front.load for front in self._fronts])]
