"""What callers see of backends: plain values without behaviour."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from workloads._core.collections import EMPTY_DICT, read_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.model import EventType, ProxyMode

__all__ = ("Backend", "BackendEvent", "BackendHealth")


class BackendHealth(StrEnum):
    """Whether requests to a backend can be expected to succeed. The values are those of ToolHive's aggregator."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    UNAUTHENTICATED = "unauthenticated"


def _read_only_or_none(mapping: Mapping[str, object] | None) -> Mapping[str, object] | None:
    return None if mapping is None else read_only(mapping)


@attrs.frozen(kw_only=True)
class Backend:
    """One discovered workload, as an aggregator sees it.

    Attributes:
        id: What it is known by among the backends of its discoverer.
        name: The workload.
        url: What a client connects to; empty when there is nothing to connect to, and then it is never healthy.
        transport: What it speaks to its clients.
        health: Whether requests can be expected to succeed. One that sleeps is healthy: a request wakes it.
        auth: How a client has to authenticate itself there, as its discoverer has resolved it; never shown in a
            ``repr``. Default: None, nothing is known to be needed.
        metadata: More about it: its labels, ``group``, ``workload_status``, and ``workload_status_context`` when
            there is a reason for that.
    """

    id: str
    name: str
    url: str
    transport: ProxyMode
    health: BackendHealth
    auth: Mapping[str, object] | None = attrs.field(default=None, converter=_read_only_or_none, repr=False)
    metadata: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=read_only)


@attrs.frozen
class BackendEvent:
    """A change of one backend, or the mark that all present ones have been told.

    Attributes:
        type: What happened.
        backend: The backend after the change, or as it last was when it is gone; None for ``SYNCED``.
    """

    type: EventType
    backend: Backend | None
