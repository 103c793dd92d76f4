"""What ``/health`` tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.replies import Reply, json_reply, method_not_allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ("HEALTH_PATH", "Health")

HEALTH_PATH = "/health"


class Health:
    """Whether the workload can serve, as last seen.

    Args:
        transport: How the server talks.
        clock: The time, in UTC.
        short: Whether fewer copies of the server are ready than there shall be. Default: they never are.
    """

    def __init__(
        self, transport: str, clock: Callable[[], datetime], short: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin as not ready."""
        self._transport = transport
        self._clock = clock
        self._short = short
        self._available = False
        self._error = "starting"
        self._leaving = False
        self._checked: datetime | None = None
        self._response_ms = 0

    @property
    def available(self) -> bool:
        """Whether requests can be served."""
        return self._available

    def ready(self, took: float) -> None:
        """The server answered a request of the protocol, in so many seconds."""
        self._checked, self._response_ms = self._clock(), round(took * 1000)
        if not self._leaving:
            self._available, self._error = True, ""

    def down(self, reason: str) -> None:
        """No request can be served now."""
        self._available, self._error = False, reason
        self._checked = self._clock()

    def leave(self, reason: str) -> None:
        """The proxy ends: from now on it is not ready, whatever the server says."""
        self._leaving = True
        self.down(reason)

    def reply(self, method: str) -> Reply:
        """The answer to a request for ``/health``: 200 when requests can be served, else 503.

        What can be served, but not by all the copies of the server that there shall be, is degraded.
        """
        if method not in ("GET", "HEAD"):
            return method_not_allowed("GET", "HEAD")
        mcp: dict[str, Any] = {"available": self._available}
        if self._available:
            mcp["response_time_ms"] = self._response_ms
        else:
            mcp["error"] = self._error
        if self._checked is not None:
            mcp["last_checked"] = _text(self._checked)
        status = "unhealthy"
        if self._available:
            status = "degraded" if self._short() else "healthy"
        body = {
            "status": status,
            "timestamp": _text(self._clock()),
            "transport": self._transport,
            "mcp": mcp,
        }
        return json_reply(200 if self._available else 503, json.dumps(body).encode())


def _text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
