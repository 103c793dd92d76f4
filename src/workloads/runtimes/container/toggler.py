"""A container that sleeps: paused, stopped, or first the one and then the other."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

from workloads.errors import RuntimeUnavailableError, ToggleError
from workloads.runtimes.container.faults import explained
from workloads.scaletozero.togglers.descent import Descent

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from docker import APIClient

    from workloads.runtimes.container.engine import Engine
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.status import Verb

__all__ = ("ContainerToggler",)

_LOG_LINES = 20


class ContainerToggler:
    """Pauses a container of an engine, stops it when it was paused for long, and lets it go on or starts it again.

    It drives: ``disable`` returns when the container runs, not when its server is ready. Every call looks at what the
    container does first, because others may stop and start it, too. Safe to use from several threads.

    Args:
        engine: Where the container is.
        container: Its name or id. It must exist.
        stop_after: Seconds after which a paused container is stopped; 0 (the default) stops it without a pause, None
            leaves it paused.
        grace: Seconds between the stop signal of its image and ``SIGKILL``, counted in whole ones; 10 by default.
        settle: Seconds for which a container that was started must stay up to count as started; 0.1 by default.
    """

    drives = True

    def __init__(
        self,
        engine: Engine,
        container: str,
        *,
        stop_after: float | None = 0.0,
        grace: float = 10.0,
        settle: float = 0.1,
    ) -> None:
        """A toggler of that container; nothing is asked yet."""
        self._engine = engine
        self._container = container
        self._stop_after = stop_after
        self._grace = math.ceil(grace)
        self._settle = settle
        self._lock = threading.Lock()
        self._descent = Descent(self._lock, stop_after, self._stop)

    def disable(self) -> None:
        """Start the container, or let it go on. One that runs is left alone.

        Raises:
            ToggleError: It cannot be started or let go on, or ended as soon as it was started, with its last log lines;
                or it is gone.
            TimeoutError: The engine does not answer, so it is not known what it has done.
        """
        with self._lock:
            self._descent.call_off()
            with self._asking("disable") as client:
                state = self._look(client, "disable")
                if state.get("Paused"):
                    refused = _refusal(client.unpause, self._container)
                    if not refused:
                        return
                    state = self._look(client, "disable")  # others may have let it go on, or ended it
                    if state.get("Paused"):
                        raise ToggleError("disable", f"it stays paused: {refused}")
                if not _runs(state):
                    client.start(self._container)
                    self._check_it_stays(client)

    def enable(self) -> None:
        """Pause the container, or stop it. That it does not run is fine where it would be stopped.

        Raises:
            ToggleError: It is to be paused and does not run, with its last log lines when it has failed; or the engine
                cannot pause it.
            TimeoutError: The engine does not answer, so it is not known what it has done.
        """
        with self._lock:
            self._descent.call_off()
            if self._stop_after == 0:
                self._stop()
                return
            with self._asking("enable") as client:
                state = self._look(client, "enable")
                if _runs(state) and not state.get("Paused"):
                    refused = _refusal(client.pause, self._container)
                    if refused:
                        state = self._look(client, "enable")  # others may have paused it, or ended it
                        if _runs(state) and not state.get("Paused"):
                            raise ToggleError("enable", f"it cannot be paused: {refused}")
                if not _runs(state) and self._stop_after is None:
                    raise ToggleError("enable", f"it cannot be paused: {self._ended(client, state)}")
            self._descent.begin()

    def state(self) -> TogglerState:
        """Whether the container runs."""
        try:
            with self._asking("disable") as client:
                state = self._look(client, "disable")
        except (ToggleError, TimeoutError):
            return "unknown"
        return "awake" if _runs(state) and not state.get("Paused") else "asleep"

    def close(self) -> None:
        """Leave the container as it is from now on: one that is paused is not stopped any more."""
        with self._lock:
            self._descent.call_off()

    # How

    def _stop(self) -> None:
        """With the lock held."""
        with self._asking("enable") as client:
            if self._look(client, "enable").get("Paused"):
                _refusal(client.unpause, self._container)  # what is paused hears no signal
            client.stop(self._container, timeout=self._grace)

    def _check_it_stays(self, client: APIClient) -> None:
        from docker.errors import APIError
        from requests.exceptions import RequestException

        # It returns as soon as the container has ended; that time is out is what is hoped for.
        with contextlib.suppress(RequestException, APIError):
            client.wait(self._container, timeout=self._settle, condition="not-running")
        state = self._look(client, "disable")
        if not _runs(state):
            raise ToggleError("disable", f"it ended as soon as it was started: {self._ended(client, state)}")

    def _look(self, client: APIClient, verb: Verb) -> Mapping[str, Any]:
        from docker.errors import NotFound

        try:
            found: dict[str, Any] = client.inspect_container(self._container)
        except NotFound:
            raise ToggleError(verb, f"there is no container {self._container!r}; create it again") from None
        state: Mapping[str, Any] = found["State"]
        return state

    def _ended(self, client: APIClient, state: Mapping[str, Any]) -> str:
        """How it ended; when it has failed, with the last lines of its log."""
        code = state.get("ExitCode") or 0
        said = f"it is {state.get('Status') or 'not running'}, exit code {code}"
        if not code:
            return said
        lines = client.logs(self._container, tail=_LOG_LINES).decode(errors="replace").rstrip()
        return f"{said}; its last log lines:\n{lines}" if lines else said

    @contextlib.contextmanager
    def _asking(self, verb: Verb) -> Generator[APIClient]:
        """A connection to the engine; what goes wrong is an error of togglers."""
        from docker.errors import APIError

        failure: ToggleError | None = None
        try:
            with self._engine.client(f"cannot {verb} sleeping of container {self._container}") as client:
                try:
                    yield client
                except ToggleError as error:
                    failure = error  # outside: inside it would count as one of the system's
                except APIError as error:
                    failure = ToggleError(verb, explained(error))
                    failure.__cause__ = error
        except RuntimeUnavailableError as error:
            raise TimeoutError(str(error)) from error
        if failure is not None:
            raise failure


def _runs(state: Mapping[str, Any]) -> bool:
    return bool(state.get("Running") or state.get("Paused")) and not state.get("Restarting")


def _refusal(call: Any, container: str) -> str:
    """Ask the engine for a change; tells why it refuses, which it does where the container cannot be changed so."""
    from docker.errors import APIError

    try:
        call(container)
    except APIError as error:
        return explained(error) or "the engine refuses"
    return ""
