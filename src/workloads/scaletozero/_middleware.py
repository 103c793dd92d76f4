"""ASGI middleware: a hold for each request."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Literal

from workloads.errors import WorkloadsError
from workloads.scaletozero._chatter import Chatter
from workloads.scaletozero._facade import acquire_nowait, face, release_nowait
from workloads.scaletozero._problems import CONTROL_PATHS, problem, send_reply
from workloads.scaletozero.bypass import Request

if TYPE_CHECKING:
    from workloads.scaletozero._asgi_types import Application, Receive, Scope, Send
    from workloads.scaletozero.bypass import Bypass
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController, Controller

__all__ = ("ScaleToZeroMiddleware",)

_LOG = logging.getLogger("workloads.scaletozero")

_TRY_AGAIN_LATER = 1013


class ScaleToZeroMiddleware:
    """Forbids sleeping while an ASGI application serves anybody.

    A request holds from its beginning until the application has returned, which is after its last byte; a WebSocket
    holds while it is open; the lifespan of the application holds nothing, and neither do the routes of ``control_app``.
    When sleeping cannot be forbidden, the request is refused with 503, and the application not called.

    Args:
        app: The application.
        controller: Who forbids sleeping; one for asyncio, or one for threads, whose waiting is done in threads.
        owner: The owner of the holds; ``http`` by default. Their reason is the method and the path.
        on_failure: ``refuse`` (the default), or ``run`` to serve without a hold when none can be had.
        bypass: Which requests take no hold; None (the default) for none.
        drain_delay: Seconds to hold on after the application has returned, for what the system has still to send; 0 by
            default.
        websocket_idle: Seconds without a message after which an open WebSocket holds no longer, until the next one;
            None (the default) for never.
    """

    def __init__(
        self,
        app: Application,
        controller: Controller | AsyncController,
        *,
        owner: str = "http",
        on_failure: Literal["refuse", "run"] = "refuse",
        bypass: Bypass | None = None,
        drain_delay: float = 0.0,
        websocket_idle: float | None = None,
    ) -> None:
        """The application, with holds around it."""
        self._app = app
        self._face = face(controller)
        self._acquire_nowait = acquire_nowait(controller)
        self._release_nowait = release_nowait(controller)
        self._owner = owner
        self._refuses = on_failure == "refuse"
        self._bypass = bypass
        self._drain_delay = drain_delay
        self._websocket_idle = websocket_idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        path: str = scope["path"]
        if (self._bypass is not None or path.endswith(CONTROL_PATHS)) and self._passes(scope, path):
            return await self._app(scope, receive, send)
        reason = f"{scope['method'] if kind == 'http' else 'websocket'} {path}"
        hold = self._acquire_nowait(self._owner, reason=reason)
        if hold is None:
            try:
                hold = await self._face.acquire(self._owner, reason=reason)
            except WorkloadsError as error:
                if self._refuses:
                    _LOG.warning("%s refused: %s", reason, error)
                    return await _refuse(scope, send)
                return await self._app(scope, receive, send)
        if kind == "websocket" and self._websocket_idle is not None:
            take = partial(self._face.acquire, self._owner, reason=reason)
            chatter = Chatter(hold, take, self._release_nowait, idle=self._websocket_idle, insist=self._refuses)
            return await chatter.serve(self._app, scope, receive, send)
        try:
            await self._app(scope, receive, send)
        finally:
            self._release(hold)

    def _release(self, hold: Hold) -> None:
        if self._drain_delay:
            asyncio.get_running_loop().call_later(self._drain_delay, self._release_nowait, hold)
        else:
            self._release_nowait(hold)

    def _passes(self, scope: Scope, path: str) -> bool:
        """Whether a request takes no hold."""
        if path.removeprefix(scope.get("root_path", "")) in CONTROL_PATHS:
            return True
        if self._bypass is None:
            return False
        headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        return self._bypass.applies(
            Request(
                peer=client[0] if client else "",
                method=scope.get("method", "GET"),
                path=path,
                user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
                forwarded_for=headers.get(b"x-forwarded-for", b"").decode("latin-1"),
            )
        )


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "http":
        detail = "The service cannot be kept awake for this request. Try again."
        await send_reply(send, problem(503, detail, headers=((b"retry-after", b"1"),)))
    else:
        await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER, "reason": "try again later"})
