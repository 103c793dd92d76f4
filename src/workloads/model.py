"""What callers see of workloads: plain values without behaviour."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = (
    "DEFAULT_GROUP",
    "Capability",
    "EventType",
    "Isolation",
    "ProxyMode",
    "ReplicaCount",
    "ReplicaStats",
    "TransportType",
    "Workload",
    "WorkloadEvent",
    "WorkloadStatus",
)

DEFAULT_GROUP = "default"
"""The virtual group of every workload that names none; it always exists."""


class TransportType(StrEnum):
    """How an MCP server itself talks."""

    STDIO = "stdio"
    SSE = "sse"
    STREAMABLE_HTTP = "streamable-http"
    INSPECTOR = "inspector"


class ProxyMode(StrEnum):
    """What a proxy speaks to its clients."""

    SSE = "sse"
    STREAMABLE_HTTP = "streamable-http"


class WorkloadStatus(StrEnum):
    """The state of a workload. The values are ToolHive's."""

    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"
    STARTING = "starting"
    STOPPING = "stopping"
    UNHEALTHY = "unhealthy"
    REMOVING = "removing"
    UNKNOWN = "unknown"
    UNAUTHENTICATED = "unauthenticated"
    AUTH_RETRYING = "auth_retrying"
    POLICY_STOPPED = "policy_stopped"

    @property
    def is_active(self) -> bool:
        """Whether lists show it without ``all=True``."""
        return self in (WorkloadStatus.RUNNING, WorkloadStatus.AUTH_RETRYING)


class Isolation(StrEnum):
    """What separates a workload's server from the machine it runs on."""

    NONE = "none"
    CONTAINER = "container"
    NETWORK = "network"


class Capability(StrEnum):
    """Something a manager can do beyond what every manager can."""

    RUN_FOREGROUND = "run-foreground"
    STDIO = "stdio"
    REPLICAS = "replicas"
    SUSPEND = "suspend"
    ISOLATION = "isolation"
    PROXY_LOGS = "proxy-logs"
    WATCH = "watch"


@attrs.frozen
class ReplicaCount:
    """How many copies of the server answer, out of how many there should be."""

    ready: int
    desired: int


@attrs.frozen(kw_only=True)
class ReplicaStats:
    """What one copy of a workload's server uses, by one look at it.

    Attributes:
        index: Its number within the workload, from 0.
        memory: Bytes of memory in use.
        memory_limit: Bytes that it may use: its own limit, or the memory of the machine; None where none is told.
        cpu_seconds: CPU time that it has used since it was started. Two looks tell the share of a CPU.
        pids: How many processes and threads there are of it; None where that is not told.
        network_received: Bytes that came from its network, as the engine counts; None where that is not told.
        network_sent: Bytes that went into it, likewise.
        block_read: Bytes read from disks, likewise.
        block_written: Bytes written to disks, likewise.
    """

    index: int
    memory: int
    memory_limit: int | None = None
    cpu_seconds: float
    pids: int | None = None
    network_received: int | None = None
    network_sent: int | None = None
    block_read: int | None = None
    block_written: int | None = None


# Without slots one is made faster, and a list of workloads makes many.
@attrs.frozen(kw_only=True, slots=False)
class Workload:
    """A named long-running server and its proxy, as last observed.

    Attributes:
        name: The name it is managed by.
        runtime: What runs it: ``process``, ``docker``, ``podman``, ``kubernetes``.
        image: The image of its run config; empty for a remote one.
        command: Program and arguments as configured.
        status: Its state.
        status_context: Why it is in that state, for people; often empty.
        url: What a client connects to; empty while it has no port.
        port: The port of its proxy; 0 while it has none.
        transport: How the server itself talks.
        proxy_mode: What the proxy speaks to clients.
        group: The group it belongs to.
        labels: The user's labels, without reserved ones.
        created_at: When it was created, UTC.
        started_at: When it last became running, UTC; None if it never did.
        remote: Whether the server runs elsewhere and only its proxy is ours.
        replicas: Ready and desired copies of the server.
        asleep: Whether it sleeps until the next request.
        isolation: What separates the server from this machine.
    """

    name: str
    runtime: str
    image: str
    command: tuple[str, ...]
    status: WorkloadStatus
    status_context: str
    url: str
    port: int
    transport: TransportType
    proxy_mode: ProxyMode
    group: str
    labels: Mapping[str, str]
    created_at: datetime
    started_at: datetime | None
    remote: bool
    replicas: ReplicaCount
    asleep: bool
    isolation: Isolation


class EventType(StrEnum):
    """What a :class:`WorkloadEvent` tells."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"


@attrs.frozen
class WorkloadEvent:
    """A change of one workload, or the mark that all present ones have been told.

    Attributes:
        type: What happened.
        workload: The workload after the change; None for ``SYNCED``.
    """

    type: EventType
    workload: Workload | None
