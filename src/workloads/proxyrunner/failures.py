"""What a client is told when its request could not be forwarded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner import replies
from workloads.proxyrunner.asgi import cut, respond
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR
from workloads.proxyrunner.protocol import SESSION_NOT_FOUND
from workloads.proxyrunner.sought import SessionTakenError, UnknownSessionError
from workloads.proxyrunner.upstream import BadAnswerError, ConnectFailedError, ResetError

if TYPE_CHECKING:
    from workloads.proxyrunner.exchange import Exchange

__all__ = ("FAILURES", "fail")

_log = logging.getLogger(__name__)

FAILURES = (
    UnavailableError,
    UnknownSessionError,
    SessionTakenError,
    SessionStoreUnavailableError,
    ConnectFailedError,
    ResetError,
    BadAnswerError,
)
"""The errors that end a request before it has an answer."""


async def fail(exchange: Exchange, error: Exception) -> None:
    """Answer a request that got no answer.

    Args:
        exchange: The request.
        error: Why, one of :data:`FAILURES`.
    """
    _log.debug("request failed", extra={"reason": str(error), "path": exchange.scope["path"]})
    if exchange.discovers:
        await cut(exchange.scope, exchange.receive)
        return
    request = await exchange.message()
    if isinstance(error, BadAnswerError):
        message = "The server's answer cannot be understood"
        reply = replies.refusal(502, INTERNAL_ERROR, message, request=request)
    elif isinstance(error, UnknownSessionError):
        reply = replies.refusal(404, SESSION_NOT_FOUND, "Session not found", request=request)
    elif isinstance(error, SessionTakenError):
        message = "The server named a new session as another is named"
        reply = replies.refusal(502, INTERNAL_ERROR, message, request=request)
    elif isinstance(error, SessionStoreUnavailableError):
        reply = replies.unavailable("The session store cannot be reached", request=request)
    elif isinstance(error, UnavailableError):
        reply = replies.unavailable(str(error), request=request, ending=error.ending, late=error.late)
    else:
        reply = replies.unavailable("The server cannot be reached", request=request)
    await respond(exchange.send, reply)
