"""A client of a bridge in the place of HTTP: one request, and what came for it."""

from __future__ import annotations

from typing import Any

from workloads.proxyrunner.bridge.request import BridgeRequest
from workloads.proxyrunner.jsonrpc import Kind

ELICITS = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


class Connection:
    """A client that stays."""

    lost = done = False
    arrived = True
    on_lost = None


class Client:
    """Sends one request, and keeps what it gets."""

    def __init__(self, method: str, request_id: int | str, **params: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": ELICITS}}
        scope = {"method": "POST", "headers": []}
        self.request = BridgeRequest(scope, None, self._send, Connection(), message, Kind.REQUEST)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        """The body of the answer, as far as it has come."""
        return b"".join(message.get("body", b"") for message in self.sent)
