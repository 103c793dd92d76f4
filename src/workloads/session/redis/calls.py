"""What is asked of Redis, with bounds: of time, of number, of repetition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from redis.exceptions import ResponseError

from workloads.errors import CorruptSessionError, SessionStoreUnavailableError
from workloads.session.owner import Owner
from workloads.session.redis.reasons import FAILURES, explain, is_lost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.session.redis.target import Target

__all__ = ("Answer", "Calls")

T = TypeVar("T")

_PAUSES = (0.02, 0.1)
"""Seconds before each repetition: enough for a connection that went stale and for a server that just came back."""


class Answer(NamedTuple):
    """What Redis answered.

    Attributes:
        value: The answer.
        repeated: Whether it was asked before without an answer, and may have done it then already.
    """

    value: object
    repeated: bool


class Calls:
    """Asks of one storage. They belong to its loop, end in a bounded time, and fail with errors of this library."""

    def __init__(self, target: Target) -> None:
        """Ask nothing yet.

        Args:
            target: Where Redis is, and its bounds.
        """
        self.owner = Owner("RedisStorage")
        self._target = target
        self.limit = target.socket_connect_timeout + target.socket_timeout
        self._slots = asyncio.Semaphore(target.max_connections)
        self._closed = False

    def close(self) -> None:
        """Ask nothing any more."""
        self.owner.check()
        self._closed = True

    async def settle(self) -> None:
        """Wait until nothing is being asked; for those who closed, since it may never be so before."""
        for _ in range(self._target.max_connections):
            await self._slots.acquire()
        for _ in range(self._target.max_connections):
            self._slots.release()

    async def attempt(self, command: Callable[[], Awaitable[T | None]]) -> T | None:
        """The answer to a command that ends in time by itself: it needs no slot, and no limit of time to be set.

        Args:
            command: Sends it.

        Returns:
            The answer; None when it was lost, so that it is worth asking again.

        Raises:
            SessionStoreUnavailableError: There is no answer.
        """
        self.check()
        try:
            return await command()
        except FAILURES as error:
            if is_lost(error):
                return None
            failure = self._failure(error, "")
        raise failure

    async def ask(self, command: Callable[[], Awaitable[T]], *, session_id: str = "", spent: float = 0.0) -> T:
        """The answer to a command that can be repeated.

        Args:
            command: Sends it.
            session_id: The session that it is about.
            spent: Seconds of the time to end in that were spent on it already.

        Raises:
            SessionStoreUnavailableError: There is no answer.
            CorruptSessionError: The session's value is no text.
        """
        value, _ = await self._ask(command, session_id, spent)
        return value

    async def ask_once(self, command: Callable[[], Awaitable[object]], *, session_id: str) -> Answer:
        """The answer to a command, and whether an earlier try may have done it already.

        Args:
            command: Sends it.
            session_id: The session that it is about.

        Raises:
            SessionStoreUnavailableError: There is no answer.
            CorruptSessionError: The session's value is no text.
        """
        return Answer(*await self._ask(command, session_id))

    def unavailable(self, reason: str) -> SessionStoreUnavailableError:
        """The error that says that Redis cannot be reached.

        Args:
            reason: Why.
        """
        return SessionStoreUnavailableError(str(self._target), "it is closed" if self._closed else reason)

    def explain(self, error: Exception) -> str:
        """What an error means, without secrets.

        Args:
            error: What redis-py raised.
        """
        return explain(error, self._target.secrets)

    def check(self) -> None:
        """Find that this may be used, in the loop that runs.

        Raises:
            RuntimeError: It belongs to another loop.
            SessionStoreUnavailableError: It is closed.
        """
        self.owner.check()
        if self._closed:
            raise self.unavailable("")

    async def _ask(self, command: Callable[[], Awaitable[T]], session_id: str, spent: float = 0.0) -> tuple[T, bool]:
        self.check()
        # What redis-py raised can hold what it sent. Errors are raised after it is gone, so that none refers to it.
        try:
            async with asyncio.timeout(self.limit - spent), self._slots:
                if not self._closed:
                    return await self._repeat(command)
                failure = self.unavailable("")
        except FAILURES as error:
            failure = self._failure(error, session_id)
        raise failure

    def _failure(self, error: Exception, session_id: str) -> SessionStoreUnavailableError:
        if isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE"):
            return CorruptSessionError(session_id, str(self._target), "its value is no text")
        return self.unavailable(self.explain(error))

    async def _repeat(self, command: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        repeated = False
        for pause in _PAUSES:
            try:
                return await command(), repeated
            except FAILURES as error:
                if not is_lost(error) or self._closed:
                    raise
            repeated = True
            await asyncio.sleep(pause)
        return await command(), repeated
