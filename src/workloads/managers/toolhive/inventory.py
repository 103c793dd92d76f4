"""What is on disk and on the engines about the workloads of ToolHive's folder: those that ``thv`` runs, and ours."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core.paths import TOOLHIVE
from workloads.errors import CorruptStateError
from workloads.managers.inventory import Inventory
from workloads.managers.toolhive.container import Container, by_workload, sidecars_of
from workloads.managers.toolhive.containers import Containers, Survey
from workloads.managers.toolhive.proxy import Proxy, Standing, find_proxy, listeners
from workloads.managers.toolhive.view import Seen, view
from workloads.managers.view import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workloads._core.paths import Paths
    from workloads._core.process import ProcessIdentity
    from workloads.config import RunConfig
    from workloads.manager import Stream
    from workloads.managers.containers import Seen as SeenByRuntime
    from workloads.model import ReplicaStats, Workload

__all__ = ("Found", "ToolHiveInventory")

_PROFILE = f"{TOOLHIVE}-*-permissions-*.json"


@attrs.frozen
class Found:
    """A workload that ``thv`` runs, or ran.

    Attributes:
        seen: What can be seen of it.
        sidecars: The containers that only serve its container.
    """

    seen: Seen
    sidecars: tuple[Container, ...]

    @property
    def containers(self) -> tuple[Container, ...]:
        """All its containers, the server first."""
        return self.sidecars if self.seen.container is None else (self.seen.container, *self.sidecars)


class ToolHiveInventory(Inventory):
    """The workloads of ToolHive's folder. One exists when its run config does, or a container that ``thv`` made.

    Those that have a runtime record are this library's own, until ``thv`` runs them again. Reads never write: what
    ToolHive would write down on a bad look is told, and told otherwise as soon as it is otherwise.
    """

    def __init__(self, paths: Paths) -> None:
        """Look at this state folder."""
        super().__init__(paths, TOOLHIVE)
        self.foreign = Containers()

    def close(self) -> None:
        """Close the connections to engines. Idempotent."""
        super().close()
        self.foreign.close()

    def names(self) -> list[str]:
        """The names of all workloads, sorted."""
        return sorted({*super().names(), *by_workload(self.foreign.survey().containers)})

    def stored(self, name: str) -> Stored | None:
        """Everything on disk about a workload, damaged or not; None when it does not exist."""
        return super().stored(name) or self._without_config(name, self.foreign.survey())

    def everything(self) -> list[Workload]:
        """Every workload as it is now, sorted by name."""
        survey, ports = self.foreign.survey(), functools.cache(listeners)
        shown = {workload.name: workload for workload in super().everything()}
        for name in {*shown, *by_workload(survey.containers)}:
            found = self._found(name, survey, ports)
            if found is not None:
                shown[name] = view(found.seen)
        return [shown[name] for name in sorted(shown)]

    def shown(self, stored: Stored, seen: SeenByRuntime | None) -> Workload:
        """A workload as it is now."""
        found = self.found(stored.name)
        return super().shown(stored, seen) if found is None else view(found.seen)

    def watched(
        self,
        name: str,
        seen: Callable[[Stored], SeenByRuntime | None],
        follow: Callable[[ProcessIdentity | None], None],
    ) -> Workload | None:
        """A workload as it is now, for who is told when its process ends; None when it does not exist."""
        survey = self.foreign.survey()
        found = self._found(name, survey, listeners)
        if found is None:
            return super().watched(name, seen, follow)
        follow(found.seen.proxy.identity)
        # It may have ended before it was followed, so it is looked at again; what engines do is told anyway.
        found = self._found(name, survey, listeners)
        return None if found is None else view(found.seen)

    def foreign_changes(self) -> Mapping[str, Stream[str]]:
        """The workloads of ``thv``'s whose containers change, of each engine."""
        return self.foreign.changes()

    def found(self, name: str) -> Found | None:
        """A workload that ``thv`` runs, or ran last; None when it is ours, or does not exist.

        Args:
            name: The workload.

        Raises:
            MissingDependencyError: The extra ``docker`` is not installed.
        """
        return self._found(name, self.foreign.survey(), listeners)

    def has_runner(self, name: str) -> bool:
        """Whether the workload is served: its proxy runner lives, or ``thv``'s proxy process and its container do."""
        if super().has_runner(name):
            return True
        found = self.found(name)
        if found is None or found.seen.proxy.standing is not Standing.ALIVE:
            return False
        container = found.seen.container
        return found.seen.is_remote or (container is not None and container.state == "running")

    def container_lines(self, name: str, *, follow: bool, lines: int | None) -> Stream[str] | None:
        """What the server of a workload wrote, where only its engine keeps that; None where it is in files."""
        found = self.found(name)
        if found is None or found.seen.container is None:
            return None
        return self.foreign.lines(found.seen.container, follow=follow, lines=lines)

    def container_stats(self, name: str) -> list[ReplicaStats] | None:
        """What the server of a workload uses that ``thv`` runs; None where the runtime of its record knows."""
        found = self.found(name)
        if found is None:
            return None
        return [] if found.seen.container is None else self.foreign.stats(found.seen.container)

    def forget(self, name: str) -> None:
        """Remove everything that is kept of a workload that no longer runs."""
        with contextlib.suppress(CorruptStateError):
            config = self.configs.load(name)
            if config is not None:
                _remove_profile(config)
        super().forget(name)

    def _found(self, name: str, survey: Survey, ports: Callable[[], Mapping[int, Sequence[int]]]) -> Found | None:
        stored = super().stored(name) or self._without_config(name, survey)
        container = by_workload(survey.containers).get(name)
        if stored is None or (stored.record is not None and (container is None or super().has_runner(name))):
            return None
        seen = Seen(stored, container, self._proxy(stored, container, ports), survey.asked, survey.away)
        return Found(seen, () if container is None else tuple(sidecars_of(container, survey.containers)))

    def _without_config(self, name: str, survey: Survey) -> Stored | None:
        """What there is of a workload that has a container and no run config."""
        if name not in by_workload(survey.containers):
            return None
        try:
            return Stored(name, None, self.statuses.read(name), self.record(name))
        except CorruptStateError as error:
            return Stored(name, None, None, None, str(error))

    def _proxy(
        self, stored: Stored, container: Container | None, ports: Callable[[], Mapping[int, Sequence[int]]]
    ) -> Proxy:
        status, config = stored.status, stored.config
        port = (container.port if container is not None else 0) or (0 if config is None else config.port)
        pid, written_at = (0, None) if status is None else (status.process_id, status.updated_at)
        return find_proxy(stored.name, pid, written_at, port, ports)


def _remove_profile(config: RunConfig) -> None:
    """Remove the permission profile that ``thv`` wrote into the temporary folder for one workload."""
    path = Path(config.permission_profile_name_or_path)
    if path.parent == Path(tempfile.gettempdir()) and fnmatch(path.name, _PROFILE):
        path.unlink(missing_ok=True)
