"""How the servers of an in-memory manager behave, and how its verbs are made to fail, wait or tell."""

from __future__ import annotations

import threading
import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("VERBS", "Call", "Interceptors", "ServerBehaviour")

VERBS = frozenset({
    "get_workload", "get_run_config", "list_workloads", "list_workloads_in_group", "does_workload_exist",
    "run_workload", "run_workload_detached", "start_workloads", "stop_workloads", "restart_workloads",
    "delete_workloads", "update_workload", "get_logs", "get_proxy_logs", "move_to_group", "watch_workloads",
})  # fmt: skip
"""The verbs of a manager, as they can be intercepted."""


class ServerBehaviour(StrEnum):
    """What becomes of a server that is started in memory."""

    READY = "ready"
    """It is ready at once."""
    NEVER_READY = "never-ready"
    """It starts, and is not ready until a test sets its status."""
    DIES = "dies"
    """It exits at once with code 1."""


class Call(NamedTuple):
    """A call of a verb.

    Attributes:
        verb: The name of the method.
        names: The workloads it named, checked and each once; empty for a verb that takes none.
    """

    verb: str
    names: tuple[str, ...]


class _Failure(NamedTuple):
    verb: str
    name: str | None
    error: BaseException


class Interceptors:
    """What stands between a caller and the verbs. Safe to use from several threads."""

    def __init__(self) -> None:
        """Intercept nothing yet."""
        self._lock = threading.Lock()
        self._failures: list[_Failure] = []
        self._hooks: dict[str, Callable[[str], object]] = {}
        self._calls: list[Call] = []

    @property
    def calls(self) -> list[Call]:
        """Every call so far, in order."""
        with self._lock:
            return list(self._calls)

    def record(self, verb: str, *names: str) -> None:
        """Remember a call."""
        with self._lock:
            self._calls.append(Call(verb, names))

    def fail_next(self, verb: str, error: BaseException, name: str | None) -> None:
        """Let the next call of a verb fail, or the next that concerns ``name``."""
        _check(verb)
        with self._lock:
            self._failures.append(_Failure(verb, name, error))

    def intercept(self, verb: str, hook: Callable[[str], object] | None) -> None:
        """Call ``hook`` with the workload's name before a verb does its work; None removes it."""
        _check(verb)
        with self._lock:
            if hook is None:
                self._hooks.pop(verb, None)
            else:
                self._hooks[verb] = hook

    def delay(self, verb: str, seconds: float) -> None:
        """Let a verb wait before it does its work."""
        if seconds < 0:
            raise ValueError(f"seconds must not be negative, got {seconds}")
        self.intercept(verb, (lambda _name: time.sleep(seconds)) if seconds else None)

    def failure(self, verb: str, name: str) -> BaseException | None:
        """The error that was asked for and has not been raised yet, if there is one."""
        with self._lock:
            for index, failure in enumerate(self._failures):
                if failure.verb == verb and failure.name in (None, name):
                    return self._failures.pop(index).error
        return None

    def pause(self, verb: str, name: str) -> None:
        """Call the hook of a verb."""
        with self._lock:
            hook = self._hooks.get(verb)
        if hook is not None:
            hook(name)

    def enter(self, verb: str, name: str = "") -> None:
        """Do everything that was asked for before a verb that names at most one workload."""
        failure = self.failure(verb, name)
        self.pause(verb, name)
        if failure is not None:
            raise failure


def _check(verb: str) -> None:
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is not a verb; they are {', '.join(sorted(VERBS))}")
