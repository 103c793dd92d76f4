"""The controller for threads."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from typing import TYPE_CHECKING, Literal, cast

from workloads._core.seconds import check_seconds
from workloads.scaletozero import _forks
from workloads.scaletozero._arguments import new_hold
from workloads.scaletozero._driver import Driver, inside, raise_error, refuse_inside
from workloads.scaletozero._memory import Memory
from workloads.scaletozero._switch import Backoff
from workloads.scaletozero.protocols import Toggler, TogglerWithState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Self

    from workloads.errors import ToggleError
    from workloads.scaletozero._switch import Call
    from workloads.scaletozero._tickets import Ticket
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.status import HoldStatus, Status
    from workloads.scaletozero.stores import DisableStore, StoredDisable

__all__ = ("DebouncedController",)


class DebouncedController(Driver[Toggler]):
    """Forbids sleeping while anybody holds it awake, and allows it once nobody has for a while. For any thread.

    The toggler is called by threads of the controller's own, one call at a time, and no lock is held meanwhile. Close
    it, or use it as a context manager. A forked child begins with no holds, and leaves those of its parent alone.

    Args:
        toggler: What forbids and allows sleeping.
        cooldown: Seconds for which nobody must hold it before sleeping is allowed; 1 by default. With 0 the release
            that was the last one returns when sleeping is allowed.
        min_awake: Seconds that must have passed since sleeping was forbidden; 0 by default.
        store: Remembers the names that forbid sleeping; None (the default) forgets them when this process ends.
        clock: Tells the time in seconds, never jumping back; ``time.monotonic`` by default.
        awake: Whether sleeping is forbidden at the beginning, as for a workload that was just started; it is allowed
            after the cooldown then. False by default.
        toggle_timeout: Seconds that a call of the toggler may take before its outcome counts as unknown; 30 by default.
        backoff: How long to wait before a toggle that failed is tried again.
        max_sleeps: How often sleeping may be allowed within ``window``; after that it stays forbidden. 0 (the default)
            for no limit.
        window: Seconds; 3600 by default.
        max_disables: How many names may forbid sleeping at once; 1024 by default.
        disable_limit: Seconds after which a disable is warned of, once; 3600 by default.
        on_error: Called with the error of every toggle that fails or is late, besides the line in the log.

    Raises:
        ValueError: A number is out of range.
        TypeError: The toggler is one for asyncio.
        StateError: The store cannot be read.
    """

    def __init__(
        self,
        toggler: Toggler,
        *,
        cooldown: float = 1.0,
        min_awake: float = 0.0,
        store: DisableStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        awake: bool = False,
        toggle_timeout: float = 30.0,
        backoff: Backoff = Backoff(),  # noqa: B008  # it is frozen
        max_sleeps: int = 0,
        window: float = 3600.0,
        max_disables: int = 1024,
        disable_limit: float = 3600.0,
        on_error: Callable[[ToggleError], object] | None = None,
    ) -> None:
        """A controller that takes up at once what the store remembers."""
        if inspect.iscoroutinefunction(toggler.disable):
            raise TypeError("this toggler is for asyncio; use workloads.scaletozero.aio.DebouncedController")
        super().__init__(
            toggler, cooldown=cooldown, min_awake=min_awake, store=store, clock=clock, awake=awake,
            toggle_timeout=toggle_timeout, backoff=backoff, max_sleeps=max_sleeps, window=window,
            max_disables=max_disables, disable_limit=disable_limit, on_error=on_error,
        )  # fmt: skip
        self._start()
        _forks.in_child(self)
        self._restore(self._memory.load())
        if awake or self._machine.ledger.busy:
            with self._lock:
                self._step(self._clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def acquire(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Hold:
        """Forbid sleeping while the hold that is returned lives. See :meth:`Controller.acquire`."""
        check_seconds("timeout", timeout)
        if (hold := self.acquire_nowait(owner, reason=reason, ttl=ttl)) is not None:
            return hold
        with self._lock:
            now = self._clock()
            hold = new_hold(self, now, owner, reason, ttl)
            ticket = self._machine.acquire(now, hold, timeout)
            done = self._queue(now, ticket)
        try:
            self._wait(ticket, done)
        except BaseException:
            self.release_hold(hold)  # it may have been granted at the moment of an interrupt
            raise
        return hold

    def acquire_nowait(self, owner: str = "", *, reason: str = "", ttl: float | None = None) -> Hold | None:
        """Hold it if sleeping is forbidden already.

        Args and errors are those of :meth:`acquire`.

        Returns:
            None when the toggler would have to be waited for; nothing is held then.
        """
        with self._lock:
            now = self._clock()
            hold = new_hold(self, now, owner, reason, ttl)
            if not self._machine.grant(hold):
                return None
            if ttl is not None:
                self._step(now)
        return hold

    def release(self, hold: Hold) -> None:
        """End a hold. Does nothing when it has ended, or belongs to another process; never raises.

        Without a cooldown, the last release returns when sleeping is allowed or could not be.
        """
        done = self._end_hold(hold)
        if done is not None:
            if inside.get() is not self:
                done.wait()
            self._after()

    def release_nowait(self, hold: Hold) -> None:
        """As :meth:`release`, without waiting for anything."""
        if self._end_hold(hold) is not None:
            self._after()

    def release_hold(self, hold: Hold) -> None:
        """What :meth:`Hold.release` does."""
        self.release(hold)

    @contextlib.contextmanager
    def hold(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Generator[Hold]:
        """Forbid sleeping for the length of a ``with`` block. See :meth:`Controller.hold`."""
        held = self.acquire(owner, reason=reason, ttl=ttl, timeout=timeout)
        try:
            yield held
        finally:
            held.release()

    def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """Forbid sleeping until the same name is enabled. See :meth:`Controller.disable`.

        Raises:
            StateError: It cannot be remembered, and is not in force.
        """
        check_seconds("ttl", ttl)
        with self._lock:
            now = self._clock()
            known = name in self._machine.ledger.disables
            ticket = self._machine.disable(now, name, ttl)
            done = self._queue(now, ticket)
        self._wait(ticket, done)
        try:
            self._memory.update(name, self._remembered)
        except BaseException:
            if not known:
                self._end_disable(name)
            raise

    def enable(self, name: str = "default") -> None:
        """Allow sleeping again, as far as this name is concerned. See :meth:`Controller.enable`.

        Raises:
            StateError: It cannot be forgotten, and would be in force again after a restart; repeat it.
        """
        ticket, done = self._end_disable(name)
        self._memory.update(name, self._remembered)
        self._wait(ticket, done)

    def status(self) -> Status:
        """Who forbids sleeping, for how long, and what will happen next."""
        with self._lock:
            now = self._clock()
            self._step(now)
            status = self._machine.status(now)
        self._after()
        return status

    def allow_now(self) -> None:
        """Allow sleeping without waiting for the rest of the cooldown. Does nothing while somebody forbids it.

        Raises:
            ToggleError: Sleeping could not be allowed; it will be tried again.
        """
        with self._lock:
            now = self._clock()
            ticket = self._machine.hurry(now)
            done = self._queue(now, ticket)
        self._wait(ticket, done)

    def freeze(self) -> None:
        """Allow sleeping, whoever forbids it, and change nothing from then on: every later call does nothing.

        Raises:
            ToggleError: Sleeping could not be allowed; all is as before.
        """
        with self._lock:
            now = self._clock()
            ticket = self._machine.freeze(now)
            done = self._queue(now, ticket)
        self._wait(ticket, done)

    def close(
        self, *, policy: Literal["enable_now", "leave"] = "enable_now", grace: float = 0.0, timeout: float = 10.0
    ) -> tuple[HoldStatus, ...]:
        """Refuse whatever is asked for from now on, and let go. Can be repeated.

        What a store remembers goes on forbidding sleeping, for whoever opens it next.

        Args:
            policy: Whether sleeping is allowed in the end (``enable_now``, the default) or left as it is (``leave``).
            grace: Seconds to wait for holds to be released; 0 by default.
            timeout: Seconds that the toggler may take; 10 by default.

        Returns:
            The holds that were left.
        """
        with self._lock:
            if self._machine.closed:
                return ()
            self._machine.close(self._clock())
            self._changed.wait_for(lambda: not self._machine.ledger.holds, grace)
            left = self._machine.status(self._clock()).holds
            ticket = None
            if policy == "leave":
                self._stopped = True
            else:
                now = self._clock()
                self._machine.forget(now, disables=self._store is None)
                ticket = self._machine.allowed(now)
            done = self._queue(self._clock(), ticket)
        deadline = time.monotonic() + timeout
        done.wait(timeout)
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._closed_with(left, allowed=policy == "leave" or done.is_set())
        return left

    # How

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._memory = Memory(self._store)
        self._clockwork: threading.Thread | None = None
        self._threads: set[threading.Thread] = set()
        self._due = None
        self._stopped = False

    def _queue(self, now: float, ticket: Ticket | None) -> threading.Event:
        """With the lock held: go on, and tell when a ticket is done."""
        done = threading.Event()
        if ticket is None:
            done.set()
        else:
            ticket.wake = done.set
        self._step(now)
        return done

    def _wait(self, ticket: Ticket | None, done: threading.Event) -> None:
        """Without the lock: wait until a ticket is done, and raise its error."""
        if ticket is None:
            self._after()
            return
        try:
            if inside.get() is self and not done.is_set():
                refuse_inside()
            done.wait()
        except BaseException:
            with self._lock:
                now = self._clock()
                self._machine.withdraw(now, ticket)
                self._step(now)
            raise
        finally:
            self._after()
        raise_error(ticket)

    def _end_hold(self, hold: Hold) -> threading.Event | None:
        """End a hold; returns what tells when sleeping is allowed, None when nobody needs to look after it."""
        if hold.foreign:
            return None
        with self._lock:
            now = self._clock()
            if not self._machine.release(now, hold):
                return None
            ticket = None if self._machine.closed else self._machine.allowed(now)
            early = self._due is not None and self._due <= self._machine.ledger.allow_at
            if ticket is None and early and not self._machine.closed:
                return None  # the clockwork will come
            return self._queue(now, ticket)

    def _end_disable(self, name: str) -> tuple[Ticket | None, threading.Event]:
        with self._lock:
            now = self._clock()
            ticket = self._machine.enable(now, name)
            return ticket, self._queue(now, ticket)

    def _remembered(self, name: str) -> StoredDisable | None:
        with self._lock:
            return self._to_store(name)

    def _step(self, now: float) -> None:
        """With the lock held: begin the calls that are due, and see to it that somebody comes when the next one is."""
        if self._stopped:
            return
        for call in self._machine.advance(now):
            if self._begin(f"workloads-scaletozero-{call.verb}", self._call, call) is None:
                self._returned(now, call, RuntimeError("no thread can be started"))
        due = self._machine.due(now)
        sooner = due is None or self._due is None or due < self._due
        self._due = due
        if due is not None and self._clockwork is None:
            self._clockwork = self._begin("workloads-scaletozero", self._run)
        if sooner or self._machine.closed:
            self._changed.notify_all()  # the clockwork, and who waits in close() for the last hold

    def _begin(self, name: str, target: Callable[..., None], *args: object) -> threading.Thread | None:
        """Begin a thread; None when there can be no more, as at the end of the interpreter."""
        # A daemon: a toggler that never returns must not keep the interpreter from ending.
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return None
        self._threads.add(thread)
        return thread

    def _call(self, call: Call) -> None:
        """In a thread of its own: make a call, and tell how it ended."""
        inside.set(self)
        error: BaseException | None = None
        state: TogglerState = "unknown"
        try:
            if call.verb == "state":
                state = cast("TogglerWithState", self._toggler).state()
            elif call.verb == "disable":
                self._toggler.disable()
            else:
                self._toggler.enable()
        except BaseException as caught:  # noqa: BLE001  # whatever it is, it is how the call ended
            error = caught
        with self._lock:
            now = self._clock()
            self._returned(now, call, error, state)
            self._threads.discard(threading.current_thread())
            self._step(now)
        self._after()

    def _run(self) -> None:
        """The clockwork, in a thread of its own: comes when something is due, and ends when nothing is."""
        while True:
            with self._lock:
                while not self._stopped and self._due is not None and (left := self._due - self._clock()) > 0:
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))
                if self._stopped or self._due is None:
                    self._clockwork = None
                    self._threads.discard(threading.current_thread())
                    return
                self._step(self._clock())
            self._after()

    def _after(self) -> None:
        """Without the lock: tell what is worth telling."""
        with self._lock:
            events = self._machine.take_events()
        self._tell(events)
