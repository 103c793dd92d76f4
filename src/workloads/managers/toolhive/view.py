"""From what ``thv`` stored and what runs to the workload that callers see. Pure: nothing is asked or written back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from workloads.config import RunConfig
from workloads.managers.toolhive.proxy import Proxy, Standing
from workloads.managers.view import user_labels
from workloads.model import Isolation, ReplicaCount, Workload, WorkloadStatus
from workloads.proxyrunner.address import client_url
from workloads.runtimes.engines import DOCKER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.managers.toolhive.container import Container
    from workloads.managers.view import Stored

__all__ = ("Seen", "observed_status", "view")

_EPOCH = datetime.fromtimestamp(0, UTC)
_GONE_REMOTE = "its proxy process is gone; restart it"

_STATES = {
    "running": WorkloadStatus.RUNNING,
    "created": WorkloadStatus.STARTING,
    "restarting": WorkloadStatus.STARTING,
    "paused": WorkloadStatus.STOPPED,
    "exited": WorkloadStatus.STOPPED,
    "dead": WorkloadStatus.STOPPED,
    "removing": WorkloadStatus.REMOVING,
}
# ToolHive writes this down when it looks at a bad moment, and never takes it back; so it is looked at again.
_LOOKED_AT_AGAIN = (WorkloadStatus.RUNNING, WorkloadStatus.UNHEALTHY)


@attrs.frozen
class Seen:
    """Everything that can be seen of one workload of ``thv``'s.

    Attributes:
        stored: What is on disk.
        container: Its container; None when no engine that answers has one.
        proxy: Its proxy process.
        asked: The engines that answered.
        away: Why others did not, when they are there; empty when all did.
    """

    stored: Stored
    container: Container | None
    proxy: Proxy
    asked: Sequence[str] = ()
    away: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether its server runs elsewhere, so that it has no container."""
        return self.stored.config is not None and bool(self.stored.config.remote_url)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it may have a container on an engine that does not answer."""
        return self.container is None and bool(self.away) and not self.is_remote


def observed_status(seen: Seen) -> tuple[WorkloadStatus, str]:
    """The status and why, checked against what runs.

    Args:
        seen: What can be seen of the workload.
    """
    stored = seen.stored
    if stored.damage:
        return WorkloadStatus.ERROR, stored.damage
    if seen.is_out_of_reach:
        return WorkloadStatus.UNKNOWN, seen.away
    if stored.status is None:
        return _of_container(seen.container)
    status, context = stored.status.status, stored.status.status_context
    if seen.is_remote:
        gone = status is WorkloadStatus.RUNNING and seen.proxy.standing is Standing.GONE
        return (WorkloadStatus.UNHEALTHY, _GONE_REMOTE) if gone else (status, context)
    if status in _LOOKED_AT_AGAIN:
        problem = _problem(seen)
        return (WorkloadStatus.UNHEALTHY, problem) if problem else (WorkloadStatus.RUNNING, "")
    if status is WorkloadStatus.STOPPED and seen.container is None:
        return status, context or "it has no container; a start makes one"
    return status, context


def view(seen: Seen) -> Workload:
    """The workload as it is now.

    Args:
        seen: What can be seen of it.
    """
    stored, container = seen.stored, seen.container
    # A container tells enough of a workload whose run config is gone.
    config = stored.config or RunConfig(name=stored.name, transport=container.transport if container else "stdio")
    status, context = observed_status(seen)
    port = (container.port if container else 0) or config.port
    created_at = stored.status.created_at if stored.status else container.created_at if container else _EPOCH
    return Workload(
        name=stored.name,
        runtime=container.engine if container else next(iter(seen.asked), DOCKER),
        image=container.image if container else config.image,
        command=(*config.command, *config.cmd_args) or (container.command if container else ()),
        status=status,
        status_context=context,
        url=client_url(stored.name, config.host, port, config.effective_proxy_mode, remote_url=config.remote_url),
        port=port,
        transport=container.transport if container else config.transport,
        proxy_mode=config.effective_proxy_mode,
        group="" if stored.damage and stored.config is None else config.effective_group,
        labels=container.labels if container else user_labels(config.container_labels),
        created_at=created_at,
        started_at=stored.status.started_at if stored.status else None,
        remote=seen.is_remote,
        replicas=ReplicaCount(int(status is WorkloadStatus.RUNNING), 1),
        asleep=False,
        isolation=_isolation(container),
    )


def _of_container(container: Container | None) -> tuple[WorkloadStatus, str]:
    if container is None:
        return WorkloadStatus.STOPPED, "never started"
    status = _STATES.get(container.state, WorkloadStatus.UNKNOWN)
    return status, "" if status is WorkloadStatus.RUNNING else container.detail


def _problem(seen: Seen) -> str:
    """Why a workload that shall run does not; empty when it does."""
    if seen.container is None:
        return f"its container is not there ({', '.join(seen.asked)} asked); restart it"
    if seen.container.state != "running":
        return f"its container is {seen.container.state} ({seen.container.detail}); restart it"
    if seen.proxy.standing is Standing.GONE:
        return "its container runs, but its proxy process is gone; restart it"
    return ""


def _isolation(container: Container | None) -> Isolation:
    if container is None:
        return Isolation.NONE
    return Isolation.NETWORK if container.isolated else Isolation.CONTAINER
