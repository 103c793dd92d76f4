"""What a controller tells about itself, as plain data."""

from __future__ import annotations

from typing import Any, Literal

import attrs

__all__ = ("Counters", "DisableStatus", "HoldStatus", "Owed", "Status")

Level = Literal["forbidden", "allowed", "unknown"]
"""What a toggler was last told, if that is known."""

Verb = Literal["disable", "enable"]
"""What a toggler can be told: to forbid sleeping, or to allow it."""


@attrs.frozen(kw_only=True)
class HoldStatus:
    """One hold.

    Attributes:
        owner: Who holds.
        reason: What for.
        age: Seconds since it was asked for.
        expires_in: Seconds until it ends by itself; None for never.
        waiting: Whether its owner still waits for sleeping to be forbidden.
    """

    owner: str
    reason: str
    age: float
    expires_in: float | None = None
    waiting: bool = False


@attrs.frozen(kw_only=True)
class DisableStatus:
    """One name that forbids sleeping.

    Attributes:
        name: The name.
        age: Seconds since it was disabled first.
        expires_in: Seconds until it ends by itself; None for never.
        waiting: Whether who disabled it still waits for sleeping to be forbidden.
    """

    name: str
    age: float
    expires_in: float | None = None
    waiting: bool = False


@attrs.frozen(kw_only=True)
class Owed:
    """A toggle that failed and will be tried again.

    Attributes:
        verb: What is to be done.
        attempts: How often in a row it has failed.
        error: What it failed with last.
        next_attempt_in: Seconds until it is tried again.
    """

    verb: Verb
    attempts: int
    error: str
    next_attempt_in: float


@attrs.frozen(kw_only=True)
class Counters:
    """What has happened since the controller was made.

    Attributes:
        disables: Calls that forbade sleeping.
        enables: Calls that allowed it.
        failed_disables: Calls that should have forbidden it and failed, or were late.
        failed_enables: Calls that should have allowed it and failed, or were late.
        owed: Failures that had to be made good in the background.
    """

    disables: int = 0
    enables: int = 0
    failed_disables: int = 0
    failed_enables: int = 0
    owed: int = 0


@attrs.frozen(kw_only=True)
class Status:
    """Why sleeping is forbidden, or when it will be allowed.

    Attributes:
        sleep: What the toggler was last told: sleeping is ``forbidden``, ``allowed``, or that is ``unknown``.
        holds: Who holds it awake, oldest first.
        disables: Which names forbid sleeping, oldest first.
        sleeps_in: Seconds until it will be allowed, if nothing else happens; 0 when it is, None while somebody forbids
            it.
        toggling: What the toggler is doing now; None for nothing.
        overdue: Whether that takes longer than it may.
        owed: A toggle that failed and will be tried again; None for none.
        counters: What has happened so far.
        closed: Whether the controller is closed, or frozen for good with sleeping allowed.
    """

    sleep: Level
    holds: tuple[HoldStatus, ...] = ()
    disables: tuple[DisableStatus, ...] = ()
    sleeps_in: float | None = None
    toggling: Verb | None = None
    overdue: bool = False
    owed: Owed | None = None
    counters: Counters = attrs.field(factory=Counters)
    closed: bool = False

    @property
    def degraded(self) -> bool:
        """Whether the toggler is not known to do what it should."""
        return self.owed is not None or self.overdue or self.sleep == "unknown"

    @property
    def oldest_hold(self) -> float | None:
        """Seconds since the oldest hold was asked for; None without one."""
        return max((hold.age for hold in self.holds), default=None)

    @property
    def oldest_disable(self) -> float | None:
        """Seconds since the oldest disable was made; None without one."""
        return max((disable.age for disable in self.disables), default=None)

    def to_dict(self) -> dict[str, Any]:
        """The status as a JSON object."""
        return attrs.asdict(self) | {
            "degraded": self.degraded,
            "oldest_hold": self.oldest_hold,
            "oldest_disable": self.oldest_disable,
        }
