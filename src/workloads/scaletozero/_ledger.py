"""Who forbids sleeping, and from when on it may be allowed when nobody does. Pure."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import deque
from typing import TYPE_CHECKING

import attrs

from workloads.errors import InvalidNameError, TooManyDisablesError

if TYPE_CHECKING:
    from workloads.scaletozero.holds import Hold

__all__ = ("Disable", "Ledger", "Policy", "check_name")

_FEW = 64
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def check_name(name: str) -> None:
    """Check that something can be the name of a disable.

    Args:
        name: The name.

    Raises:
        InvalidNameError: It cannot.
    """
    if not _NAME.fullmatch(name) or not name.strip("."):
        raise InvalidNameError(name, "must be 1 to 128 letters, digits, '.', '_' or '-', not only dots", kind="disable")


def _seconds(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be a number of seconds, 0 or more, not {value!r}")


@attrs.define(kw_only=True)
class Policy:
    """When sleeping may be allowed. May be changed; a change counts from the next time that nobody is left.

    Attributes:
        cooldown: Seconds for which nobody must have held it.
        min_awake: Seconds since sleeping was forbidden.
        max_sleeps: How often it may be allowed within ``window``; 0 for no limit.
        window: Seconds.
        max_disables: How many names may forbid sleeping at once.
        disable_limit: Seconds after which a disable is worth a warning.
    """

    cooldown: float = attrs.field(default=1.0, validator=_seconds)
    min_awake: float = attrs.field(default=0.0, validator=_seconds)
    max_sleeps: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    window: float = attrs.field(default=3600.0, validator=_seconds)
    max_disables: int = attrs.field(default=1024, validator=attrs.validators.ge(1))
    disable_limit: float = attrs.field(default=3600.0, validator=_seconds)


@attrs.define(eq=False)
class Disable:
    """One name that forbids sleeping.

    Attributes:
        name: The name.
        since: When it was disabled first.
        expires: When it ends by itself; None for never.
        confirmed: Whether whoever disabled it was told so.
        warned: Whether it was warned of for its age.
    """

    name: str
    since: float
    expires: float | None
    confirmed: bool = False
    warned: bool = False


class Ledger:
    """The reasons to stay awake.

    Args:
        policy: When sleeping may be allowed without any.
    """

    def __init__(self, policy: Policy) -> None:
        """No reasons."""
        self.policy = policy
        self.holds: dict[Hold, None] = {}
        self.disables: dict[str, Disable] = {}
        self.allow_at = float("-inf")
        """From when on sleeping may be allowed when nobody forbids it."""
        self._numbers = itertools.count()
        self._expiries: list[tuple[float, int, Hold | Disable]] = []
        self._sleeps: deque[float] = deque()

    @property
    def busy(self) -> bool:
        """Whether anybody forbids sleeping."""
        return bool(self.holds or self.disables)

    def add_hold(self, hold: Hold) -> None:
        """Count a new hold."""
        self.holds[hold] = None
        if hold.expires is not None:
            self._expire_later(hold.expires, hold)

    def remove_hold(self, hold: Hold) -> bool:
        """End a hold; returns whether it counted."""
        if self.holds.pop(hold, self) is self:
            return False
        hold.live = False
        return True

    def add_disable(self, now: float, name: str, expires: float | None) -> bool:
        """Count a name, or lengthen its time; returns whether it is new.

        Raises:
            TooManyDisablesError: There are too many.
        """
        known = self.disables.get(name)
        if known is None and len(self.disables) >= self.policy.max_disables:
            raise TooManyDisablesError(self.policy.max_disables)
        each = known or Disable(name, now, expires)
        if known is not None:
            if known.expires is None or (expires is not None and expires <= known.expires):
                return False
            known.expires = expires
        self.disables[name] = each
        if expires is not None:
            self._expire_later(expires, each)
        return known is None

    def remove_disable(self, name: str) -> bool:
        """End a name's disable; returns whether there was one."""
        return self.disables.pop(name, None) is not None

    def expire(self, now: float) -> bool:
        """End whatever has come to the end of its time; returns whether anything has."""
        ended = False
        while self._expiries and self._expiries[0][0] <= now:
            _, _, each = heapq.heappop(self._expiries)
            if each.expires is None or each.expires > now:
                continue  # it was lengthened
            if isinstance(each, Disable):
                if self._counts(each):
                    del self.disables[each.name]
                    ended = True
            else:
                ended |= self.remove_hold(each)
        return ended

    def aging(self, now: float) -> list[Disable]:
        """The disables that have just become old."""
        limit = self.policy.disable_limit
        old = [each for each in self.disables.values() if not each.warned and now >= each.since + limit]
        for each in old:
            each.warned = True
        return old

    def due(self) -> float | None:
        """When :meth:`expire` or :meth:`aging` will have something to do."""
        times = [each.since + self.policy.disable_limit for each in self.disables.values() if not each.warned]
        if self._expiries:
            times.append(self._expiries[0][0])
        return min(times, default=None)

    def left(self, now: float, forbidden_at: float) -> None:
        """Nobody is left: reckon from when on sleeping may be allowed.

        Args:
            now: The time.
            forbidden_at: When sleeping was last forbidden.
        """
        policy = self.policy
        self.allow_at = max(now + policy.cooldown, forbidden_at + policy.min_awake)
        if policy.max_sleeps and len(self._sleeps) >= policy.max_sleeps:
            self.allow_at = max(self.allow_at, self._sleeps[-policy.max_sleeps] + policy.window)

    def slept(self, now: float) -> None:
        """Sleeping was allowed."""
        if self.policy.max_sleeps:
            self._sleeps.append(now)
            while len(self._sleeps) > self.policy.max_sleeps:
                self._sleeps.popleft()

    def _expire_later(self, when: float, what: Hold | Disable) -> None:
        if len(self._expiries) > _FEW + 2 * (len(self.holds) + len(self.disables)):
            # Most of it ended before its time.
            self._expiries = [each for each in self._expiries if self._counts(each[2])]
            heapq.heapify(self._expiries)
        heapq.heappush(self._expiries, (when, next(self._numbers), what))

    def _counts(self, what: Hold | Disable) -> bool:
        return self.disables.get(what.name) is what if isinstance(what, Disable) else what.live
