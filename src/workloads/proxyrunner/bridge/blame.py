"""Whom a message of the server is about that does not say so. Pure: the clock is given.

On a pipe, log messages and requests of the server carry no hint of the request that caused them. While all requests in
flight are of one client there is no doubt; else there is, and a wrong guess would show a client what is another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workloads.proxyrunner.bridge.call import Call

__all__ = ("AFTERLIFE", "Blame")

AFTERLIFE = 30.0
"""Seconds for which a server may still be at a request that was cancelled: it need not tell when it ends."""

_MAX_GHOSTS = 1_000


class Blame:
    """Finds the client that something is about.

    Args:
        clock: The time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin without requests."""
        self._ghosts: TTLCache[str, object] = TTLCache(_MAX_GHOSTS, AFTERLIFE, timer=clock)

    def cancelled(self, call: Call) -> None:
        """A request was cancelled: the server may be at it for a while."""
        self._ghosts[call.minted] = call.owner

    def answered(self, minted: str) -> None:
        """The server answered a request that was cancelled."""
        self._ghosts.pop(minted, None)

    def find(self, calls: Iterable[Call]) -> Call | None:
        """The latest request of the only client that has any in flight; None when there is none, or several.

        Args:
            calls: All requests in flight, the latest last. Subscriptions cause nothing and do not count.
        """
        found: Call | None = None
        for call in calls:
            if call.endless:
                continue
            if found is not None and call.owner is not found.owner:
                return None
            found = call
        if found is not None and any(owner is not found.owner for owner in self._ghosts.values()):
            return None
        return found

    def quiet(self, calls: Iterable[Call]) -> bool:
        """Whether no request is in flight, nor has just been cancelled."""
        return not len(self._ghosts) and all(call.endless for call in calls)
