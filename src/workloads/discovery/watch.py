"""Changes of backends as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.streams import ClosingStream
from workloads.discovery.backends import backend_of
from workloads.discovery.model import BackendEvent
from workloads.model import EventType

if TYPE_CHECKING:
    from workloads.discovery.model import Backend
    from workloads.manager import Stream
    from workloads.model import WorkloadEvent

__all__ = ("BackendWatch",)


class BackendWatch(ClosingStream[BackendEvent]):
    """A stream of events about backends, made of one about workloads.

    What changes of a workload and not of its backend is not told.
    """

    def __init__(self, workloads: Stream[WorkloadEvent]) -> None:
        """Take a stream over; it is closed with this one.

        Args:
            workloads: What happens to the workloads of the group.
        """
        super().__init__()
        self._workloads = workloads
        self._told: dict[str, Backend] = {}

    def _next(self) -> BackendEvent | None:
        for happened in self._workloads:
            event = self._event(happened)
            if event is not None:
                return event
        return None

    def _interrupt(self) -> None:
        self._workloads.close()

    def _free(self) -> None:
        self._workloads.close()

    def _event(self, happened: WorkloadEvent) -> BackendEvent | None:
        if happened.workload is None:
            return BackendEvent(happened.type, None)
        backend = backend_of(happened.workload)
        before = self._told.pop(backend.name, None)
        if happened.type is EventType.DELETED:
            return None if before is None else BackendEvent(EventType.DELETED, before)
        self._told[backend.name] = backend
        if before == backend:
            return None
        return BackendEvent(EventType.ADDED if before is None else EventType.MODIFIED, backend)
