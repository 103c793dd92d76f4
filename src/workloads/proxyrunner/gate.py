"""The gate between clients and the server: open while it is ready; else requests wait here, for a while."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

__all__ = ("HOLD", "MAX_HELD", "MAX_HELD_BYTES", "Gate", "UnavailableError")

HOLD = 9.0
"""Seconds a request waits for the server. Clients give ``server/discover`` ten before they take it for a verdict."""

MAX_HELD = 128
"""Requests that may wait at the same time."""

MAX_HELD_BYTES = 64 * 2**20
"""Bytes that the requests which wait may have together."""

T = TypeVar("T")


class UnavailableError(Exception):
    """No server to send a request to; the message says why.

    Attributes:
        ending: Whether there will be none any more, because the proxy ends.
        late: Whether there was one that did not become ready in the time it had.
    """

    def __init__(self, reason: str, *, ending: bool = False, late: bool = False) -> None:
        self.ending = ending
        self.late = late
        super().__init__(reason)


class Gate(Generic[T]):
    """Holds requests until there is something to send them to.

    Args:
        max_held: Requests that may wait at the same time.
        max_bytes: Bytes that they may have together.
    """

    def __init__(self, max_held: int = MAX_HELD, max_bytes: int = MAX_HELD_BYTES) -> None:
        """Begin shut."""
        self._max_held = max_held
        self._max_bytes = max_bytes
        self._held = 0
        self._held_bytes = 0
        self._target: T | None = None
        self._leaving: T | None = None
        self._refused = ""
        self._ending = False
        self._changed = asyncio.Event()

    @property
    def target(self) -> T | None:
        """What requests are sent to while the gate is open; None while it is shut."""
        return self._target

    def now(self) -> T | None:
        """What a request that comes now is sent to; None when it has to :meth:`enter`."""
        return self._target

    @property
    def waiting(self) -> bool:
        """Whether requests wait here now."""
        return self._target is None and not self._refused

    @property
    def refusing(self) -> bool:
        """Whether no request passes nor waits any more."""
        return bool(self._refused)

    @property
    def leaving(self) -> T | None:
        """What the gate was open to when it began to refuse: messages for requests in flight still go there."""
        return self._leaving

    def open(self, target: T) -> None:
        """Let requests pass, those that wait first. A gate that refuses stays as it is."""
        if not self._refused:
            self._target = target
            self._announce()

    def shut(self) -> None:
        """Let requests wait."""
        self._target = self._leaving = None

    def refuse(self, reason: str, *, ending: bool = False) -> None:
        """Let no request pass nor wait any more, for good.

        Args:
            reason: Why, for the client.
            ending: Whether the proxy ends, so that the client had better not come back on this connection.
        """
        self._refused, self._ending = reason, ending
        if self._target is not None:
            self._leaving, self._target = self._target, None
        self._announce()

    async def enter(self, timeout: float = HOLD, *, size: int = 0) -> T:  # noqa: ASYNC109  # a gate bounds waiting
        """Wait until the gate is open.

        Args:
            timeout: Seconds to wait at most.
            size: Bytes of the request that are kept meanwhile.

        Returns:
            What to send the request to.

        Raises:
            UnavailableError: It did not open in time, refuses, or too many wait already.
        """
        target = self.now()
        if target is not None:
            return target
        if self._refused:
            raise UnavailableError(self._refused, ending=self._ending)
        if self._held >= self._max_held or self._held_bytes + size > self._max_bytes:
            raise UnavailableError("The server is starting and too many requests wait for it")
        self._held += 1
        self._held_bytes += size
        try:
            async with asyncio.timeout(timeout):
                return await self._wait()
        except TimeoutError:
            raise UnavailableError("The server is not ready yet") from None
        finally:
            self._held -= 1
            self._held_bytes -= size

    async def opened(self) -> T:
        """Wait until the gate is open, without passing and for as long as that takes.

        Returns:
            What requests are sent to.

        Raises:
            UnavailableError: It refuses.
        """
        while self._target is None:
            if self._refused:
                raise UnavailableError(self._refused, ending=self._ending)
            await self._changed.wait()
        return self._target

    async def _wait(self) -> T:
        return await self.opened()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
