"""From a workload to the backend that an aggregator sees. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.discovery.model import Backend, BackendHealth
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from workloads.model import Workload

__all__ = ("backend_of", "health_of")

# ToolHive's (``pkg/vmcp/workloads``).
_HEALTH = {
    WorkloadStatus.RUNNING: BackendHealth.HEALTHY,
    WorkloadStatus.UNHEALTHY: BackendHealth.UNHEALTHY,
    WorkloadStatus.STOPPED: BackendHealth.UNHEALTHY,
    WorkloadStatus.ERROR: BackendHealth.UNHEALTHY,
    WorkloadStatus.STOPPING: BackendHealth.UNHEALTHY,
    WorkloadStatus.REMOVING: BackendHealth.UNHEALTHY,
    WorkloadStatus.POLICY_STOPPED: BackendHealth.UNHEALTHY,
    WorkloadStatus.STARTING: BackendHealth.UNKNOWN,
    WorkloadStatus.UNKNOWN: BackendHealth.UNKNOWN,
    WorkloadStatus.UNAUTHENTICATED: BackendHealth.UNAUTHENTICATED,
    WorkloadStatus.AUTH_RETRYING: BackendHealth.DEGRADED,
}
_NO_ADDRESS = "the port of its proxy is not known"


def health_of(status: WorkloadStatus) -> BackendHealth:
    """What the status of a workload says about requests to it.

    Args:
        status: The status.
    """
    return _HEALTH[status]


def backend_of(workload: Workload) -> Backend:
    """The backend that a workload is.

    A workload without an address is one too, unlike with ToolHive, which leaves it out: whoever looks for it learns
    why it cannot be reached.

    Args:
        workload: The workload.
    """
    health, context = health_of(workload.status), workload.status_context
    if not workload.url and health is not BackendHealth.UNKNOWN:
        health, context = BackendHealth.UNHEALTHY, context or _NO_ADDRESS
    metadata = {**workload.labels, "group": workload.group, "workload_status": workload.status.value}
    metadata.pop("workload_status_context", None)
    if context:
        metadata["workload_status_context"] = context
    return Backend(
        id=workload.name,
        name=workload.name,
        url=workload.url,
        transport=workload.proxy_mode,
        health=health,
        metadata=metadata,
    )
