"""A WebSocket that holds only while messages come and go."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from workloads.errors import WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.scaletozero._asgi_types import Application, Message, Receive, Scope, Send
    from workloads.scaletozero.holds import Hold

__all__ = ("Chatter",)

_LOG = logging.getLogger("workloads.scaletozero")


class Chatter:
    """The hold of one WebSocket: let go when nothing was said for a while, taken again with the next message.

    Args:
        hold: The hold that was taken for the connection.
        take: Takes another one.
        release: Ends one.
        idle: Seconds without a message after which it holds no longer.
        insist: Whether a message that comes while sleeping cannot be forbidden is an error.
    """

    def __init__(
        self,
        hold: Hold,
        take: Callable[[], Awaitable[Hold]],
        release: Callable[[Hold], object],
        *,
        idle: float,
        insist: bool,
    ) -> None:
        """It holds."""
        self._hold: Hold | None = hold
        self._take = take
        self._release = release
        self._idle = idle
        self._insist = insist
        self._timer: asyncio.TimerHandle | None = None

    async def serve(self, app: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an application serve the connection."""

        async def received() -> Message:
            message = await receive()
            await self._said()
            return message

        async def sent(message: Message) -> None:
            await self._said()
            await send(message)

        self._later()
        try:
            await app(scope, received, sent)
        finally:
            self._cancel()
            self._let_go()

    async def _said(self) -> None:
        """Something was said: hold, if it does not."""
        self._cancel()
        if self._hold is None:
            try:
                taken = await self._take()
            except WorkloadsError as error:
                if self._insist:
                    raise
                _LOG.warning("a websocket goes on although %s", error)
            else:
                self._let_go()  # of one that the other direction has taken meanwhile
                self._hold = taken
        self._later()

    def _later(self) -> None:
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self._let_go)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _let_go(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            self._release(hold)
