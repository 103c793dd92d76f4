"""Togglers, clocks and controllers for tests of scale to zero."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.waiting import wait_until

from workloads.scaletozero import DebouncedController
from workloads.scaletozero import aio as scaletozero_aio


class ManualClock:
    """Time that passes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Gate:
    """A call that waits: ``entered`` tells that it is made, ``open()`` lets it go on, to an error if one is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.entered = threading.Event()
        self.error = error
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.entered.set()
        assert self._open.wait(30), "nobody opened the gate"
        if self.error is not None:
            raise self.error


class After(NamedTuple):
    """An error that is raised although the call has done what it was for."""

    error: Exception


class Toggler:
    """Remembers what it was told, and fails or waits as planned: an exception, an :class:`After` or a :class:`Gate`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.asleep = True
        self.most_at_once = 0
        self.plans: dict[str, deque[Any]] = {"disable": deque(), "enable": deque()}
        self._lock = threading.Lock()
        self._inside = 0

    def plan(self, verb: str, *plans: Any) -> None:
        self.plans[verb].extend(plans)

    def count(self, verb: str) -> int:
        return self.calls.count(verb)

    def disable(self) -> None:
        self._run("disable")

    def enable(self) -> None:
        self._run("enable")

    def _run(self, verb: str) -> None:
        with self._lock:
            self.calls.append(verb)
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            plan = self.plans[verb].popleft() if self.plans[verb] else None
        try:
            if isinstance(plan, Gate):
                plan.wait()
            elif isinstance(plan, BaseException):
                raise plan
            elif callable(plan):
                plan()
            self.asleep = verb == "enable"
            if isinstance(plan, After):
                raise plan.error
        finally:
            with self._lock:
                self._inside -= 1


class Looking(Toggler):
    """A toggler that can be asked; ``answers`` overrides what is so."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: deque[Any] = deque()
        self.asked = 0

    def state(self) -> str:
        self.asked += 1
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer or ("asleep" if self.asleep else "awake")


class Subject:
    """A controller with the surface of the one for threads, a toggler and a clock."""

    def __init__(self, kind: str, toggler: Toggler, **options: Any) -> None:
        self.toggler = toggler
        self.clock = ManualClock()
        self.errors: list[Exception] = []
        options = {"cooldown": 0.0, "clock": self.clock, "on_error": self.errors.append, "store": None} | options
        self.kind = kind
        if kind == "threads":
            self.real: Any = DebouncedController(toggler, **options)
        else:
            self.real = scaletozero_aio.DebouncedController(scaletozero_aio.to_async_toggler(toggler), **options)
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="the loop of a test")
            self._thread.start()

    def _call(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self.real, verb)
        if self.kind == "threads":
            return method(*args, **kwargs)

        async def call() -> Any:
            outcome = method(*args, **kwargs)
            return await outcome if asyncio.iscoroutine(outcome) else outcome

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    def acquire(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("acquire", *args, **kwargs)

    def release(self, hold: Any) -> None:
        self._call("release", hold)

    def disable(self, *args: Any, **kwargs: Any) -> None:
        self._call("disable", *args, **kwargs)

    def enable(self, *args: Any, **kwargs: Any) -> None:
        self._call("enable", *args, **kwargs)

    def freeze(self) -> None:
        self._call("freeze")

    def status(self) -> Any:
        return self._call("status")

    def close(self, **kwargs: Any) -> Any:
        return self._call("close", **kwargs)

    @contextmanager
    def hold(self, *args: Any, **kwargs: Any) -> Any:
        """As the controller's own: entered and left on its loop."""
        if self.kind == "threads":
            with self.real.hold(*args, **kwargs) as hold:
                yield hold
            return
        manager = self.real.hold(*args, **kwargs)
        hold = self._call_on(manager.__aenter__)
        try:
            yield hold
        except BaseException as error:
            if not self._call_on(manager.__aexit__, type(error), error, error.__traceback__):
                raise
        else:
            self._call_on(manager.__aexit__, None, None, None)

    def _call_on(self, method: Any, *args: Any) -> Any:
        async def call() -> Any:
            return await method(*args)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    def begin(self, verb: str, *args: Any, **kwargs: Any) -> Begun:
        """Call in another thread."""
        return Begun(self, verb, args, kwargs)

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due then happen."""
        self.clock.now += seconds
        self.settle()

    def settle(self) -> None:
        """Wait until the toggler does nothing, unless it is at a gate."""
        wait_until(lambda: self.status().toggling is None, every=0.001)

    def answered(self) -> None:
        """Wait until what the toggler answered, when it was asked, is taken in."""
        wait_until(lambda: self.real._machine.switch._question is None, every=0.001)

    def rest(self) -> None:
        """Wait until whoever comes when something is due has gone to sleep until then."""
        self.settle()
        wait_until(lambda: self.kind != "threads" or bool(self.real._changed._waiters), every=0.001)

    def look(self, seconds: float = 0.0) -> Any:
        """Let time pass without waiting for the toggler."""
        self.clock.now += seconds
        return self.status()

    def end(self) -> None:
        """Close everything."""
        self.close(policy="leave", timeout=5)
        if self.kind != "threads":
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class Begun:
    """A call that was begun in another thread."""

    def __init__(self, subject: Subject, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.outcome: Any = None
        self.error: BaseException | None = None

        def run() -> None:
            try:
                self.outcome = subject._call(verb, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # raised by result()
                self.error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self, timeout: float = 20.0) -> Any:
        self._thread.join(timeout)
        assert self.done, "the call has not returned"
        if self.error is not None:
            raise self.error
        return self.outcome
