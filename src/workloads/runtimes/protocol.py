"""What a runtime is: it starts copies of a workload's server and hands out a handle for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from workloads._core.process import ProcessIdentity
    from workloads.config import RunConfig
    from workloads.errors import Problem
    from workloads.manager import Stream
    from workloads.model import Capability, Isolation, ReplicaStats

__all__ = ("AGAIN", "Exit", "LastingRuntime", "Owner", "Replica", "Runtime", "Sighting")

AGAIN = "*"
"""Stands for every workload whose servers may have changed while their runtime did not tell, which it does again."""


@attrs.frozen
class Exit:
    """How a server ended: exactly one of code and signal is set.

    Attributes:
        code: Its exit code; None when a signal ended it.
        signal: The number of the signal that ended it; None when it exited by itself.
        note: What else is known of it, such as that memory was out; often empty.
    """

    code: int | None
    signal: int | None
    note: str = ""

    def __str__(self) -> str:
        return f"{self._kind()} ({self.note})" if self.note else self._kind()

    def _kind(self) -> str:
        if self.signal is None:
            return f"exited with code {self.code}"
        from signal import Signals

        try:
            return f"killed by {Signals(self.signal).name}"
        except ValueError:  # a real-time signal has no name
            return f"killed by signal {self.signal}"


@attrs.frozen(kw_only=True)
class Owner:
    """On whose behalf servers are started, so that they are found again.

    Attributes:
        app: The application whose folder the workload is kept in.
        scope: Tells this application folder from every other one; letters and digits. Empty: there is none, so what
            has ended need not be found again.
        launch_id: Tells this start of the workload from every other one; empty when nobody needs to know.
        folders: The application's folders, which no server may see.
    """

    app: str
    scope: str
    launch_id: str = ""
    folders: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Sighting:
    """A server as its runtime sees it.

    Attributes:
        workload: Whose server it is.
        index: Its number within the workload, from 0.
        container: The id of its container.
        state: ``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited`` or ``dead``.
        detail: What its runtime says of it, for people.
    """

    workload: str
    index: int
    container: str
    state: str
    detail: str = ""

    @property
    def lives(self) -> bool:
        """Whether there is anything of it that could run on."""
        return self.state in ("running", "paused", "restarting")


class Replica(Protocol):
    """One running copy of a workload's server, owned by the process that started it.

    It never outlives that process, unless it has a container. Every method may be called from any thread.
    """

    @property
    def index(self) -> int:
        """Its number within the workload, from 0."""
        ...

    @property
    def identity(self) -> ProcessIdentity | None:
        """The leader of the server's process group, for the record on disk; None when it has none here."""
        ...

    @property
    def container(self) -> str:
        """The id of its container, for the record on disk; empty when it has none."""
        ...

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of an HTTP server; None for a stdio server. It may not listen yet."""
        ...

    @property
    def stdin(self) -> BinaryIO | None:
        """The unbuffered writing end of a stdio server's input; None for others. Whoever uses it closes it."""
        ...

    @property
    def stdout(self) -> BinaryIO | None:
        """The unbuffered reading end of a stdio server's output; None for others. Whoever uses it closes it."""
        ...

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait until the server has ended and nothing of it is left.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Returns:
            How it ended; None when the time was out.
        """
        ...

    def stop(self, grace: float) -> Exit:
        """Ask the server and all it started to end, and kill what is left after a while. Idempotent.

        Args:
            grace: Seconds to end by itself in.
        """
        ...

    def kill(self) -> None:
        """Kill the server and all it started, without waiting until it is gone. Idempotent."""
        ...

    def suspend(self) -> None:
        """Freeze the server and all it started: they keep their memory and their sockets. Idempotent.

        Called of a runtime that can ``suspend`` only. One that is frozen can be stopped and killed all the same.
        """
        ...

    def resume(self) -> None:
        """Let them go on after :meth:`suspend`. Idempotent."""
        ...


class Runtime(Protocol):
    """Something that executes workloads. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """The name it is registered and chosen by."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond starting and stopping."""
        ...

    @property
    def isolation(self) -> Isolation:
        """What separates its servers from this machine."""
        ...

    def refusals(self, config: RunConfig) -> list[Problem]:
        """Every key of a run config that this runtime cannot honour. Pure.

        Args:
            config: What would be run.
        """
        ...

    def preflight(self, config: RunConfig) -> None:
        """Check early that this machine has what a run config needs, so that the error reaches who asked.

        Args:
            config: What would be run.

        Raises:
            CommandNotFoundError: A program is not on this machine.
        """
        ...

    def start_replica(
        self, config: RunConfig, index: int, *, secrets: Mapping[str, str], log: Path, folder: Path
    ) -> Replica:
        """Start one copy of the server.

        Args:
            config: What to run.
            index: Its number within the workload, from 0.
            secrets: Resolved secrets: environment variable and value. They are kept in memory only.
            log: Where what it writes goes, rotated; for a stdio server only its standard error.
            folder: Its private working folder, created when missing.

        Raises:
            RunConfigError: The run config asks for what this runtime cannot give; lists every such key.
            CommandNotFoundError: Its program is not on this machine.
            PortInUseError: The port it shall listen on is taken.
            WorkloadFailedError: It could not be started.
            InsecureStateError: Its folder, or that of its log, belongs to or can be written by someone else.
            StateError: Its folder or its log cannot be made.
        """
        ...

    def close(self) -> None:
        """Free what the runtime itself holds; its replicas are stopped by who started them. Idempotent."""
        ...


@runtime_checkable
class LastingRuntime(Runtime, Protocol):
    """A runtime whose servers are not processes of who started them: they live on when that one is killed.

    What is left of them is found by what the runtime itself knows of them.
    """

    def owned(self, owner: Owner, *, told: Callable[[str], object] | None = None) -> LastingRuntime:
        """The same runtime, for servers that are started on behalf of somebody.

        Args:
            owner: Whose they are.
            told: Told, from any thread, what a start waits for, in words; empty when it goes on. Default: nobody.
        """
        ...

    def sightings(self, name: str = "") -> list[Sighting]:
        """The servers of the owner's workloads that there are, whether they run or not.

        Args:
            name: Only those of this workload; empty is all.

        Raises:
            RuntimeUnavailableError: It does not answer.
        """
        ...

    def stats(self, name: str) -> list[ReplicaStats]:
        """What each server of a workload uses that lives, by their numbers.

        Args:
            name: The workload.

        Raises:
            WorkloadsError: It cannot tell, or does not answer.
        """
        ...

    def changes(self) -> Stream[str]:
        """The names of the owner's workloads whose servers have changed, as it happens.

        An empty name says that any may have changed: the runtime tells from now on, or has stopped answering. The
        stream goes on when it answers again, which is told as :data:`AGAIN`.
        """
        ...

    def end(self, name: str, grace: float) -> None:
        """End every server of a workload that lives. Idempotent.

        Args:
            name: The workload.
            grace: Seconds to end by itself in.

        Raises:
            WorkloadsError: It cannot, or does not answer.
        """
        ...

    def remove(self, name: str, *, first: int = 0) -> None:
        """End every server of a workload, and remove all that was made for them. Idempotent.

        Args:
            name: The workload.
            first: Leave those alone whose number is less. Default: 0, none is.

        Raises:
            WorkloadsError: It cannot, or does not answer.
        """
        ...
