"""What is done to one workload at a time: run, start, stop, delete. Each holds the workload's operation lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from workloads.errors import (
    GroupNotFoundError,
    PortInUseError,
    Problem,
    RunConfigError,
    WorkloadExistsError,
    WorkloadFailedError,
    WorkloadNotReadyError,
    WorkloadsError,
)
from workloads.managers.admission import admit, headers_of, secrets_of
from workloads.managers.dependencies import start_order
from workloads.managers.ending import end, was_launch_interrupted
from workloads.managers.handshake import Start
from workloads.managers.logs import server_lines
from workloads.managers.spawn import spawn_runner
from workloads.managers.view import was_meant_to_run
from workloads.model import WorkloadStatus
from workloads.runtimes.process.ports import free_port, is_free
from workloads.runtimes.registry import load_runtime
from workloads.state import RuntimeRecord

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from workloads.config import RunConfig
    from workloads.managers.inventory import Inventory
    from workloads.managers.settings import Settings
    from workloads.managers.spawn import RunnerHandle

__all__ = ("Lifecycle",)

_OWN_TIMEOUT = 30.0
_PORT_TRIES = 5
_LOOK_EVERY = 0.05
_LOG_LINES = 20


class Lifecycle:
    """Changes the workloads of one application folder. Safe to use from several threads and processes at once."""

    def __init__(self, inventory: Inventory, runtime: str, settings: Settings) -> None:
        """Change the workloads of ``inventory``; new ones are executed by ``runtime``."""
        self._inventory = inventory
        self._runtime = runtime
        self._settings = settings

    def run_detached(self, config: RunConfig, *, wait: float | None) -> None:
        """Create a workload and leave it running; ``wait`` is None or the seconds it has to become ready."""
        handle = self._create(config, foreground=False, busy_timeout=wait)
        try:
            if wait is not None:
                self._expect(config.name, handle, "ready", wait)
        finally:
            handle.close()

    def run_foreground(self, config: RunConfig) -> None:
        """Create a workload and wait until it ends; whatever interrupts the wait drains it first."""
        name = config.name
        handle = self._create(config, foreground=True)
        try:
            self._expect(name, handle, "ended", None)
        except WorkloadsError:
            raise
        except BaseException:
            # Letting go of the handle is what tells the runner to drain.
            handle.release()
            try:
                self._expect(name, handle, "ended", None)
            except WorkloadsError:
                # The word that it ended well is lost where the interruption struck who had just taken it.
                present = self._inventory.find(name)
                if present is None or present.status is not WorkloadStatus.STOPPED:
                    raise
            raise
        finally:
            handle.close()

    def update(self, name: str, config: RunConfig, *, grace: float) -> None:
        """Replace the run config of a workload.

        That of a running workload is stored when its new server is ready, in one step; until then the old one is what
        is stored, and when the new server fails it is what runs again. A workload that does not run is not started.
        """
        if config.name != name:
            raise RunConfigError([Problem("name", f"must stay {name!r}, got {config.name!r}; names cannot be changed")])
        if self._inventory.has_runner(name):
            self._start_needed(config)
        with self._operation(name):
            # An update of a workload that did not run has no proposal, so one that was interrupted was of one that did.
            interrupted = self._inventory.configs.has_proposal(name)
            self._settle(name)
            former = self._inventory.config(name)
            chosen = config if config.port else config.evolve(port=former.port)
            self._admit(chosen, self._runtime_of(name))
            start = self._resolve(chosen)
            if not interrupted and not self._inventory.has_runner(name):
                self._inventory.configs.save(chosen)
                return
            if (chosen.host, chosen.port) != (former.host, former.port):
                _check_port(chosen)
            self._inventory.configs.propose(chosen)
            try:
                self._end(name, grace)
                self._prove(chosen, attrs.evolve(start, proposed=True))
                self._inventory.configs.adopt(name)
                self._trim(chosen)
            except BaseException as error:
                self._restore(name, former, error)
                raise

    def recover(self, name: str) -> None:
        """Start a workload again that a crash, or the end of the machine, has ended; finish a delete that was cut.

        What it depends on is recovered first; what was stopped by somebody stays stopped, and is an error then.
        """
        for needed in self._needed(name):
            self._recover(needed)
        self._recover(name)

    def _needed(self, name: str) -> list[str]:
        config = self._inventory.configs.load(name)
        return [] if config is None else start_order(config, self._inventory.configs.load)

    def _recover(self, name: str) -> None:
        with self._operation(name):
            stored = self._inventory.stored(name)
            if stored is None:
                return
            if stored.status is not None and stored.status.status is WorkloadStatus.REMOVING:
                # Who deletes holds the lock, so nobody does any more.
                self._discard(name, 0.0)
                return
            # Looked at first: a runner that is ended says that it was stopped, unless it is killed before.
            meant_to_run = self._inventory.configs.has_proposal(name) or was_meant_to_run(stored)
            self._settle(name)
            if not meant_to_run or self._inventory.has_runner(name):
                return
            handle = self._start(name)
        self._await_start(name, handle)

    def sweep(self, name: str) -> bool:
        """End and remove what is left of a workload whose run config is gone; returns whether anything was."""
        with self._operation(name):
            if self._inventory.stored(name) is not None or not self._inventory.has_leftovers(name, self._runtime):
                return False
            self._discard(name, 0.0)
            return True

    def start(self, name: str) -> None:
        """Start a workload that is not running, after those it depends on, and wait until it is ready."""
        self._start_needed(self._inventory.config(name))
        with self._operation(name):
            self._settle(name)
            handle = self._start(name)
        self._await_start(name, handle)

    def restart(self, name: str, *, grace: float) -> None:
        """Stop a workload and start it again, after those it depends on, and wait until it is ready."""
        self._start_needed(self._inventory.config(name))
        with self._operation(name):
            self._inventory.config(name)
            self._settle(name)
            self._stop(name, grace)
            handle = self._start(name)
        self._await_start(name, handle)

    def stop(self, name: str, *, grace: float) -> None:
        """Stop a workload: its proxy drains, then its server ends; what is left after ``grace`` seconds is killed."""
        with self._operation(name):
            self._inventory.get(name)
            self._settle(name)
            self._stop(name, grace)

    def delete(self, name: str, *, grace: float) -> None:
        """Stop a workload and remove what is kept of it; its run config goes last, so nothing is left unseen."""
        with self._operation(name):
            if self._inventory.stored(name) is None:
                return
            self._inventory.statuses.set(name, WorkloadStatus.REMOVING)
            self._discard(name, grace)

    def _operation(self, name: str, busy_timeout: float | None = None) -> AbstractContextManager[None]:
        """Be the only one who changes a workload; ``busy_timeout`` is the caller's own, None that of the settings."""
        return self._inventory.operation(name, self._settings.busy_timeout if busy_timeout is None else busy_timeout)

    # Creating and starting

    def _start_needed(self, config: RunConfig) -> None:
        """Start what a workload depends on, without being the only one who changes it: others may need it, too."""
        for name in start_order(config, self._inventory.configs.load):
            with self._operation(name):
                self._settle(name)
                handle = self._start(name)
            self._await_start(name, handle)

    def _create(self, config: RunConfig, *, foreground: bool, busy_timeout: float | None = None) -> RunnerHandle:
        name = config.name
        self._admit(config, self._runtime)
        self._start_needed(config)
        with self._operation(name, busy_timeout):
            self._settle(name)
            present = self._inventory.find(name)
            if present is not None and present.status is not WorkloadStatus.ERROR:
                raise WorkloadExistsError(name, present.status)
            self._end(name, 0.0)
            former = self._inventory.record(name)
            if former is not None and former.runtime != self._runtime:
                self._inventory.containers.remove(former)
                self._inventory.records.delete(name)
            self._trim(config)
            return self._spawn_on_free_port(config, foreground=foreground)

    def _runtime_of(self, name: str) -> str:
        """What executes a workload: what it was created with, if that is on record."""
        record = self._inventory.record(name)
        return self._runtime if record is None else record.runtime

    def _admit(self, config: RunConfig, runtime: str) -> None:
        start_order(config, self._inventory.configs.load)
        admit(config, self._inventory.containers.runtime(runtime) or load_runtime(runtime), app=self._settings.app)
        if not self._inventory.groups.exists(config.effective_group):
            raise GroupNotFoundError(config.effective_group)

    def _resolve(self, config: RunConfig) -> Start:
        """What a runner of this run config must know and no file may hold."""
        paths, app = self._inventory.paths, self._settings.app
        return Start(secrets_of(config, paths, app=app), headers=headers_of(config, paths, app=app), app=app)

    def _spawn_on_free_port(self, config: RunConfig, *, foreground: bool) -> RunnerHandle:
        """Store the run config with the port of its proxy, and start its runner.

        A port that was free when it was picked may be taken before the runner listens: then another is picked.
        """
        start = attrs.evolve(self._resolve(config), foreground=foreground)
        if config.port:
            _check_port(config)
        for left in reversed(range(_PORT_TRIES)):
            chosen = config if config.port else config.evolve(port=free_port())
            self._inventory.configs.save(chosen)
            try:
                return self._spawn(chosen, start)
            except PortInUseError:
                if config.port or not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _spawn(self, config: RunConfig, start: Start) -> RunnerHandle:
        """Start the runner of a stored run config, and wait until it owns the workload and listens."""
        name = config.name
        launch_id = self._inventory.records.launch(name, self._runtime_of(name)).launch_id
        self._inventory.statuses.set(name, WorkloadStatus.STARTING, process_id=0)
        try:
            handle = spawn_runner(
                name,
                attrs.evolve(start, launch_id=launch_id),
                log=self._inventory.paths.proxy_log(name),
                state_dir=None if self._settings.state_dir is None else self._inventory.paths.state,
                python=self._settings.python,
            )
            try:
                self._expect(name, handle, "owned", _OWN_TIMEOUT)
            except BaseException:
                handle.close()
                raise
        except WorkloadsError as error:
            self._end(name, 0.0)
            reason = error.reason if isinstance(error, WorkloadFailedError) else str(error)
            self._inventory.statuses.set(name, WorkloadStatus.ERROR, reason, process_id=0)
            raise
        return handle

    def _start(self, name: str) -> RunnerHandle | None:
        config = self._inventory.config(name)
        if self._inventory.has_runner(name):
            return None
        self._admit(config, self._runtime_of(name))
        start = self._resolve(config)
        stored = self._inventory.stored(name)
        if stored is not None and was_meant_to_run(stored):
            # Before what runs is struck out: who is killed between leaves a workload that was meant to run. One that
            # was stopped is left so until its start is on record, for starting without one would be told as unhealthy.
            self._inventory.statuses.set(name, WorkloadStatus.STARTING, process_id=0)
        self._end(name, 0.0)
        self._trim(config)
        return self._spawn(config, start)

    def _trim(self, config: RunConfig) -> None:
        """Remove what is kept of replicas that a workload no longer has."""
        count = config.effective_backend_replicas
        self._inventory.containers.trim(self._runtime_of(config.name), config.name, 1 if count is None else count)

    def _await_start(self, name: str, handle: RunnerHandle | None) -> None:
        if handle is None:
            self._await_others_start(name)
            return
        try:
            self._expect(name, handle, "ready", None)
        finally:
            handle.close()

    def _await_others_start(self, name: str) -> None:
        """Wait until a workload is ready that had a runner already, unless it is not starting."""
        starting = False
        while (workload := self._inventory.get(name)).status is WorkloadStatus.STARTING:
            starting = True
            time.sleep(_LOOK_EVERY)
        if starting and workload.status is not WorkloadStatus.RUNNING:
            raise WorkloadFailedError(name, workload.status_context or "it was stopped before it was ready")

    def _expect(self, name: str, handle: RunnerHandle, kind: str, timeout: float | None) -> None:
        """Wait for an event of the runner, or raise the error it reports."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            event = handle.next_event(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if event is None:
                raise self._not_ready(name, timeout or 0.0)
            if event.kind == "failed":
                raise event.error(name)
            if event.kind == kind:
                return
            if event.kind == "ended":
                raise WorkloadFailedError(name, f"it was stopped before it was {kind}")

    def _not_ready(self, name: str, waited: float) -> WorkloadNotReadyError:
        workload = self._inventory.get(name)
        with server_lines(self._inventory, name, lines=_LOG_LINES) as lines:
            return WorkloadNotReadyError(
                name, waited=waited, status=workload.status, status_context=workload.status_context, logs=list(lines)
            )

    def _prove(self, config: RunConfig, start: Start) -> None:
        """Start a workload and wait until it is ready."""
        handle = self._spawn(config, start)
        try:
            self._expect(config.name, handle, "ready", None)
        finally:
            handle.close()

    def _restore(self, name: str, former: RunConfig, error: BaseException) -> None:
        """Run the former run config of a workload again, whose update failed."""
        try:
            self._settle(name)
            self._prove(former, self._resolve(former))
            error.add_note(f"workload {name!r} runs again as it was before")
        except WorkloadsError as failure:
            error.add_note(f"workload {name!r} could not be started again as it was before: {failure}")

    # Ending

    def _settle(self, name: str) -> None:
        """Undo what was interrupted: an update before the new run config was proven, a start before it was owned."""
        proposed = self._inventory.configs.has_proposal(name)
        if proposed or was_launch_interrupted(self._inventory.records, name):
            self._end(name, 0.0)
        if proposed:
            self._inventory.configs.withdraw(name)

    def _stop(self, name: str, grace: float) -> None:
        # That it is stopping is for its runner to say: who is killed before the runner is told has stopped nothing.
        context = self._end(name, grace)
        self._inventory.statuses.set(name, WorkloadStatus.STOPPED, context, process_id=0)

    def _end(self, name: str, grace: float) -> str:
        """End whatever is left of a workload; tells when it was cut."""
        return end(self._inventory.records, self._inventory.containers, name, grace, runtime=self._runtime)

    def _discard(self, name: str, grace: float) -> None:
        """End a workload and remove all that is kept of it."""
        self._end(name, grace)
        record = self._inventory.record(name) or RuntimeRecord(name=name, runtime=self._runtime)
        self._inventory.containers.remove(record)
        self._inventory.forget(name)


def _check_port(config: RunConfig) -> None:
    if not is_free(config.port, config.host):
        raise PortInUseError(config.host, config.port)
