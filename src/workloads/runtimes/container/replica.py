"""A running container, seen from the process that started it."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from workloads.errors import RuntimeUnavailableError, WorkloadFailedError, WorkloadsError
from workloads.runtimes.container.companions import Companions
from workloads.runtimes.container.leftovers import remove_container
from workloads.runtimes.protocol import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from docker import APIClient

    from workloads._core.process import ProcessIdentity
    from workloads.runtimes.container.attachment import Attachment
    from workloads.runtimes.container.engine import Engine

__all__ = ("ContainerReplica", "exit_of")

_LAG = 1.0
"""Seconds in which an engine knows of a container what it has done to it."""
_RETRY = 0.2
_LONGEST_RETRY = 5.0
_GONE = Exit(code=None, signal=signal.SIGKILL, note="its container was removed")
_STRANDED = Exit(code=None, signal=signal.SIGKILL, note="the gateway of its network ended")
_STRANDED_GRACE = 10.0
_KILLED = 128 + signal.SIGKILL
_OUT_OF_MEMORY = "out of memory; allow it more by the key memory"

_log = logging.getLogger(__name__)


def exit_of(container: Mapping[str, Any], *, asked: bool = False) -> Exit:
    """How a container ended that the engine describes like this. Pure.

    Args:
        container: What the engine tells of it.
        asked: Whether it was asked to end, or killed, by us.
    """
    state: Mapping[str, Any] = container["State"]
    notes: list[str] = []
    if state.get("OOMKilled"):
        notes.append(_OUT_OF_MEMORY)
    elif state.get("ExitCode") == _KILLED and not asked and container.get("HostConfig", {}).get("Memory"):
        notes.append(f"perhaps {_OUT_OF_MEMORY}")  # not every engine tells
    if state.get("Error"):
        notes.append(" ".join(str(state["Error"]).split()))
    return Exit(code=int(state.get("ExitCode") or 0), signal=None, note="; ".join(notes))


class ContainerReplica:
    """A replica that is a container. See :class:`~workloads.runtimes.protocol.Replica`.

    It lives on when this process is killed. While the engine is away nothing is known of it, so it is waited for.
    """

    def __init__(
        self,
        engine: Engine,
        container: str,
        attachment: Attachment,
        *,
        workload: str,
        index: int,
        address: tuple[str, int] | None,
        kept: bool = True,
        companions: Sequence[str] = (),
        after: Callable[[], object] = bool,
    ) -> None:
        """Take over a container that has been started.

        Args:
            engine: Where it is.
            container: Its id.
            attachment: Its input and outputs.
            workload: Whose server it is.
            index: Its number within the workload.
            address: Where an HTTP server is reached.
            kept: Whether the container stays when it has ended.
            companions: Containers without which it is not reached, by id: when one ends, so does this. Default: none.
            after: Called when it has ended. Default: nothing is done.
        """
        self._engine = engine
        self._container = container
        self._attachment = attachment
        self._workload = workload
        self._index = index
        self._address = address
        self._kept = kept
        self._after = after
        self._suspended = False
        self._asked = False
        self._stranded = False
        self._exit = _GONE
        self._ended = threading.Event()
        self._companions = Companions(engine, companions, workload=workload, ended=self._strand)
        threading.Thread(target=self._attend, name=f"workloads-container-{index}", daemon=True).start()

    @property
    def index(self) -> int:
        """Its number within the workload, from 0."""
        return self._index

    @property
    def identity(self) -> ProcessIdentity | None:
        """None: its processes are the engine's."""
        return None

    @property
    def container(self) -> str:
        """The id of its container."""
        return self._container

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of an HTTP server; None for a stdio server."""
        return self._address

    @property
    def stdin(self) -> BinaryIO | None:
        """The unbuffered writing end of a stdio server's input; None for others. Whoever uses it closes it."""
        return self._attachment.stdin

    @property
    def stdout(self) -> BinaryIO | None:
        """The unbuffered reading end of a stdio server's output; None for others. Whoever uses it closes it."""
        return self._attachment.stdout

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait until the container has ended and its log is written.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.
        """
        return self._exit if self._ended.wait(timeout) else None

    def stop(self, grace: float) -> Exit:
        """Send the image's stop signal; kill what is left when time is out. An engine that is away is waited for.

        Args:
            grace: Seconds to end by itself in; the engine counts whole ones.

        Raises:
            WorkloadFailedError: The engine cannot end it.
        """
        self._asked = True
        seconds = math.ceil(max(grace, 0.0))
        while not self._ended.is_set():
            try:
                self.resume()
                self._ask("stop", lambda client: client.stop(self._container, timeout=seconds))
            except RuntimeUnavailableError:
                self._ended.wait(_RETRY)
            else:
                self._ended.wait()
        return self._exit

    def kill(self) -> None:
        """Kill everything in the container, without waiting until it is gone.

        When the engine does not answer it lives on, and is found by its labels when the workload is next started,
        stopped or deleted.

        Raises:
            WorkloadFailedError: The engine cannot kill it.
        """
        if self._ended.is_set():
            return
        self._asked = True
        try:
            self.resume()  # not every engine kills what is frozen
            self._ask("kill", lambda client: client.kill(self._container))
        except RuntimeUnavailableError as error:
            _log.warning("container not killed", extra={"workload": self._workload, "reason": str(error)})

    def suspend(self) -> None:
        """Freeze everything in the container.

        Raises:
            WorkloadsError: The engine cannot, or does not answer.
        """
        if not self._suspended:
            self._switch("pause", lambda client: client.pause(self._container), paused=True)
            self._suspended = True

    def resume(self) -> None:
        """Let it go on.

        Raises:
            WorkloadsError: The engine cannot, or does not answer.
        """
        if self._suspended:
            self._switch("unpause", lambda client: client.unpause(self._container), paused=False)
            self._suspended = False

    def _switch(self, verb: str, call: Callable[[APIClient], None], *, paused: bool) -> None:
        """Ask for one of two states, in which the container may be already when others do so, too."""
        deadline = time.monotonic() + _LAG
        while True:
            try:
                return self._ask(verb, call)
            except WorkloadFailedError:
                # Right after the opposite the engine may not have noticed that itself, and refuse.
                if time.monotonic() > deadline:
                    found = self._inspected()
                    if found is None or bool(found["State"].get("Paused")) is not paused:
                        raise
                    return None
            time.sleep(_LAG / 50)

    def _ask(self, verb: str, call: Callable[[APIClient], None]) -> None:
        """Ask the engine to do something with the container; one that has ended meanwhile needs nothing."""
        try:
            with self._engine.client(f"cannot {verb} its container", name=self._workload) as client:
                call(client)
        except WorkloadFailedError:
            if not self._has_ended():
                raise

    def _has_ended(self) -> bool:
        found = self._inspected()
        return found is None or not _runs(found)

    def _inspected(self) -> dict[str, Any] | None:
        """What the engine says of the container; None when there is none any more."""
        from docker.errors import NotFound

        with self._engine.client("cannot look at its container") as client:
            try:
                return client.inspect_container(self._container)
            except NotFound:
                return None

    def _attend(self) -> None:
        try:
            self._exit = self._await_exit()
            self._companions.close()
            if self._stranded:
                self._exit = _STRANDED
            if not self._kept:
                self._remove()
            self._follow_up()
        finally:
            self._companions.close()
            self._attachment.close()
            self._ended.set()

    def _strand(self) -> None:
        """End it, since nothing leads to it any more: whoever keeps it up starts it again, with all it needs."""
        if self._asked:
            return
        self._stranded = True
        _log.warning("gateway ended", extra={"workload": self._workload, "replica": self._index})
        try:
            self.stop(_STRANDED_GRACE)
        except WorkloadsError as error:
            _log.warning("container not ended", extra={"workload": self._workload, "reason": str(error)})

    def _remove(self) -> None:
        try:
            remove_container(self._engine, self._workload, self._container)
        except WorkloadsError as error:
            _log.warning("container not removed", extra={"workload": self._workload, "reason": str(error)})

    def _follow_up(self) -> None:
        try:
            self._after()
        except WorkloadsError as error:  # whoever ends the workload finds what is left by its labels
            _log.warning("gateway not stopped", extra={"workload": self._workload, "reason": str(error)})

    def _await_exit(self) -> Exit:
        delay = _RETRY
        while True:
            try:
                self._await_news()
                found = self._inspected()
                if found is None:
                    return _GONE
                if not _runs(found):
                    return exit_of(found, asked=self._asked)
            except WorkloadsError as error:
                _log.warning("container not seen", extra={"workload": self._workload, "reason": str(error)})
                self._ended.wait(delay)  # nobody sets it meanwhile: a pause that needs no other means
                delay = min(delay * 2, _LONGEST_RETRY)
            else:
                delay = _RETRY

    def _await_news(self) -> None:
        """Wait until the engine says that the container does not run any more."""
        from docker.errors import NotFound

        from workloads.runtimes.container.faults import faults

        doing = "cannot wait for its container"
        client = self._engine.stream(doing)
        try:
            with faults(self._engine.name, self._engine.url, doing):
                try:
                    client.wait(self._container, condition="not-running")
                except NotFound:
                    return
        finally:
            client.close()


def _runs(container: Mapping[str, Any]) -> bool:
    state: Mapping[str, Any] = container["State"]
    return bool(state.get("Running") or state.get("Paused"))
