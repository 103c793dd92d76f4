"""Any order of wishes, failures, delays, late calls and cancellations, against a model of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workloads.scaletozero._ledger import Policy
from workloads.scaletozero._machine import Machine
from workloads.scaletozero._switch import Backoff, Call
from workloads.scaletozero.holds import Hold

if TYPE_CHECKING:
    from workloads.scaletozero._tickets import Ticket

TIMEOUT = 5.0


class Keeper:
    """What a hold asks to be released; the model releases by itself."""

    def release_hold(self, hold: Hold) -> None:
        raise AssertionError


class Platform(RuleBasedStateMachine):
    """The machine, a toggler whose calls land and return when they like, and people with wishes.

    A call that is to return without an error lands before it returns. One that fails lands or not: an ``enable`` that
    has landed says so with ``TimeoutError``, which is what a toggler promises.
    """

    @initialize(
        cooldown=st.sampled_from([0.0, 1.0]), min_awake=st.sampled_from([0.0, 3.0]), can_ask=st.booleans(),
        max_sleeps=st.sampled_from([0, 2]),
    )  # fmt: skip
    def begin(self, cooldown: float, min_awake: float, can_ask: bool, max_sleeps: int) -> None:
        self.now = 0.0
        self.machine = Machine(
            Policy(cooldown=cooldown, min_awake=min_awake, max_sleeps=max_sleeps, window=20.0, max_disables=3),
            awake=False, timeout=TIMEOUT, backoff=Backoff(first=1.0, longest=8.0), can_ask=can_ask, now=self.now,
        )  # fmt: skip
        self.forbidden = False  # what is so
        self.calls: dict[Call, bool] = {}  # under way, and whether it has landed
        self.waiting: dict[Ticket, Hold | str | None] = {}
        self.held: list[Hold] = []
        self.disabled: set[str] = set()

    def go_on(self) -> None:
        for call in self.machine.advance(self.now):
            self.calls[call] = False
        for ticket in [ticket for ticket in self.waiting if ticket.done]:
            wish = self.waiting.pop(ticket)
            if ticket.error is None and wish is not None:
                self.granted(wish)
        self.held = [hold for hold in self.held if hold.live]
        self.disabled &= self.machine.ledger.disables.keys()
        self.machine.take_events()

    def granted(self, wish: Hold | str) -> None:
        if isinstance(wish, Hold):
            self.held.append(wish)
        elif wish in self.machine.ledger.disables:  # else somebody enabled it before
            self.disabled.add(wish)

    def wish(self, ticket: Ticket | None, wish: Hold | str | None) -> None:
        if ticket is not None:
            self.waiting[ticket] = wish
        elif wish is not None:
            self.granted(wish)
        self.go_on()

    @rule(ttl=st.sampled_from([None, 2.0]), timeout=st.sampled_from([None, 1.0]))
    def acquire(self, ttl: float | None, timeout: float | None) -> None:
        hold = Hold(Keeper(), "", "", self.now, None if ttl is None else self.now + ttl)
        if self.machine.grant(hold):
            self.wish(None, hold)
        else:
            self.wish(self.machine.acquire(self.now, hold, timeout), hold)

    @rule(data=st.data())
    @precondition(lambda self: self.held)
    def release(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(self.held))
        if self.machine.release(self.now, hold):
            self.wish(self.machine.allowed(self.now), None)
        self.machine.release(self.now, hold)
        self.go_on()

    @rule(name=st.sampled_from(["a", "b"]), ttl=st.sampled_from([None, 3.0]))
    def disable(self, name: str, ttl: float | None) -> None:
        self.wish(self.machine.disable(self.now, name, ttl), name)

    @rule(name=st.sampled_from(["a", "b"]))
    def enable(self, name: str) -> None:
        self.disabled.discard(name)
        self.wish(self.machine.enable(self.now, name), None)

    @rule(data=st.data())
    @precondition(lambda self: self.waiting)
    def cancel(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.waiting)))
        self.waiting.pop(ticket)
        self.machine.withdraw(self.now, ticket)
        self.go_on()

    @rule(seconds=st.sampled_from([0.1, 1.0, TIMEOUT, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.go_on()

    @rule()
    def pass_time_until_something_is_due(self) -> None:
        due = self.machine.due(self.now)
        if due is not None:
            self.now = max(self.now, due)
            self.go_on()

    @rule(data=st.data(), outcome=st.sampled_from(["ok", "ok", "ok", "error", "timeout"]), lands=st.booleans())
    @precondition(lambda self: self.calls)
    def return_(self, data: st.DataObject, outcome: str, lands: bool) -> None:
        call = data.draw(st.sampled_from(list(self.calls)))
        if call.verb == "state":
            del self.calls[call]
            answer = "unknown" if outcome != "ok" else "awake" if self.forbidden else "asleep"
            self.machine.answer(self.now, call, answer)
        else:
            if outcome == "error" and call.verb == "enable":
                if self.calls[call]:
                    outcome = "timeout"
                lands = False
            if outcome == "ok" or lands:
                self.land(call)
            del self.calls[call]
            error = {"ok": None, "error": OSError("no"), "timeout": TimeoutError("no answer")}[outcome]
            self.machine.finish(self.now, call, error)
        self.go_on()

    @rule(data=st.data())
    @precondition(lambda self: any(call.verb != "state" for call in self.calls))
    def land_early(self, data: st.DataObject) -> None:
        self.land(data.draw(st.sampled_from([call for call in self.calls if call.verb != "state"])))

    def land(self, call: Call) -> None:
        if not self.calls[call]:  # once
            self.calls[call] = True
            self.forbidden = call.verb == "disable"

    @invariant()
    def nobody_who_holds_it_awake_sleeps(self) -> None:
        if self.held or self.disabled:
            assert self.forbidden, self.machine.status(self.now)

    @invariant()
    def one_call_at_a_time(self) -> None:
        unsettled = [call for call in self.calls if call.verb != "state" and call is self.machine.switch.call]
        assert len(unsettled) <= 1
        if (call := self.machine.switch.call) is not None:
            assert call in self.calls
        on_time = [call for call in self.calls if not call.late and call.verb != "state"]
        assert len(on_time) <= 1

    @invariant()
    def nothing_is_due_that_is_not_done(self) -> None:
        due = self.machine.due(self.now)
        assert due is None or due > self.now, (due, self.now)

    def teardown(self) -> None:
        """Everybody goes, and the toggler works again: it may sleep in the end."""
        for hold in self.held:
            self.machine.release(self.now, hold)
        for name in ("a", "b"):
            self.machine.enable(self.now, name)
        for ticket in list(self.waiting):
            self.machine.withdraw(self.now, ticket)
        self.go_on()
        for _ in range(60):
            for call in list(self.calls):
                if call.verb == "state":
                    self.machine.answer(self.now, call, "awake" if self.forbidden else "asleep")
                else:
                    self.land(call)
                    self.machine.finish(self.now, call, None)
                del self.calls[call]
                self.go_on()
            self.now = max(self.now, self.machine.due(self.now) or self.now)
            self.go_on()
        status = self.machine.status(self.now)
        assert not self.forbidden, status
        assert (status.sleep, status.holds, status.disables, status.toggling) == ("allowed", (), (), None)
        assert self.machine.due(self.now) is None


TestPlatform = Platform.TestCase
TestPlatform.__doc__ = """S2Z-T07 random model-based sequence: never E while holds>0 or pinned."""
TestPlatform.settings = settings(stateful_step_count=40)
