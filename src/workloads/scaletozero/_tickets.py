"""Who waits for sleeping to be forbidden, or to be allowed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workloads.errors import WorkloadsError
    from workloads.scaletozero._ledger import Disable
    from workloads.scaletozero.holds import Hold

__all__ = ("Ticket", "Tickets")


class Ticket:
    """Somebody waits.

    Attributes:
        subject: The hold or disable that it is for; None when sleeping is to be allowed.
        deadline: When the waiting ends; None for when the toggler's call does.
        done: Whether it has ended.
        error: Why in vain; None when it was not.
        wake: Called when it has ended.
    """

    __slots__ = ("deadline", "done", "error", "subject", "wake")

    def __init__(self, subject: Hold | Disable | None, deadline: float | None) -> None:
        """It has just begun."""
        self.subject = subject
        self.deadline = deadline
        self.done = False
        self.error: WorkloadsError | None = None
        self.wake: Callable[[], object] | None = None


class Tickets:
    """All who wait: for sleeping to be forbidden, and for it to be allowed."""

    def __init__(self) -> None:
        """Nobody."""
        self._forbid: dict[Ticket, None] = {}
        self._allow: dict[Ticket, None] = {}
        self.deadline: float | None = None
        """When the next one has waited long enough."""

    def __iter__(self) -> Iterator[Ticket]:
        yield from list(self._forbid)
        yield from list(self._allow)

    def add(self, ticket: Ticket) -> None:
        """Let one wait."""
        (self._allow if ticket.subject is None else self._forbid)[ticket] = None
        if ticket.deadline is not None and (self.deadline is None or ticket.deadline < self.deadline):
            self.deadline = ticket.deadline

    def settle(self, ticket: Ticket, error: WorkloadsError | None = None) -> None:
        """Let one wait no longer."""
        (self._allow if ticket.subject is None else self._forbid).pop(ticket, None)
        ticket.done, ticket.error = True, error
        if ticket.wake is not None:
            ticket.wake()

    def settle_all(self, *, forbidden: bool) -> None:
        """Let all who wait for sleeping to be forbidden, or all who wait for it to be allowed, wait no longer."""
        for ticket in list(self._forbid if forbidden else self._allow):
            self.settle(ticket)

    def subjects(self) -> set[Hold | Disable | None]:
        """What the waiting is for."""
        return {ticket.subject for ticket in self._forbid}

    def waits_for(self, subject: Disable) -> bool:
        """Whether anybody waits for this."""
        return any(ticket.subject is subject for ticket in self._forbid)

    def expired(self, now: float) -> list[Ticket]:
        """Those that have waited long enough."""
        if self.deadline is None or now < self.deadline:
            return []
        out = [ticket for ticket in self if ticket.deadline is not None and ticket.deadline <= now]
        self.deadline = min(
            (ticket.deadline for ticket in self if ticket.deadline is not None and ticket.deadline > now), default=None
        )
        return out
