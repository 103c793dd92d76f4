"""The runner's side of a workload: who owns it, what is written down of it, and its life from start to drain."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

from workloads._core import process
from workloads._core.paths import DEFAULT_APP
from workloads._core.version import VERSION
from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.managers.containers import owner_of
from workloads.managers.handshake import Event
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ControlSocket, ProxyRunner
from workloads.runtimes.protocol import LastingRuntime
from workloads.state import RuntimeRecord, RuntimeRecordStore, StatusStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from workloads._core.paths import Paths
    from workloads._core.process import ProcessIdentity
    from workloads.config import RunConfig
    from workloads.managers.handshake import Reporter
    from workloads.proxyrunner.control.address import ControlAddress
    from workloads.runtimes.protocol import Replica, Runtime

__all__ = ("Ownership", "run_owned")

_log = logging.getLogger(__name__)


class Ownership:
    """The ownership of one workload, from its lock to its last written status; a context manager.

    While it is held, this process is the only one that writes the workload's runtime record and the status that
    follows from what its server does. It observes a :class:`~workloads.proxyrunner.ProxyRunner`, and writes in a thread
    of its own, in order, so that no disk holds up a proxy.
    """

    def __init__(self, name: str, runtime: str, *, paths: Paths, reporter: Reporter, launch_id: str = "") -> None:
        """Prepare to own a workload; nothing is taken yet.

        Args:
            name: The workload.
            runtime: What executes it.
            paths: Where the state is.
            reporter: Tells the manager that waits for the workload, if one does.
            launch_id: The start on record must still be this one; empty for whichever.
        """
        self._name = name
        self.launch_id = launch_id
        """The start of the workload that it belongs to; empty for whichever."""
        self._reporter = reporter
        self._statuses = StatusStore(paths)
        self._records = RuntimeRecordStore(paths)
        self._lock = self._records.owner_lock(name)
        self._record = RuntimeRecord(name=name, runtime=runtime, library_version=VERSION)
        self._draining = False
        self._status = WorkloadStatus.STARTING
        self._waits_for = ""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="workloads-state")

    def __enter__(self) -> Self:
        """Take the workload.

        Raises:
            WorkloadFailedError: It has an owner already, or the start was undone meanwhile.
        """
        if not self._lock.acquire(timeout=5.0):
            raise WorkloadFailedError(self._name, "another proxy runner owns it")
        try:
            self._check_launch()
            self._write(attrs.evolve(self._record, runner=process.current()))
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        """Write down how it ended, and let the workload go."""
        self._writer.shutdown(wait=True)
        try:
            self._write(self._record.released())
            status = WorkloadStatus.STOPPED if exc is None else WorkloadStatus.ERROR
            self._statuses.set(self._name, status, _reason(exc), process_id=0)
        finally:
            self._lock.release()

    def listening(self, host: str, port: int) -> None:
        """The proxy listens on this address."""
        self._submit(self._listens, host, port)

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """These replicas exist, so many of them ready."""
        identities = tuple(replica.identity for replica in replicas if replica.identity is not None)
        containers = tuple(replica.container for replica in replicas if replica.container)
        self._submit(self._has_replicas, identities, containers, ready)

    def status(self, status: WorkloadStatus, context: str) -> None:
        """The workload is in this state."""
        self._submit(self._set_status, status, context)

    async def written(self) -> None:
        """Wait until everything is on disk that it was told before."""
        await asyncio.wrap_future(self._writer.submit(_nothing))

    def waits_for(self, context: str) -> None:
        """While it starts, this is what it waits for; empty for nothing in particular."""
        self._submit(self._note, context)

    def stop_grace(self) -> float | None:
        """How many seconds whoever ends the workload gives it; None when nobody said. Blocks."""
        assert self._record.runner is not None
        try:
            return self._records.asked_to_end(self._name, self._record.runner)
        except WorkloadsError:
            # A state folder that cannot be read must not keep a server from being ended.
            _log.exception("cannot read state", extra={"workload": self._name})
            return None

    def _check_launch(self) -> None:
        if self.launch_id:
            record = self._records.read(self._name)
            if record is None or record.launch_id != self.launch_id:
                # Whoever began it was killed or interrupted, and the next operation on the workload has undone it.
                raise WorkloadFailedError(self._name, "its start was undone before its proxy runner was up")

    def _submit(self, work: Callable[..., None], /, *args: object) -> None:
        self._writer.submit(self._guarded, work, *args)

    def _guarded(self, work: Callable[..., None], /, *args: object) -> None:
        # A full disk must not end a workload that serves; what is on disk is then told as stale by its times.
        try:
            work(*args)
        except (OSError, WorkloadsError):
            _log.exception("cannot write state", extra={"workload": self._name})

    def _listens(self, host: str, port: int) -> None:
        self._write(attrs.evolve(self._record, host=host, port=port))
        self._reporter.send(Event("owned"))

    def _has_replicas(self, identities: tuple[ProcessIdentity, ...], containers: tuple[str, ...], ready: int) -> None:
        # A container that has ended is there all the same.
        kept = containers or self._record.containers
        self._write(attrs.evolve(self._record, replicas=identities, containers=kept, ready_replicas=ready))

    def _write(self, record: RuntimeRecord) -> None:
        self._record = record
        self._records.write(record)

    def _note(self, context: str) -> None:
        self._waits_for = context
        if self._status is WorkloadStatus.STARTING:
            self._set_status(self._status, context)

    def _set_status(self, status: WorkloadStatus, context: str) -> None:
        self._status = status
        assert self._record.runner is not None
        if status is WorkloadStatus.STARTING:
            context = context or self._waits_for
        self._statuses.set(self._name, status, context, process_id=self._record.runner.pid)
        if status is WorkloadStatus.STOPPING:
            self._draining = True
        # Without replicas, stopped is all it becomes; after a drain it is no sign of being ready.
        elif status is WorkloadStatus.RUNNING or (status is WorkloadStatus.STOPPED and not self._draining):
            self._reporter.send(Event("ready"))


def _nothing() -> None:
    """What is done when all before it is."""


def _reason(error: BaseException | None) -> str:
    match error:
        case None:
            return ""
        case WorkloadFailedError():
            return error.reason
        case WorkloadsError():
            return str(error)
        case _:
            return f"its proxy runner failed: {type(error).__name__}"


async def run_owned(
    config: RunConfig,
    runtime: Runtime,
    ownership: Ownership,
    *,
    paths: Paths,
    app: str = DEFAULT_APP,
    secrets: Mapping[str, str],
    shutdown: asyncio.Event,
    headers: Mapping[str, str] | None = None,
    pre_stop_delay: float = 0.0,
    stall_timeout: float = 120.0,
    control: ControlAddress | None = None,
) -> None:
    """Run a workload that this process owns, until ``shutdown`` is set or it fails.

    Args:
        config: Its run config.
        runtime: What executes it.
        ownership: The ownership, entered.
        paths: Where the state is.
        app: Whose folder that is. Default: this library's own.
        secrets: Resolved secrets: environment variable and value.
        shutdown: Set it to drain and end.
        headers: Resolved headers for a remote server. Default: None, there are none.
        pre_stop_delay: Seconds for which it is not ready, but serves, before it drains. Default: 0.
        stall_timeout: Seconds for which a client may read nothing of its answer. Default: 120.
        control: Where the operator is answered. Default: None, a socket in the state folder.

    Raises:
        WorkloadFailedError: It could not be started, or did not stay up.
    """
    base = config.effective_base_name
    if isinstance(runtime, LastingRuntime):
        runtime = runtime.owned(owner_of(paths, app, launch_id=ownership.launch_id), told=ownership.waits_for)
    runner = ProxyRunner(
        config,
        runtime=runtime,
        secrets=secrets,
        headers=headers,
        log=lambda index: paths.server_log(base, index),
        folder=lambda index: paths.server_folder(base, index),
        observer=ownership,
        stop_grace=ownership.stop_grace,
        pre_stop_delay=pre_stop_delay,
        stall_timeout=stall_timeout,
        control=control or ControlSocket(paths.control_socket(base)),
        dependencies={name: paths.control_socket(name) for name in config.depends_on},
    )
    await runner.serve(shutdown)
