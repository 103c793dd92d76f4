"""A request in flight on a shared pipe: who asked, and what came for it so far."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.link import ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.jsonrpc import Id, Message

__all__ = ("LOG_LEVELS", "MAX_QUEUED", "Call", "loud_enough")

MAX_QUEUED = 100
"""Notifications kept for one client that does not read them yet."""

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The levels of log messages, the least urgent first."""


def loud_enough(message: Message, level: str | None) -> bool:
    """Whether a log message is at least that urgent. Without a level none is; of an unknown level any is."""
    said = members(message.get("params")).get("level")
    if level not in LOG_LEVELS or said not in LOG_LEVELS:
        return level is not None
    return LOG_LEVELS.index(said) >= LOG_LEVELS.index(level)


class Call:
    """A request in flight, and what came for it so far.

    Args:
        request_id: The client's id of the request.
        minted: Its id on the pipe.
        token: The client's progress token; None when it gave none.
        request: What is to be sent.
        endless: Whether it is answered only when it is over, as a subscription is; its notifications must not be lost.
        owner: Who asked: a session, or what stands for one request of a client that has none. Default: nobody else.
        log_level: The least urgent log message that its client wants; None is none at all.
    """

    def __init__(
        self,
        request_id: Id,
        minted: str,
        token: Id | None,
        request: Message,
        *,
        endless: bool = False,
        owner: object = None,
        log_level: str | None = None,
    ) -> None:
        """A request that was just made."""
        self.request = request
        self.request_id = request_id
        self.minted = minted
        self.token = token
        self.endless = endless
        self.owner: object = self if owner is None else owner
        self.log_level = log_level
        self.can_ask = False
        """Whether questions can reach its client on the stream that answers it."""
        self.on_end: Callable[[], object] | None = None
        """Called when the call ends after its client has gone; until then nobody gave it up."""
        self.gone = ""
        """How the server ended, if it did before it answered."""
        self._notifications: deque[Message] = deque()
        self._response: Message | None = None
        self._paused = False
        self._late: Message | None = None
        self._lost = False
        self._news = asyncio.Event()

    @property
    def response(self) -> Message | None:
        """The answer, once all notifications before it were taken."""
        return None if self._notifications else self._response

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._response is not None or bool(self.gone)

    def notify(self, message: Message) -> None:
        """A message came, other than the answer, that belongs to the request."""
        if len(self._notifications) < MAX_QUEUED:
            self._notifications.append(message)
        elif self.endless:
            # A subscriber must not miss anything: a stream that ends tells it to look again.
            self._lost = True
        else:
            self._drop_one()
            self._notifications.append(message)
        self._news.set()

    def _drop_one(self) -> None:
        """Drop the oldest notification; what waits for an answer is none."""
        for index, message in enumerate(self._notifications):
            if "id" not in message:
                del self._notifications[index]
                return
        self._notifications.popleft()

    def resolve(self, message: Message) -> None:
        """The answer came."""
        if not self.done:
            self._response = message
            self._news.set()
        elif self._paused:  # the server did not wait for the client to come back
            self._late = message

    def pause(self, message: Message) -> None:
        """The client gets this for now, and will come back: :meth:`resume` then goes on."""
        self.resolve(message)
        self._paused = True

    def resume(self, request_id: Id, token: Id | None) -> None:
        """The request goes on after an answer that was not its last: under another id of the client's.

        Args:
            request_id: The new id.
            token: The new progress token.
        """
        self.request_id, self.token = request_id, token
        late, self._late = self._late, None
        self._response = None if late is None else {**late, "id": request_id}
        self._paused = False

    def fail(self, reason: str) -> None:
        """No answer will come."""
        self.gone = reason
        self._news.set()

    async def next(self) -> Message | None:
        """The next notification; None when there is none left and the answer is there.

        Raises:
            ServerGoneError: No answer will come, or notifications that must not be lost were.
        """
        while True:
            if self._notifications:
                return self._notifications.popleft()
            if self._response is not None:
                return None
            if self.gone or self._lost:
                raise ServerGoneError(self.gone or "too many notifications were not read")
            self._news.clear()
            await self._news.wait()
