"""What keeps a workload awake, as plain data, between a proxy runner and whoever asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from workloads.scaletozero.status import DisableStatus, HoldStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Usage",)


@attrs.frozen(kw_only=True)
class Usage:
    """Why a workload is awake, or how it sleeps.

    Attributes:
        sleeps: Whether it ever goes to sleep.
        asleep: Whether it sleeps now.
        sleeps_in: Seconds until it goes to sleep if nothing else happens; None while something keeps it awake, or if it
            never sleeps.
        holds: Who holds it awake, oldest first. All its clients together are one.
        disables: Which names keep it awake, oldest first.
        requests: How many requests are under way.
        streams: How many streams are open.
        sessions: How many sessions were used lately.
        session_idle: Seconds since the last of them was used; None without any.
        trouble: Why the last attempt to wake it, or to put it to sleep, has failed; empty when it has not.
    """

    sleeps: bool
    asleep: bool = False
    sleeps_in: float | None = None
    holds: tuple[HoldStatus, ...] = ()
    disables: tuple[DisableStatus, ...] = ()
    requests: int = 0
    streams: int = 0
    sessions: int = 0
    session_idle: float | None = None
    trouble: str = ""

    @property
    def in_use(self) -> bool:
        """Whether something keeps it awake now."""
        return bool(self.holds or self.disables or self.requests or self.streams or self.sessions)

    def users(self) -> list[str]:
        """What keeps it awake, for people."""
        found = [_held(hold) for hold in self.holds]
        found += [f"{disable.name} has disabled sleeping {_ago(disable.age)}" for disable in self.disables]
        if self.requests:
            found.append(f"{_count(self.requests, 'request')} under way")
        if self.streams:
            found.append(f"{_count(self.streams, 'stream')} open")
        if self.session_idle is not None:
            found.append(f"{_count(self.sessions, 'session')}, last used {_ago(self.session_idle)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Usage:
        """From the JSON object that :meth:`to_dict` made, perhaps in a later version."""
        known = {field.name for field in attrs.fields(cls)}
        given: dict[str, Any] = {key: value for key, value in document.items() if key in known}
        given["holds"] = tuple(HoldStatus(**each) for each in document["holds"])
        given["disables"] = tuple(DisableStatus(**each) for each in document["disables"])
        return cls(**given)


def _held(hold: HoldStatus) -> str:
    reason = f" ({hold.reason})" if hold.reason else ""
    return f"held by {hold.owner or 'somebody'}{reason} since {hold.age:.0f} s"


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s ago"


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
