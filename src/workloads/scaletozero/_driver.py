"""What the controllers for threads and for asyncio share: their settings, and what they tell the log."""

from __future__ import annotations

import copy
import logging
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from workloads.scaletozero._ledger import Policy
from workloads.scaletozero._machine import Aged, Failure, Machine
from workloads.scaletozero.stores import StoredDisable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.errors import ToggleError
    from workloads.scaletozero._switch import Backoff, Call
    from workloads.scaletozero._tickets import Ticket
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.status import HoldStatus
    from workloads.scaletozero.stores import DisableStore

__all__ = ("Driver", "inside", "raise_error", "refuse_inside")

_LOG = logging.getLogger("workloads.scaletozero")

T = TypeVar("T")

inside: ContextVar[object] = ContextVar("workloads_scaletozero_inside", default=None)
"""The controller whose toggler is being called by this thread or task."""


class Driver(Generic[T]):
    """A machine, and the world around it."""

    def __init__(
        self,
        toggler: T,
        *,
        cooldown: float,
        min_awake: float,
        store: DisableStore | None,
        clock: Callable[[], float],
        awake: bool,
        toggle_timeout: float,
        backoff: Backoff,
        max_sleeps: int,
        window: float,
        max_disables: int,
        disable_limit: float,
        on_error: Callable[[ToggleError], object] | None,
    ) -> None:
        """Settings as :class:`~workloads.scaletozero.DebouncedController` documents them."""
        if not toggle_timeout > 0:
            raise ValueError(f"toggle_timeout must be a number of seconds above 0, not {toggle_timeout!r}")
        self._toggler = toggler
        self._store = store
        self._clock = clock
        self._policy = Policy(
            cooldown=cooldown, min_awake=min_awake, max_sleeps=max_sleeps, window=window, max_disables=max_disables,
            disable_limit=disable_limit,
        )  # fmt: skip
        self._timeout = toggle_timeout
        self._backoff = backoff
        self._on_error = on_error
        self._due: float | None = None
        self._machine = self._new_machine(awake=awake)

    @property
    def toggler(self) -> T:
        """What forbids and allows sleeping."""
        return self._toggler

    @property
    def cooldown(self) -> float:
        """Seconds for which nobody must hold it before sleeping is allowed. A change counts from the next time on."""
        return self._policy.cooldown

    @cooldown.setter
    def cooldown(self, value: float) -> None:
        self._policy.cooldown = value

    def after_fork(self) -> None:
        """Begin anew in a forked child, where nothing is held."""
        closed = self._machine.closed
        self._machine = self._new_machine(awake=False)
        self._machine.closed = closed
        self._start()

    def _start(self) -> None:
        """Make what does not outlive a fork: locks, threads, timers."""
        raise NotImplementedError

    def _new_machine(self, *, awake: bool) -> Machine:
        return Machine(
            self._policy,
            awake=awake,
            timeout=self._timeout,
            backoff=self._backoff,
            can_ask=callable(getattr(self._toggler, "state", None)),
            now=self._clock(),
        )

    def _restore(self, stored: Sequence[StoredDisable]) -> None:
        now, today = self._clock(), time.time()
        for each in stored:
            if each.expires is None or each.expires > today:
                expires_in = None if each.expires is None else each.expires - today
                self._machine.restore(now, each.name, age=max(0.0, today - each.since), expires_in=expires_in)

    def _to_store(self, name: str) -> StoredDisable | None:
        """A name as it is to be remembered; None when it is to be forgotten."""
        each = self._machine.ledger.disables.get(name)
        if each is None or not each.confirmed:
            return None
        shift = time.time() - self._clock()
        expires = None if each.expires is None else each.expires + shift
        return StoredDisable(name=name, since=each.since + shift, expires=expires)

    def _returned(self, now: float, call: Call, error: BaseException | None, state: TogglerState = "unknown") -> None:
        """A call has ended: with an error or none, or with an answer."""
        if call.verb == "state":
            self._machine.answer(now, call, state)
        else:
            self._machine.finish(now, call, error)

    def _tell(self, events: list[Failure | Aged]) -> None:
        """Tell of what failed and of what has become old. Never with a lock held: who is told may call back."""
        for event in events:
            if isinstance(event, Aged):
                _LOG.warning(
                    "%r has forbidden sleeping for %.0f s; enable it if that is over", event.name, event.age,
                    extra={"disable": event.name, "age": event.age},
                )  # fmt: skip
                continue
            error, retry_in = event
            again = "" if retry_in is None else f"; the next attempt is due in {retry_in:.3g} s"
            _LOG.error("%s%s", error, again, extra={"verb": error.verb, "retry_in": retry_in})
            if self._on_error is not None:
                try:
                    self._on_error(error)
                except Exception:  # noqa: BLE001  # somebody else's function must not end the clockwork
                    _LOG.exception("on_error failed")

    def _closed_with(self, left: tuple[HoldStatus, ...], *, allowed: bool) -> None:
        """Tell what was not in order when it was closed."""
        if left:
            holders = ", ".join(sorted({each.owner or "somebody" for each in left}))
            _LOG.warning("closed while %d holds were left: %s", len(left), holders, extra={"holds": len(left)})
        if not allowed:
            _LOG.error("closed before the toggler has allowed sleeping; it may still do so")


def raise_error(ticket: Ticket) -> None:
    """Raise what a ticket ended with, if it did so in vain: an error of its own, for others may raise the same."""
    if ticket.error is not None:
        raise copy.copy(ticket.error) from ticket.error.__cause__


def refuse_inside() -> NoReturn:
    """Refuse to wait for the toggler inside of one of its calls."""
    raise RuntimeError(
        "a toggler cannot wait for its own controller: it is called while the controller waits for it; call "
        "status() there, or hold before"
    )
