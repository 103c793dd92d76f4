"""The servers of this machine that live on without their proxy runners: those that an engine runs."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core.paths import DEFAULT_APP
from workloads.errors import RuntimeNotFoundError, RuntimeUnavailableError, WorkloadsError
from workloads.runtimes.protocol import LastingRuntime, Owner
from workloads.runtimes.registry import load_runtime

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from workloads._core.paths import Paths
    from workloads.runtimes.protocol import Sighting
    from workloads.state import RuntimeRecord

__all__ = ("Containers", "Seen", "owner_of")

_log = logging.getLogger(__name__)

_PROCESS = "process"
_MACHINE_ID = Path("/etc/machine-id")
_SCOPE_LENGTH = 16


@attrs.frozen
class Seen:
    """What a runtime tells of the servers of one workload.

    Attributes:
        servers: Those that there are, whether they run or not.
        away: Why it does not tell; empty when it does.
    """

    servers: tuple[Sighting, ...] = ()
    away: str = ""


def owner_of(paths: Paths, app: str = DEFAULT_APP, *, launch_id: str = "") -> Owner:
    """On whose behalf the servers of an application folder are started.

    One engine may be shared by several folders, users and machines, none of which must take the others' servers for
    its own.

    Args:
        paths: The application folder.
        app: Whose folder it is.
        launch_id: The start of the workload; empty for none.
    """
    try:
        machine = _MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        machine = ""
    place = f"{machine or os.uname().nodename}:{paths.state}"
    scope = hashlib.sha256(place.encode()).hexdigest()[:_SCOPE_LENGTH]
    return Owner(app=app, scope=scope, launch_id=launch_id, folders=(str(paths.state), str(paths.data)))


class Containers:
    """The containers of one application folder, on every engine. Safe to use from several threads."""

    def __init__(self, paths: Paths, app: str = DEFAULT_APP) -> None:
        """Prepare; no engine is looked for yet.

        Args:
            paths: The application folder.
            app: Whose folder it is.
        """
        self._owner = owner_of(paths, app)
        self._runtimes: dict[str, LastingRuntime | None] = {}

    def runtime(self, name: str) -> LastingRuntime | None:
        """A runtime whose servers live on without their runner; None for any other.

        Args:
            name: The runtime.

        Raises:
            RuntimeNotFoundError: There is none of that name any more.
            RuntimeUnavailableError: It cannot be loaded.
        """
        if name == _PROCESS:
            return None
        if name not in self._runtimes:
            runtime = load_runtime(name)
            self._runtimes[name] = runtime.owned(self._owner) if isinstance(runtime, LastingRuntime) else None
        return self._runtimes[name]

    def look(self, records: Iterable[RuntimeRecord], name: str = "") -> dict[str, Seen]:
        """What there is of workloads, by their names; each runtime is asked once.

        Args:
            records: Their runtime records. Nobody is asked of those whose servers end with their runner.
            name: The one workload that the records are of; empty when they are of many.
        """
        by_runtime: dict[str, list[str]] = {}
        for record in records:
            if record.runtime != _PROCESS:
                by_runtime.setdefault(record.runtime, []).append(record.name)
        seen: dict[str, Seen] = {}
        for runtime, workloads in by_runtime.items():
            seen |= self._look_at(runtime, workloads, name)
        return seen

    def strays(self, runtime: str) -> set[str]:
        """The workloads that have servers on a runtime, whether anything else is known of them or not.

        Args:
            runtime: The runtime; one that does not answer has none.
        """
        try:
            lasting = self.runtime(runtime)
            return set() if lasting is None else {sighting.workload for sighting in lasting.sightings()}
        except (RuntimeUnavailableError, RuntimeNotFoundError):
            return set()

    def end(self, record: RuntimeRecord, grace: float) -> None:
        """End every server of a workload that lives on without its runner.

        Args:
            record: Its runtime record. When it names no containers, an engine that does not answer has none to end.
            grace: Seconds to end by itself in.

        Raises:
            WorkloadsError: The runtime cannot, or does not answer.
        """
        with _none_where_none_is_known(record):
            if (runtime := self.runtime(record.runtime)) is not None:
                runtime.end(record.name, grace)

    def remove(self, record: RuntimeRecord) -> None:
        """End every such server, and remove what was made for it.

        Args:
            record: As for :meth:`end`.

        Raises:
            WorkloadsError: The runtime cannot, or does not answer.
        """
        with _none_where_none_is_known(record):
            if (runtime := self.runtime(record.runtime)) is not None:
                runtime.remove(record.name)

    def trim(self, runtime: str, name: str, count: int) -> None:
        """Remove the servers of a workload beyond so many, which it had before. What fails is logged.

        Args:
            runtime: What executes it.
            name: The workload.
            count: How many it has now.
        """
        try:
            if (lasting := self.runtime(runtime)) is not None:
                lasting.remove(name, first=count)
        except WorkloadsError as error:  # it runs without them gone, and they go with the next start
            _log.warning("replicas not removed", extra={"workload": name, "reason": str(error)})

    def close(self) -> None:
        """Close the connections to engines. Idempotent."""
        for runtime in self._runtimes.values():
            if runtime is not None:
                runtime.close()

    def _look_at(self, runtime: str, workloads: Iterable[str], name: str) -> dict[str, Seen]:
        try:
            lasting = self.runtime(runtime)
            sightings = [] if lasting is None else lasting.sightings(name)
        except WorkloadsError as error:
            away = error.reason if isinstance(error, RuntimeUnavailableError) else str(error)
            return dict.fromkeys(workloads, Seen(away=f"{runtime} does not answer: {away}"))
        if lasting is None:
            return {}
        found: dict[str, list[Sighting]] = {workload: [] for workload in workloads}
        for sighting in sightings:
            if sighting.workload in found:
                found[sighting.workload].append(sighting)
        return {workload: Seen(tuple(servers)) for workload, servers in found.items()}


@contextlib.contextmanager
def _none_where_none_is_known(record: RuntimeRecord) -> Generator[None]:
    """Let an engine not answer that is not known to have a container of the workload."""
    try:
        yield
    except (RuntimeUnavailableError, RuntimeNotFoundError):
        if record.containers:
            raise
