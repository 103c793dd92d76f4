"""What is done to one in-memory workload at a time: create, start, stop, update, move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import (
    GroupNotFoundError,
    Problem,
    RunConfigError,
    WorkloadExistsError,
    WorkloadFailedError,
    WorkloadNotReadyError,
    WorkloadsError,
)
from workloads.model import Capability, WorkloadStatus
from workloads.testing.behaviour import ServerBehaviour

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.config import RunConfig
    from workloads.testing._world import Run, World

__all__ = ("MemoryLifecycle",)

_LOG_LINES = 20


class MemoryLifecycle:
    """Changes the workloads of a world. All but the waits happens while the caller holds the workload's operation."""

    def __init__(
        self,
        world: World,
        behaviour: Callable[[RunConfig], ServerBehaviour],
        capabilities: frozenset[Capability],
        ready_timeout: float,
    ) -> None:
        """Change this world.

        Args:
            world: The workloads.
            behaviour: What becomes of the server of a run config.
            capabilities: What the manager can do.
            ready_timeout: Seconds that a server may take to be ready.
        """
        self._world = world
        self._behaviour = behaviour
        self._capabilities = capabilities
        self._ready_timeout = ready_timeout

    def admit(self, config: RunConfig) -> None:
        """Check that a run config can be run."""
        from workloads.config import unenforceable

        problems = unenforceable(config)
        if config.base_name not in ("", config.name):
            problems.append(Problem("base_name", f"must be empty or the name {config.name!r}"))
        replicas = config.effective_backend_replicas or 0
        if replicas < 0 or (replicas > 1 and Capability.REPLICAS not in self._capabilities):
            problems.append(Problem("backend_replicas", f"this manager cannot run {replicas}"))
        if problems:
            raise RunConfigError(problems)
        self.check_group(config.effective_group)

    def check_group(self, group: str) -> None:
        """Check that a group exists."""
        with self._world.changed:
            if group not in self._world.groups:
                raise GroupNotFoundError(group)

    def create(self, config: RunConfig) -> Run:
        """Create a workload, whose name must be free or that of a failed one, and start it."""
        present = self._world.entries.get(config.name)
        if present is not None and present.status is not WorkloadStatus.ERROR:
            raise WorkloadExistsError(config.name, present.status)
        if config.port:
            self._world.check_port(config)
        self._world.store(config if config.port else config.evolve(port=self._world.free_port()))
        return self._begin(config)

    def start(self, name: str) -> Callable[[], None] | None:
        """Start a workload unless it runs; returns the wait for its server, during which others may change it."""
        entry = self._world.entry(name)
        if (former := entry.run) is not None:
            return lambda: self.await_ready(name, former, self._ready_timeout)
        self.admit(entry.config)
        self._world.check_port(entry.config)
        run = self._begin(entry.config)
        return lambda: self._prove(name, run)

    def stop(self, name: str) -> None:
        """Stop a workload."""
        self._world.set_status(name, WorkloadStatus.STOPPED)

    def restart(self, name: str) -> Callable[[], None] | None:
        """Stop a workload and start it; returns the wait for its server."""
        self.stop(name)
        return self.start(name)

    def update(self, name: str, config: RunConfig) -> None:
        """Replace the run config of a workload; that of a running one when the new server has been ready."""
        if config.name != name:
            raise RunConfigError([Problem("name", f"must stay {name!r}, got {config.name!r}; names cannot be changed")])
        entry = self._world.entry(name)
        former = entry.config
        chosen = config if config.port else config.evolve(port=former.port)
        self.admit(chosen)
        if entry.run is None:
            self._world.store(chosen)
            return
        self._world.check_port(chosen)
        try:
            self._prove(name, self._begin(chosen))
        except WorkloadFailedError as error:
            self._restore(name, former, error)
            raise
        self._world.store(chosen)

    def group_of(self, name: str) -> str | WorkloadsError:
        """The group of a workload, or the error by which it is not known."""
        try:
            return self._world.entry(name).config.effective_group
        except WorkloadsError as error:
            return error

    def move(self, name: str, source: str, target: str) -> None:
        """Move a workload to another group unless it has left ``source`` meanwhile."""
        with self._world.changed:
            entry = self._world.entries.get(name)
            if entry is not None and entry.config.effective_group == source:
                self._world.store(entry.config.evolve(group=target))

    def await_ready(self, name: str, run: Run, timeout: float) -> None:
        """Wait until a server is ready, or raise what became of it."""
        with self._world.changed:
            self._world.changed.wait_for(lambda: run.ready or run.ended, timeout)
            if run.ready:
                return
            if run.ended:
                raise self._failed(name, run.failure or "it was ended before it was ready")
            entry = self._world.entry(name)
            raise WorkloadNotReadyError(
                name, waited=timeout, status=entry.status, status_context=entry.context, logs=self._last_lines(name)
            )

    def await_end(self, name: str, run: Run) -> None:
        """Wait until a runner has ended; whatever interrupts the wait ends it first."""
        with self._world.changed:
            try:
                self._world.changed.wait_for(lambda: run.ended)
            except BaseException:
                if not run.ended:
                    self.stop(name)
                raise
            if run.failure:
                raise self._failed(name, run.failure)

    def _begin(self, config: RunConfig) -> Run:
        """Start the server of a workload, which behaves as the test wants."""
        name, behaviour = config.name, self._behaviour(config)
        with self._world.changed:
            run = self._world.begin(name)
            if behaviour is ServerBehaviour.DIES:
                self._world.add_line(name, "exiting with code 1")
                self._world.set_status(name, WorkloadStatus.ERROR, "exited with code 1")
            elif config.effective_backend_replicas == 0:
                self._world.serve_nothing(name)
            elif behaviour is ServerBehaviour.READY:
                self._world.set_status(name, WorkloadStatus.RUNNING)
        return run

    def _restore(self, name: str, former: RunConfig, error: WorkloadFailedError) -> None:
        try:
            self._prove(name, self._begin(former))
            error.add_note(f"workload {name!r} runs again as it was before")
        except WorkloadsError as failure:
            error.add_note(f"workload {name!r} could not be started again as it was before: {failure}")

    def _prove(self, name: str, run: Run) -> None:
        """Wait until a server is ready; one that takes too long has failed."""
        try:
            self.await_ready(name, run, self._ready_timeout)
        except WorkloadNotReadyError as error:
            reason = f"not ready after {self._ready_timeout:g} s"
            self._world.set_status(name, WorkloadStatus.ERROR, reason)
            raise self._failed(name, reason) from error

    def _failed(self, name: str, reason: str) -> WorkloadFailedError:
        return WorkloadFailedError(name, reason, logs=self._last_lines(name))

    def _last_lines(self, name: str) -> list[str]:
        with self._world.changed:
            entry = self._world.entries.get(name)
            return [] if entry is None else [line for _, line in entry.server_lines[-_LOG_LINES:]]
