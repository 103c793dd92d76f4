"""A workload as managers show it, for tests of what shows it or looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from workloads.model import (
    DEFAULT_GROUP,
    Isolation,
    ProxyMode,
    ReplicaCount,
    TransportType,
    Workload,
    WorkloadStatus,
)

CREATED = datetime(2026, 1, 5, 9, 12, 44, tzinfo=UTC)


def a_workload(name: str = "time", **changes: Any) -> Workload:
    """A running workload, with whatever a test wants different."""
    running = Workload(
        name=name,
        runtime="process",
        image="uvx://mcp-server-time",
        command=(),
        status=WorkloadStatus.RUNNING,
        status_context="",
        url=f"http://127.0.0.1:41733/mcp?{name}",
        port=41733,
        transport=TransportType.STDIO,
        proxy_mode=ProxyMode.STREAMABLE_HTTP,
        group=DEFAULT_GROUP,
        labels={},
        created_at=CREATED,
        started_at=CREATED + timedelta(seconds=1),
        remote=False,
        replicas=ReplicaCount(1, 1),
        asleep=False,
        isolation=Isolation.NONE,
    )
    return attrs.evolve(running, **changes)
