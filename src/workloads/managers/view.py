"""From what is stored and what lives to the :class:`~workloads.model.Workload` that callers see. Pure: no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from workloads.model import Isolation, ProxyMode, ReplicaCount, TransportType, Workload, WorkloadStatus
from workloads.proxyrunner.address import client_url
from workloads.proxyrunner.reports import ASLEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads._core.process import ProcessIdentity
    from workloads.config import RunConfig
    from workloads.managers.containers import Seen
    from workloads.state import RuntimeRecord, StatusRecord

__all__ = ("CONTAINER_RUNTIMES", "NEEDS_RUNNER", "Stored", "observed_status", "user_labels", "view", "was_meant_to_run")

_TOOLHIVE_LABELS = frozenset({
    "toolhive", "toolhive-name", "toolhive-basename", "toolhive-transport", "toolhive-port",
    "toolhive-network-isolation", "workloads",
})  # fmt: skip
CONTAINER_RUNTIMES = frozenset({"docker", "podman"})
"""The runtimes whose servers are containers of an engine."""

_EPOCH = datetime.fromtimestamp(0, UTC)

# What is true of a workload whether its engine answers or not: it could not be started, or shall be gone.
_WITHOUT_ENGINE = (WorkloadStatus.ERROR, WorkloadStatus.REMOVING)
_MAY_HAVE_READY = (WorkloadStatus.STARTING, WorkloadStatus.RUNNING)

NEEDS_RUNNER = frozenset({
    WorkloadStatus.RUNNING, WorkloadStatus.STARTING, WorkloadStatus.UNHEALTHY,
    WorkloadStatus.UNAUTHENTICATED, WorkloadStatus.AUTH_RETRYING,
})  # fmt: skip
"""What a workload whose runner is gone cannot be doing, though it was meant to."""


@attrs.frozen
class Stored:
    """What is on disk about one workload.

    Attributes:
        name: Its name.
        config: Its run config; None when that is damaged.
        status: Its status file, if there is one.
        record: Its runtime record, if there is one.
        damage: What is wrong with its files; empty when nothing is.
    """

    name: str
    config: RunConfig | None
    status: StatusRecord | None
    record: RuntimeRecord | None
    damage: str = ""


def view(stored: Stored, alive: Callable[[ProcessIdentity], bool], seen: Seen | None = None) -> Workload:
    """The workload as it is now.

    Args:
        stored: What is on disk about it.
        alive: Whether the process of that identity lives.
        seen: What its runtime tells of its servers. Default: None, nobody asked.
    """
    config, record = stored.config, stored.record
    status, context = observed_status(stored, alive, seen)
    desired = 0 if config is None else (1 if (count := config.effective_backend_replicas) is None else count)
    ready = record.ready_replicas if record is not None and status in _MAY_HAVE_READY else 0
    port = (record.port if record is not None else 0) or (config.port if config is not None else 0)
    mode = ProxyMode.STREAMABLE_HTTP if config is None else config.effective_proxy_mode
    host, remote_url = ("", "") if config is None else (config.host, config.remote_url)
    return Workload(
        name=stored.name,
        runtime=record.runtime if record is not None else "process",
        image="" if config is None else config.image,
        command=() if config is None else (*config.command, *config.cmd_args),
        status=status,
        status_context=context,
        url=client_url(stored.name, host, port, mode, remote_url=remote_url),
        port=port,
        transport=TransportType.STDIO if config is None else config.transport,
        proxy_mode=mode,
        group="" if config is None else config.effective_group,
        labels={} if config is None else user_labels(config.container_labels),
        created_at=_EPOCH if stored.status is None else stored.status.created_at,
        started_at=None if stored.status is None else stored.status.started_at,
        remote=bool(remote_url),
        replicas=ReplicaCount(ready, desired),
        asleep=status is WorkloadStatus.RUNNING and context == ASLEEP,
        isolation=_isolation(config, record),
    )


def _isolation(config: RunConfig | None, record: RuntimeRecord | None) -> Isolation:
    if record is None or record.runtime not in CONTAINER_RUNTIMES or (config is not None and config.remote_url):
        return Isolation.NONE
    return Isolation.NETWORK if config is not None and config.effective_isolate_network else Isolation.CONTAINER


def observed_status(
    stored: Stored, alive: Callable[[ProcessIdentity], bool], seen: Seen | None = None
) -> tuple[WorkloadStatus, str]:
    """The status and why, checked against what lives. What is stored stays as it is.

    Args:
        stored: What is on disk about the workload.
        alive: Whether the process of that identity lives.
        seen: What its runtime tells of its servers. Default: None, nobody asked.
    """
    if stored.damage:
        return WorkloadStatus.ERROR, stored.damage
    if stored.status is None:
        return WorkloadStatus.STOPPED, "never started"
    status, context = stored.status.status, stored.status.status_context
    record = stored.record
    if stored.config is not None and stored.config.remote_url:
        seen = None  # no engine runs it
    if seen is not None and seen.away and status not in _WITHOUT_ENGINE:
        return WorkloadStatus.UNKNOWN, seen.away
    if record is not None and record.runner is not None and alive(record.runner):
        return _refined(status, context, seen)
    living = 0 if seen is None else sum(server.lives for server in seen.servers)
    if living:
        return WorkloadStatus.UNHEALTHY, f"its proxy runner is gone, {living} of its containers live on; restart it"
    orphans = sum(1 for replica in (record.replicas if record is not None else ()) if alive(replica))
    if orphans:
        return WorkloadStatus.UNHEALTHY, f"its proxy runner is gone, {orphans} of its processes live on; restart it"
    if status is WorkloadStatus.STARTING and record is not None and record.launcher is not None:
        if alive(record.launcher):
            return status, context
        return WorkloadStatus.UNHEALTHY, "its start was interrupted; start it again"
    if status in NEEDS_RUNNER:
        return WorkloadStatus.UNHEALTHY, f"it was {status}, but its proxy runner is gone; restart it"
    if status is WorkloadStatus.STOPPING:
        return WorkloadStatus.STOPPED, context
    return status, context


def _refined(status: WorkloadStatus, context: str, seen: Seen | None) -> tuple[WorkloadStatus, str]:
    """What a runner wrote down, and what happened behind its back."""
    if status is not WorkloadStatus.RUNNING or context == ASLEEP or seen is None:
        return status, context
    living = [server for server in seen.servers if server.lives]
    if living and all(server.state == "paused" for server in living):
        return WorkloadStatus.STOPPED, "somebody has paused its containers; unpause them, or restart it"
    return status, context


def was_meant_to_run(stored: Stored) -> bool:
    """Whether a workload was meant to have a proxy runner when it was last written about."""
    if stored.status is None or stored.config is None:
        return False
    if stored.status.status in NEEDS_RUNNER:
        return True
    # Without replicas, stopped is what it is while its runner is up; who drains strikes out the runner.
    without_server = stored.config.effective_backend_replicas == 0 and stored.status.status is WorkloadStatus.STOPPED
    return without_server and stored.record is not None and stored.record.runner is not None


def user_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels without those that the library and ToolHive set themselves."""
    return {
        key: value for key, value in labels.items() if key not in _TOOLHIVE_LABELS and not key.startswith("workloads.")
    }
