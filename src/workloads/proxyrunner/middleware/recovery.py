"""``recovery``: an error in what is behind it becomes an answer, and one line in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.asgi import ClientGoneError, respond
from workloads.proxyrunner.body import BodyError
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR
from workloads.proxyrunner.replies import refusal

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application, Message, Receive, Scope, Send
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext

__all__ = ("make",)

_log = logging.getLogger(__name__)


def make(_parameters: Any, context: MiddlewareContext) -> Middleware:
    """The middleware; it has no parameters."""
    return lambda application: _Recovery(application, context.workload)


class _Recovery:
    def __init__(self, application: Application, workload: str) -> None:
        self._application = application
        self._workload = workload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._application(scope, receive, watched)
        except (BodyError, ClientGoneError):
            # Not errors: the proxy answers the one, and nobody waits for an answer to the other.
            raise
        except Exception:
            _log.exception("request failed", extra={"workload": self._workload, "path": scope["path"]})
            if begun:
                raise
            await respond(send, refusal(500, INTERNAL_ERROR, "The proxy failed"))
