"""Which replica holds which session. Pure: the clock is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MAX_PINS", "Pin", "Pins")

MAX_PINS = 10_000
"""Sessions that are known at the same time; of more, the one unused for longest is forgotten."""

T = TypeVar("T")


@attrs.define(eq=False)
class Pin(Generic[T]):
    """A session that is known.

    Attributes:
        holder: What holds the session.
        seen: When it was last used, in seconds.
        busy: How many of its exchanges are under way.
    """

    holder: T
    seen: float
    busy: int = 0


class Pins(Generic[T]):
    """The sessions of all replicas, each pinned to its holder.

    Args:
        ttl: Seconds without an exchange after which a session is forgotten.
        clock: The time, in seconds.
        limit: How many are known at the same time.
    """

    def __init__(self, *, ttl: float, clock: Callable[[], float], limit: int = MAX_PINS) -> None:
        """Begin with none."""
        self._ttl = ttl
        self._clock = clock
        self._pins: LRUCache[str, Pin[T]] = LRUCache(limit)

    def __len__(self) -> int:
        return len(self._pins)

    def pin(self, session: str, holder: T) -> None:
        """The session is held there from now on."""
        self._pins[session] = Pin(holder, self._clock())

    def find(self, session: str) -> Pin[T] | None:
        """The pin of a session; None when it is not known, or not any more."""
        pin = self._pins.get(session)
        if pin is not None and not pin.busy and self._clock() - pin.seen > self._ttl:
            self.drop(session)
            return None
        return pin

    def enter(self, pin: Pin[T]) -> None:
        """An exchange of the session begins; until it has left, the session does not expire."""
        pin.busy += 1

    def leave(self, pin: Pin[T]) -> None:
        """An exchange of the session has ended."""
        pin.busy -= 1
        pin.seen = self._clock()

    def drop(self, session: str) -> None:
        """Forget a session, if it is known."""
        self._pins.pop(session, None)
