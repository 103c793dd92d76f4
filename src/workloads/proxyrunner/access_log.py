"""The access log: one record for each request, on a logger of its own, for those who switch that on."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.asgi import header

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Scope
    from workloads.proxyrunner.peek import Peek
    from workloads.proxyrunner.record import Record

__all__ = ("ACCESS", "AccessLog", "digest", "mcp_method")

ACCESS = "workloads.access"
"""The name of the logger."""

_log = logging.getLogger(ACCESS)
_LONGEST = 100


class AccessLog:
    """Writes down the requests to one workload.

    Args:
        workload: Its name.
    """

    def __init__(self, workload: str) -> None:
        """Prepare to write."""
        self._workload = workload

    @property
    def enabled(self) -> bool:
        """Whether anybody wants to know. Until then nothing is made ready for it."""
        return _log.isEnabledFor(logging.INFO)

    def write(self, scope: Scope, record: Record, peek: Peek) -> None:
        """Write a request down.

        Args:
            scope: The ASGI scope.
            record: What became of it.
            peek: What was received of it.
        """
        # As it came, with all that could begin a new line in a log still encoded; and without the query.
        path = _shown(scope["raw_path"])
        session = record.session(scope["headers"])
        fields: dict[str, Any] = {
            "workload": self._workload,
            "method": scope["method"],
            "path": path,
            "status": record.status,
            "seconds": round(record.seconds, 6),
            "bytes": record.sent,
            "backend": record.backend.decode("latin-1"),
            "session": "" if session is None else digest(session),
            "mcp_method": _shown(mcp_method(scope, peek).encode()),
        }
        # As the logger does, but for the search of its caller, which takes as long as all that.
        text, arguments = "%s %s %d", (scope["method"], path, record.status)
        _log.handle(_log.makeRecord(ACCESS, logging.INFO, __file__, 0, text, arguments, None, extra=fields))


def digest(session: bytes) -> str:
    """What to call a session where its id must not be seen: who has that, has the session."""
    return hashlib.sha256(session).hexdigest()[:12]


def mcp_method(scope: Scope, peek: Peek) -> str:
    """The method of the JSON-RPC message in a request; empty when there is none, or when it is in a long message."""
    named = header(scope["headers"], b"mcp-method")
    if named is not None:
        return named.decode("latin-1")
    method = peek.message().get("method") if scope["method"] == "POST" else None
    return method if isinstance(method, str) else ""


def _shown(text: bytes) -> str:
    return ascii(text[:_LONGEST].decode("latin-1"))[1:-1]
