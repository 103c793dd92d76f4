"""The access log: one record for each request, on a logger of its own, for those who switch that on."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from workloads.proxyrunner.asgi import header
from workloads.proxyrunner.jsonrpc import method_of

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Scope
    from workloads.proxyrunner.record import Record

__all__ = ("ACCESS", "Access", "AccessHandler", "AccessLog", "digest", "mcp_method")

ACCESS = "workloads.access"
"""The name of the logger."""

_log = logging.getLogger(ACCESS)
_LONGEST = 100
_KNOWN = 1024


class Access(NamedTuple):
    """A request as it is written down: the fields of its record, in their order.

    Attributes:
        workload: The workload.
        method: The HTTP method.
        path: The path as it came, with all that could begin a new line in a log still encoded; without the query.
        status: The HTTP status; 0 when the connection ended without one.
        seconds: How long it took.
        bytes: Bytes of the answer's body.
        backend: Host and port of the server; empty when none got it.
        session: A digest of the id of its session; empty without one.
        mcp_method: The method of its JSON-RPC message; empty when that is not known.
    """

    workload: str
    method: str
    path: str
    status: int
    seconds: float
    bytes: int
    backend: str
    session: str
    mcp_method: str


class AccessHandler(logging.Handler):
    """A handler that takes requests as they are. To make a record of each takes longer than to write it.

    It is asked when it is the only one that would get the records.
    """

    def tell(self, access: Access) -> None:
        """A request was answered. Called on the loop on which it was.

        Args:
            access: The request.
        """
        raise NotImplementedError


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

    def write(self, scope: Scope, record: Record, text: bytes) -> None:
        """Write a request down.

        Args:
            scope: The ASGI scope.
            record: What became of it.
            text: What was received of its body; empty when that is long.
        """
        session = record.session(scope["headers"])
        access = Access(
            self._workload,
            scope["method"],
            _shown(scope["raw_path"][:_LONGEST]),
            record.status,
            round(record.seconds, 6),
            record.sent,
            record.backend.decode("latin-1"),
            "" if session is None else digest(session),
            _shown(mcp_method(scope, text).encode()[:_LONGEST]),
        )
        handlers = _log.handlers
        if len(handlers) == 1 and isinstance(handlers[0], AccessHandler) and not _log.propagate:
            handlers[0].tell(access)
            return
        # As the logger does, but for the search of its caller, which takes as long as all that.
        told, arguments = "%s %s %d", (access.method, access.path, access.status)
        fields = access._asdict()
        _log.handle(_log.makeRecord(ACCESS, logging.INFO, __file__, 0, told, arguments, None, extra=fields))


@lru_cache(_KNOWN)
def digest(session: bytes) -> str:
    """What to call a session where its id must not be seen: who has that, has the session."""
    return hashlib.sha256(session).hexdigest()[:12]


def mcp_method(scope: Scope, text: bytes) -> str:
    """The method of the JSON-RPC message in a request; empty when there is none.

    Args:
        scope: The ASGI scope.
        text: What is known of its body.
    """
    named = header(scope["headers"], b"mcp-method")
    if named is not None:
        return named.decode("latin-1")
    return method_of(text) if scope["method"] == "POST" else ""


@lru_cache(_KNOWN)
def _shown(text: bytes) -> str:
    return ascii(text.decode("latin-1"))[1:-1]
