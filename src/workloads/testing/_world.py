"""The workloads and groups of in-memory managers, and what is told of their changes. Every method takes the lock."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from workloads.errors import PortInUseError, WorkloadBusyError, WorkloadNotFoundError
from workloads.managers.view import user_labels
from workloads.model import DEFAULT_GROUP, Isolation, ReplicaCount, Workload, WorkloadStatus
from workloads.proxyrunner.address import client_url

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from workloads.config import RunConfig

__all__ = ("Entry", "Run", "World")

_FIRST_PORT = 41000
_FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_ENDED = frozenset({WorkloadStatus.STOPPED, WorkloadStatus.ERROR, WorkloadStatus.POLICY_STOPPED})


@attrs.define(eq=False)
class Run:
    """One life of a workload's proxy runner, from start to end.

    Attributes:
        ready: Whether its server has been ready.
        ended: Whether it is over.
        failure: Why it failed; empty when it did not.
    """

    ready: bool = False
    ended: bool = False
    failure: str = ""


@attrs.define(eq=False)
class Entry:
    """One workload.

    Attributes:
        config: Its run config, with the port of its proxy.
        created_at: When it was created.
        status: Its state.
        context: Why it is in that state.
        started_at: When it last became running.
        asleep: Whether it sleeps until the next request.
        run: The runner that owns it; None while there is none.
        server_lines: What its servers wrote: replica and line.
        proxy_lines: What its proxy runner wrote, in the same form.
    """

    config: RunConfig
    created_at: datetime
    status: WorkloadStatus = WorkloadStatus.STARTING
    context: str = ""
    started_at: datetime | None = None
    asleep: bool = False
    run: Run | None = None
    server_lines: list[tuple[int, str]] = attrs.field(factory=list[tuple[int, str]])
    proxy_lines: list[tuple[int, str]] = attrs.field(factory=list[tuple[int, str]])

    @property
    def desired(self) -> int:
        """How many replicas there should be."""
        count = self.config.effective_backend_replicas
        return 1 if count is None else count

    def view(self, runtime: str) -> Workload:
        """The workload as callers see it."""
        config = self.config
        ready = self.desired if self.status is WorkloadStatus.RUNNING and not self.asleep else 0
        mode = config.effective_proxy_mode
        return Workload(
            name=config.name,
            runtime=runtime,
            image=config.image,
            command=(*config.command, *config.cmd_args),
            status=self.status,
            status_context=self.context,
            url=client_url(config.name, config.host, config.port, mode, remote_url=config.remote_url),
            port=config.port,
            transport=config.transport,
            proxy_mode=mode,
            group=config.effective_group,
            labels=user_labels(config.container_labels),
            created_at=self.created_at,
            started_at=self.started_at,
            remote=bool(config.remote_url),
            replicas=ReplicaCount(ready, self.desired),
            asleep=self.asleep,
            isolation=Isolation.NONE,
        )


class World:
    """What several in-memory managers may look at and change, as managers of one machine do."""

    def __init__(self, clock: Callable[[], datetime] | None) -> None:
        """An empty world, whose times come from ``clock``; None counts seconds from a fixed moment."""
        self.changed = threading.Condition()
        self.entries: dict[str, Entry] = {}
        self.groups = {DEFAULT_GROUP}
        self._clock = clock if clock is not None else self._next_moment
        self._moment = _FIRST_MOMENT
        self._port = _FIRST_PORT
        self._operations: dict[str, threading.Lock] = {}
        self._listeners: list[Callable[[str], None]] = []

    @contextlib.contextmanager
    def operation(self, name: str, timeout: float) -> Generator[None]:
        """Be the only one who changes this workload; ``WorkloadBusyError`` after ``timeout`` seconds."""
        with self.changed:
            lock = self._operations.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=timeout):
            raise WorkloadBusyError(name, waited=timeout)
        try:
            yield
        finally:
            lock.release()

    def entry(self, name: str) -> Entry:
        """The workload, or ``WorkloadNotFoundError``."""
        with self.changed:
            entry = self.entries.get(name)
        if entry is None:
            raise WorkloadNotFoundError(name)
        return entry

    def members(self, group: str) -> list[str]:
        """The names of the workloads of a group, sorted."""
        with self.changed:
            return sorted(name for name, entry in self.entries.items() if entry.config.effective_group == group)

    def store(self, config: RunConfig) -> Entry:
        """Write down the run config of a workload, new or not."""
        with self.changed:
            entry = self.entries.get(config.name)
            if entry is None:
                entry = self.entries[config.name] = Entry(config, self._clock())
            entry.config = config
            self.tell(config.name)
            return entry

    def remove(self, name: str) -> None:
        """Forget a workload; its runner has ended."""
        with self.changed:
            entry = self.entries.pop(name, None)
            if entry is not None:
                self._end(entry, "")
                self.tell(name)

    def set_status(self, name: str, status: WorkloadStatus, context: str = "", *, asleep: bool = False) -> None:
        """Let a workload be in a state; one in which nothing runs ends its runner."""
        with self.changed:
            entry = self.entry(name)
            entry.status, entry.context, entry.asleep = status, context, asleep
            if status in _ENDED:
                self._end(entry, context or str(status) if status is WorkloadStatus.ERROR else "")
            elif entry.run is None and status not in (WorkloadStatus.REMOVING, WorkloadStatus.UNKNOWN):
                entry.run = Run()
            if status is WorkloadStatus.RUNNING and entry.run is not None and not entry.run.ready:
                entry.run.ready = True
                entry.started_at = self._clock()
            self.tell(name)

    def begin(self, name: str) -> Run:
        """Let a new runner own a workload, which is starting."""
        with self.changed:
            entry = self.entry(name)
            self._end(entry, "")
            entry.run = Run()
            entry.status, entry.context, entry.asleep = WorkloadStatus.STARTING, "", False
            entry.proxy_lines.append((0, f"listening on port {entry.config.port}"))
            self.tell(name)
            return entry.run

    def serve_nothing(self, name: str) -> None:
        """Let a workload without replicas be what it becomes: stopped, with its runner alive."""
        with self.changed:
            entry = self.entry(name)
            assert entry.run is not None
            entry.run.ready = True
            entry.status = WorkloadStatus.STOPPED
            self.tell(name)

    def add_line(self, name: str, line: str, *, replica: int = 0, proxy: bool = False) -> None:
        """Let a workload's server, or its proxy runner, write a line."""
        with self.changed:
            entry = self.entry(name)
            (entry.proxy_lines if proxy else entry.server_lines).append((replica, line))
            self.changed.notify_all()

    def free_port(self) -> int:
        """The next port that no workload has."""
        with self.changed:
            taken = {entry.config.port for entry in self.entries.values()}
            self._port += 1
            while self._port in taken:
                self._port += 1
            return self._port

    def check_port(self, config: RunConfig) -> None:
        """Check that no other workload listens on the port of this one."""
        with self.changed:
            for name, entry in self.entries.items():
                if name != config.name and entry.run is not None and entry.config.port == config.port:
                    raise PortInUseError(config.host, config.port)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the name of each workload that changes, while the lock is held."""
        with self.changed:
            self._listeners.append(listener)

    def unlisten(self, listener: Callable[[str], None]) -> None:
        """Call it no more."""
        with self.changed:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def tell(self, name: str) -> None:
        """Wake whoever waits for a change, and tell that this workload changed."""
        with self.changed:
            for listener in self._listeners:
                listener(name)
            self.changed.notify_all()

    def _end(self, entry: Entry, failure: str) -> None:
        if entry.run is not None:
            entry.run.ended, entry.run.failure = True, failure
            entry.run = None

    def _next_moment(self) -> datetime:
        self._moment += timedelta(seconds=1)
        return self._moment
