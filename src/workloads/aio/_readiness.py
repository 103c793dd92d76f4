"""Waiting until a workload is ready by looking at it, so that the wait can be given up at any moment."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError, WorkloadNotFoundError, WorkloadNotReadyError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from workloads.model import Workload

__all__ = ("await_ready", "is_ready", "pause_after")

_SHORTEST, _LONGEST = 0.01, 0.25
_SHARE = 0.05
_ENDED = frozenset({
    WorkloadStatus.STOPPING, WorkloadStatus.STOPPED, WorkloadStatus.POLICY_STOPPED, WorkloadStatus.REMOVING,
})  # fmt: skip


async def await_ready(
    workload: Workload,
    wait: float,
    *,
    look: Callable[[], Awaitable[Workload]],
    last_lines: Callable[[], Awaitable[Sequence[str]]],
) -> Workload:
    """Wait until a workload that was started is ready.

    Args:
        workload: The workload as it was last seen.
        wait: Seconds that it may take.
        look: Looks at it again.
        last_lines: Reads the end of its server's log.

    Returns:
        The workload, ready.

    Raises:
        WorkloadFailedError: It failed, or was stopped or deleted before it was ready.
        WorkloadNotReadyError: It was not ready in time; it goes on starting.
    """
    name, began = workload.name, time.monotonic()
    while not is_ready(workload):
        if workload.status is WorkloadStatus.ERROR:
            raise WorkloadFailedError(name, workload.status_context or "its server failed", logs=await last_lines())
        if workload.status in _ENDED:
            raise WorkloadFailedError(name, "it was stopped before it was ready")
        waited = time.monotonic() - began
        if waited >= wait:
            raise WorkloadNotReadyError(
                name,
                waited=wait,
                status=workload.status,
                status_context=workload.status_context,
                logs=await last_lines(),
            )
        await asyncio.sleep(min(pause_after(waited), wait - waited))
        try:
            workload = await look()
        except WorkloadNotFoundError as error:
            raise WorkloadFailedError(name, "it was deleted before it was ready") from error
    return workload


def is_ready(workload: Workload) -> bool:
    """Whether a workload can be used; one that shall have no replicas is never more than stopped."""
    return workload.status.is_active or (workload.status is WorkloadStatus.STOPPED and not workload.replicas.desired)


def pause_after(waited: float) -> float:
    """Seconds until the next look: a twentieth of those waited, so that what is late is so by little."""
    return min(max(_SHARE * waited, _SHORTEST), _LONGEST)
