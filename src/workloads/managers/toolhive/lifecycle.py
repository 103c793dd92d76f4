"""What is done to a workload that ``thv`` runs. To start it again from here is to take it over."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from workloads._core import process
from workloads.errors import RuntimeUnavailableError, WorkloadFailedError
from workloads.managers.lifecycle import Lifecycle
from workloads.managers.toolhive.proxy import Standing
from workloads.managers.view import CONTAINER_RUNTIMES
from workloads.model import WorkloadStatus
from workloads.runtimes.engines import DOCKER

if TYPE_CHECKING:
    from workloads.config import RunConfig
    from workloads.managers.settings import Settings
    from workloads.managers.toolhive.container import Container
    from workloads.managers.toolhive.inventory import ToolHiveInventory
    from workloads.managers.toolhive.proxy import Proxy

__all__ = ("ToolHiveLifecycle",)

_KILL_TIMEOUT = 5.0
_REMOVAL_TIMEOUT = 3.0
_REMOVAL_PAUSE = 0.1
_NOT_OURS = "its proxy process belongs to another user; stop it as that user"


class ToolHiveLifecycle(Lifecycle):
    """Changes the workloads of ToolHive's folder: those that ``thv`` runs, and ours."""

    def __init__(self, inventory: ToolHiveInventory, runtime: str, settings: Settings) -> None:
        """Change the workloads of ``inventory``; those that are started from here are executed by ``runtime``."""
        super().__init__(inventory, runtime, settings)
        self._toolhive = inventory

    def stop(self, name: str, *, grace: float) -> None:
        """Stop a workload: its proxy first, then its container and what serves that."""
        self._check(name)
        super().stop(name, grace=grace)

    def delete(self, name: str, *, grace: float) -> None:
        """Stop a workload and remove what is kept of it: its containers first, then its proxy, networks and files."""
        self._check(name)
        super().delete(name, grace=grace)

    def recover(self, name: str) -> None:
        """Finish what was begun from here, and start again what was started from here; the rest is for ``thv``."""
        found = self._toolhive.found(name)
        status = None if found is None else found.seen.stored.status
        if found is None or (status is not None and status.status is WorkloadStatus.REMOVING):
            super().recover(name)

    def _admit(self, config: RunConfig, runtime: str) -> None:
        if runtime not in CONTAINER_RUNTIMES and not config.remote_url:
            raise RuntimeUnavailableError(runtime, "ToolHive runs containers only; start Docker or Podman")
        super()._admit(config, runtime)

    def _stop(self, name: str, grace: float) -> None:
        found = self._toolhive.found(name)
        if found is None:
            super()._stop(name, grace)
            return
        deadline = time.monotonic() + grace
        self._inventory.statuses.set(name, WorkloadStatus.STOPPING)
        # The proxy first, or it would take the end of its container for a crash and start it again.
        context = _end_proxy(name, found.seen.proxy, grace)
        for container in found.containers:
            self._toolhive.foreign.stop(container, max(deadline - time.monotonic(), 0.0))
        self._inventory.statuses.set(name, WorkloadStatus.STOPPED, context, process_id=0)

    def _end(self, name: str, grace: float) -> str:
        context = super()._end(name, grace)
        found = self._toolhive.found(name)
        if found is None:
            return context
        # The containers first: the proxy must see that its container is gone, not that it ended, or it starts it again.
        for container in found.containers:
            self._toolhive.foreign.remove(container)
        self._await_removal(name, found.containers)
        ended = _end_proxy(name, found.seen.proxy, grace)
        if found.seen.container is not None:
            self._toolhive.foreign.remove_networks(found.seen.container)
        return ended or context

    def _check(self, name: str) -> None:
        """A workload must not be told as stopped or gone of which something may live that cannot be ended from here."""
        found = self._toolhive.found(name)
        if found is None:
            return
        if found.seen.proxy.standing is Standing.UNKNOWN:
            raise WorkloadFailedError(name, _NOT_OURS)
        if found.seen.is_out_of_reach:
            raise RuntimeUnavailableError(DOCKER, f"workload {name!r} may have a container there: {found.seen.away}")

    def _await_removal(self, name: str, containers: tuple[Container, ...]) -> None:
        """An engine may answer before a container is gone from its list, which is what a proxy looks at."""
        ids = {container.id for container in containers}
        deadline = time.monotonic() + _REMOVAL_TIMEOUT
        while ids & {container.id for container in self._toolhive.foreign.survey().containers}:
            if time.monotonic() > deadline:
                raise WorkloadFailedError(name, f"its container is still there after {_REMOVAL_TIMEOUT:g} s")
            time.sleep(_REMOVAL_PAUSE)


def _end_proxy(name: str, proxy: Proxy, grace: float) -> str:
    """End a proxy process that is proven to be one; tells when it was cut."""
    identity = proxy.identity
    try:
        if identity is None or not process.send_signal(identity, signal.SIGTERM) or process.wait_gone(identity, grace):
            return ""
        process.send_signal(identity, signal.SIGKILL)
    except PermissionError as error:
        raise WorkloadFailedError(name, _NOT_OURS) from error
    process.wait_gone(identity, _KILL_TIMEOUT)
    return f"killed: its proxy process had not ended after {grace:g} s"
