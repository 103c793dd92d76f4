"""Holds, disables and a toggler together: what is asked for goes in, the calls to make come out. Pure, without a lock.

Whoever drives it calls it with the time, makes the calls that :meth:`Machine.advance` returns, tells it how they ended,
and comes again at :meth:`Machine.due`. It decides from what is, never from what a timer once meant: one that comes too
early, too late or twice finds nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workloads.errors import ControllerClosedError, ToggleError, ToggleTimeoutError
from workloads.scaletozero._ledger import Disable, Ledger, check_name
from workloads.scaletozero._switch import Switch
from workloads.scaletozero._tickets import Ticket, Tickets
from workloads.scaletozero.status import Counters, DisableStatus, HoldStatus, Owed, Status

if TYPE_CHECKING:
    from collections.abc import Collection

    from workloads.errors import WorkloadsError
    from workloads.scaletozero._ledger import Policy
    from workloads.scaletozero._switch import Backoff, Call
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.status import Level, Verb

__all__ = ("Aged", "Failure", "Machine", "disable_statuses", "hold_statuses")


class Failure(NamedTuple):
    """A toggle that failed or is late.

    Attributes:
        error: What happened.
        retry_in: Seconds until the next attempt; None when none is owed.
    """

    error: ToggleError
    retry_in: float | None


class Aged(NamedTuple):
    """A disable that has become old.

    Attributes:
        name: The name.
        age: Seconds since it was made.
    """

    name: str
    age: float


class Machine:
    """Decides when sleeping is forbidden.

    Args:
        policy: When it may be allowed.
        awake: Whether it is forbidden at the beginning.
        timeout: Seconds that a call of the toggler may take.
        backoff: How long to wait after a failure.
        can_ask: Whether the toggler can be asked for its state.
        now: The time.
    """

    def __init__(
        self, policy: Policy, *, awake: bool, timeout: float, backoff: Backoff, can_ask: bool, now: float
    ) -> None:
        """Nobody holds anything yet."""
        self.ledger = Ledger(policy)
        self.switch = Switch(
            level="forbidden" if awake else "allowed", timeout=timeout, backoff=backoff, can_ask=can_ask
        )
        if awake:
            self.switch.forbidden_at = now
        self.ledger.left(now, self.switch.forbidden_at)
        self.closed = False
        self.frozen = False
        self._events: list[Failure | Aged] = []
        self._freezing = False
        self._timeout = timeout
        self._tickets = Tickets()
        self._counts = dict.fromkeys(("disables", "enables", "failed_disables", "failed_enables", "owed"), 0)

    # What is asked for

    def acquire(self, now: float, hold: Hold, timeout: float | None) -> Ticket | None:
        """Count a hold. Returns what to wait for; None when sleeping is forbidden already.

        Raises:
            ControllerClosedError: It was closed.
        """
        self._check_open()
        if self.frozen:
            return None
        self.ledger.add_hold(hold)
        return None if self.switch.forbidden else self._wait(now, hold, timeout)

    def grant(self, hold: Hold) -> bool:
        """Count a hold if sleeping is forbidden already; the short way of :meth:`acquire`."""
        if self.closed or self.frozen or self.switch.level != "forbidden" or self.switch.call is not None:
            return False
        self.ledger.add_hold(hold)
        return True

    def release(self, now: float, hold: Hold) -> bool:
        """End a hold; returns whether that was the last reason to stay awake."""
        ledger = self.ledger
        if not ledger.remove_hold(hold) or ledger.holds or ledger.disables:
            return False
        ledger.left(now, self.switch.forbidden_at)
        return True

    def disable(self, now: float, name: str, ttl: float | None, timeout: float | None = None) -> Ticket | None:
        """Count a name. Returns what to wait for; None when sleeping is forbidden already.

        Raises:
            ControllerClosedError: It was closed.
            InvalidNameError: That cannot be a name.
            TooManyDisablesError: There are too many.
        """
        self._check_open()
        check_name(name)
        if self.frozen:
            return None
        self.ledger.add_disable(now, name, None if ttl is None else now + ttl)
        return None if self.switch.forbidden else self._wait(now, self.ledger.disables[name], timeout)

    def enable(self, now: float, name: str) -> Ticket | None:
        """End a name. Returns what to wait for; None when sleeping is not to be allowed at once.

        Raises:
            ControllerClosedError: It was closed.
            InvalidNameError: That cannot be a name.
        """
        self._check_open()
        check_name(name)
        if self.ledger.remove_disable(name) and not self.ledger.busy:
            self.ledger.left(now, self.switch.forbidden_at)
        return self.allowed(now)

    def allowed(self, now: float) -> Ticket | None:
        """Somebody waits for sleeping to be allowed. Returns what to wait for; None when that is not to be now."""
        if self.target(now) != "allowed" or (self.switch.level == "allowed" and self.switch.call is None):
            return None
        return self._wait(now, None, None)

    def hurry(self, now: float) -> Ticket | None:
        """Do not wait for the rest of the cooldown. Returns what to wait for; None when somebody forbids sleeping.

        Raises:
            ControllerClosedError: It was closed.
        """
        self._check_open()
        if not self.ledger.busy:
            self.ledger.allow_at = now
        return self.allowed(now)

    def freeze(self, now: float) -> Ticket | None:
        """Allow sleeping, whoever forbids it, and then change nothing any more; when that fails all is as before."""
        if self.frozen or (self.switch.level == "allowed" and self.switch.call is None):
            self.frozen = True
            return None
        self._freezing = True
        return self._wait(now, None, None)

    def withdraw(self, now: float, ticket: Ticket) -> None:
        """Whoever waited does so no longer; what it was for does not count, unless it had come about."""
        if not ticket.done:
            self._give_up(now, ticket, None)

    def restore(self, now: float, name: str, *, age: float, expires_in: float | None) -> None:
        """Count a name that was disabled before this began.

        Args:
            now: The time.
            name: The name.
            age: Seconds since it was disabled.
            expires_in: Seconds until it ends by itself; None for never.
        """
        expires = None if expires_in is None else now + expires_in
        self.ledger.add_disable(now, name, expires)
        each = self.ledger.disables[name]
        each.since, each.confirmed = now - age, True

    def close(self, now: float) -> None:
        """Refuse whatever is asked for from now on, and whoever waits."""
        self.closed = True
        for ticket in self._tickets:
            self._give_up(now, ticket, ControllerClosedError())

    def forget(self, now: float, *, disables: bool) -> None:
        """End every hold, and every disable if told so; sleeping may be allowed at once when nothing is left."""
        for hold in list(self.ledger.holds):
            self.ledger.remove_hold(hold)
        if disables:
            self.ledger.disables.clear()
        self.ledger.allow_at = now
        self.switch.hurry()

    # What happens

    def advance(self, now: float) -> list[Call]:
        """Look at the clock and at what there is. Returns the calls to make."""
        ledger, switch = self.ledger, self.switch
        if ledger.expire(now) and not ledger.busy:
            ledger.left(now, switch.forbidden_at)
        if ledger.disables:
            self._events += [Aged(each.name, now - each.since) for each in ledger.aging(now)]
        if (late := switch.expire(now)) is not None:
            self._failed(now, late, ToggleTimeoutError(late.verb, f"{switch.error}; it may still come about"))
        self._look_at_tickets(now)
        calls: list[Call] = []
        while (call := switch.next(now, self.target(now))) is not None:
            calls.append(call)
        return calls

    def finish(self, now: float, call: Call, error: BaseException | None) -> None:
        """A call that was to change something has returned.

        Args:
            now: The time.
            call: The call.
            error: What it raised; None when it succeeded.
        """
        late = call.late
        if not self.switch.finish(now, call, error):
            return
        if error is None:
            self._succeeded(now, call)
        elif not late:
            reason = self.switch.error
            kind = ToggleTimeoutError if isinstance(error, TimeoutError) else ToggleError
            failure = kind(call.verb, reason)
            failure.__cause__ = error
            self._failed(now, call, failure)

    def answer(self, now: float, question: Call, state: TogglerState) -> None:
        """The toggler answered what its state is."""
        call = question.about
        if self.switch.answer(now, question, state) and call is not None:
            self._succeeded(now, call)

    def take_events(self) -> list[Failure | Aged]:
        """What is worth telling people, once."""
        events = self._events
        self._events = []
        return events

    def due(self, now: float) -> float | None:
        """When to call :meth:`advance` at the latest; None when only something from outside can change anything."""
        times = [self.ledger.due(), self.switch.due(self.target(now))]
        if not self.ledger.busy and self.switch.level != "allowed" and now < self.ledger.allow_at:
            times.append(self.ledger.allow_at)
        times.append(self._tickets.deadline)
        return min((time for time in times if time is not None), default=None)

    def target(self, now: float) -> Level | None:
        """What shall be; None when whatever is may stay."""
        if self._freezing:
            return "allowed"
        if self.frozen:
            return None
        if self.ledger.busy:
            return "forbidden"
        return "allowed" if now >= self.ledger.allow_at else None

    def status(self, now: float) -> Status:
        """What there is to tell."""
        ledger, switch = self.ledger, self.switch
        waiting = self._tickets.subjects()
        sleeps_in = None if ledger.busy else 0.0 if switch.level == "allowed" else max(0.0, ledger.allow_at - now)
        return Status(
            sleep=switch.level,
            holds=hold_statuses(ledger, now, waiting),
            disables=disable_statuses(ledger, now, waiting),
            sleeps_in=sleeps_in,
            toggling=None if switch.call is None else _verb(switch.call),
            overdue=switch.call is not None and switch.call.late,
            owed=self._owed(now),
            counters=Counters(**self._counts),
            closed=self.closed or self.frozen,
        )

    # How

    def _check_open(self) -> None:
        if self.closed:
            raise ControllerClosedError

    def _wait(self, now: float, subject: Hold | Disable | None, timeout: float | None) -> Ticket:
        late = self.switch.call is not None and self.switch.call.late
        ticket = Ticket(subject, now + timeout if timeout is not None else now + self._timeout if late else None)
        self._tickets.add(ticket)
        self.switch.hurry()
        return ticket

    def _look_at_tickets(self, now: float) -> None:
        """Settle those whose wish has come true, or whose time is out."""
        if self.switch.forbidden:
            for each in self.ledger.disables.values():
                each.confirmed = True
            self._tickets.settle_all(forbidden=True)
        if self.target(now) != "allowed":
            self._tickets.settle_all(forbidden=False)  # somebody forbids it again
        for ticket in self._tickets.expired(now):
            verb = "enable" if ticket.subject is None else "disable"
            self._give_up(now, ticket, ToggleTimeoutError(verb, "not in the time given; it may still come about"))

    def _succeeded(self, now: float, call: Call) -> None:
        self._counts["disables" if call.verb == "disable" else "enables"] += 1
        if call.verb == "enable":
            self.ledger.slept(now)
            if self._freezing:
                self._freezing, self.frozen = False, True
            self._tickets.settle_all(forbidden=False)
        if self.switch.level == "forbidden" and not self.ledger.busy:
            # Who asked for it has gone meanwhile. The time awake counts from now.
            self.ledger.left(now, self.switch.forbidden_at)
        self._look_at_tickets(now)

    def _failed(self, now: float, call: Call, error: ToggleError) -> None:
        self._counts["failed_disables" if call.verb == "disable" else "failed_enables"] += 1
        if call.verb == "enable":
            self._freezing = False
        for ticket in self._tickets:
            if (ticket.subject is None) == (call.verb == "enable"):
                self._give_up(now, ticket, error)
            elif call.late:
                verb = "enable" if ticket.subject is None else "disable"
                self._give_up(now, ticket, ToggleTimeoutError(verb, "an earlier call of the toggler has not returned"))
        if not self.ledger.busy and call.verb == "disable":
            self.ledger.left(now, self.switch.forbidden_at)
        owed = self.switch.level != "allowed" or self.ledger.busy
        if owed:
            self._counts["owed"] += 1
        self._events.append(Failure(error, max(0.0, self.switch.retry_at - now) if owed else None))

    def _give_up(self, now: float, ticket: Ticket, error: WorkloadsError | None) -> None:
        """Let somebody wait no longer, in vain; what it was for does not count, unless others wait for it too."""
        self._tickets.settle(ticket, error)
        subject, ledger = ticket.subject, self.ledger
        if isinstance(subject, Disable):
            unknown = ledger.disables.get(subject.name) is not subject
            if unknown or subject.confirmed or self._tickets.waits_for(subject):
                return
            ledger.remove_disable(subject.name)
        elif subject is None or not ledger.remove_hold(subject):
            return
        if not ledger.busy:
            ledger.left(now, self.switch.forbidden_at)

    def _owed(self, now: float) -> Owed | None:
        switch = self.switch
        if not switch.failures:
            return None
        verb: Verb = "disable" if self.ledger.busy else "enable"
        if switch.level == ("forbidden" if verb == "disable" else "allowed"):
            return None
        when = switch.retry_at if self.ledger.busy else max(switch.retry_at, self.ledger.allow_at)
        return Owed(verb=verb, attempts=switch.failures, error=switch.error, next_attempt_in=max(0.0, when - now))


def hold_statuses(
    ledger: Ledger, now: float, waiting: Collection[Hold | Disable | None] = ()
) -> tuple[HoldStatus, ...]:
    """What there is to tell of holds, oldest first."""
    return tuple(
        HoldStatus(
            owner=hold.owner,
            reason=hold.reason,
            age=now - hold.since,
            expires_in=_left(now, hold.expires),
            waiting=hold in waiting,
        )
        for hold in ledger.holds
    )


def disable_statuses(
    ledger: Ledger, now: float, waiting: Collection[Hold | Disable | None] = ()
) -> tuple[DisableStatus, ...]:
    """What there is to tell of disables, oldest first."""
    return tuple(
        DisableStatus(
            name=each.name, age=now - each.since, expires_in=_left(now, each.expires), waiting=each in waiting
        )
        for each in ledger.disables.values()
    )


def _left(now: float, expires: float | None) -> float | None:
    return None if expires is None else max(0.0, expires - now)


def _verb(call: Call) -> Verb:
    assert call.verb != "state"
    return call.verb
