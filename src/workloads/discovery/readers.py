"""The backends of whatever can be asked for workloads: a manager, or a part of one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workloads.discovery.backends import backend_of
from workloads.errors import UnsupportedOperationError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from workloads.discovery.model import Backend, BackendEvent
    from workloads.manager import Stream, WorkloadReader

__all__ = ("ReaderDiscoverer",)

_log = logging.getLogger(__name__)


class ReaderDiscoverer:
    """Finds the workloads of a reader, as :class:`workloads.BackendDiscoverer` says. It keeps nothing.

    A workload whose run config is damaged is in no group, for nothing tells in which. Each time something is
    discovered, it is warned of in the log, with the reason.
    """

    def __init__(self, reader: WorkloadReader) -> None:
        """Look at the workloads of this reader.

        Args:
            reader: The reader; when it is a :class:`workloads.WorkloadWatcher` too, changes can be watched.
        """
        self._reader = reader

    def discover(self, group: str) -> list[Backend]:
        """See :meth:`workloads.BackendDiscoverer.discover`."""
        members = self._reader.list_workloads_in_group(group)
        for workload in self._reader.list_workloads(all=True):
            if not workload.group and workload.status is WorkloadStatus.ERROR:
                facts = {"workload": workload.name, "group": group, "reason": workload.status_context}
                _log.warning("a workload is in no group, for its run config is damaged", extra=facts)
        return sorted(map(backend_of, members), key=lambda backend: backend.name)

    def watch(self, group: str) -> Stream[BackendEvent]:
        """See :meth:`workloads.BackendDiscoverer.watch`."""
        from workloads.discovery.watch import BackendWatch

        watch_workloads = getattr(self._reader, "watch_workloads", None)
        if watch_workloads is None:
            raise UnsupportedOperationError("watch", f"{type(self._reader).__name__} does not tell of changes")
        return BackendWatch(watch_workloads(group=group))
