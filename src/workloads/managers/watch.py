"""Changes of this machine's workloads as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.changes import ChangeWatch
from workloads._core.streams import ClosingStream
from workloads.errors import GroupNotFoundError, InvalidNameError, StateError
from workloads.managers.feeds import Feeds
from workloads.model import EventType, WorkloadEvent
from workloads.runtimes.protocol import AGAIN

if TYPE_CHECKING:
    from workloads.managers.containers import Seen
    from workloads.managers.inventory import Inventory
    from workloads.managers.view import Stored
    from workloads.model import Workload

__all__ = ("WorkloadWatch",)

_SUFFIX = ".json"
_FOREIGN = ""
"""Stands for the runtime of servers that somebody else runs."""


class WorkloadWatch(ClosingStream[WorkloadEvent]):
    """A stream of events: every workload there is, ``SYNCED``, and then each change.

    An event tells how a workload is when the event is taken: whoever takes them slowly gets one for many changes. When
    changes were missed, of files or because an engine was away, that is looked at again and ``SYNCED`` told once more.
    """

    def __init__(self, inventory: Inventory, *, group: str | None = None) -> None:
        """Begin to watch.

        Args:
            inventory: The workloads.
            group: Only those of this group: joining is told as ``ADDED``, leaving as ``DELETED``. None is all.

        Raises:
            GroupNotFoundError: There is no such group.
        """
        if group is not None and not inventory.groups.exists(group):
            raise GroupNotFoundError(group)
        super().__init__()
        self._inventory = inventory
        self._group = group
        self._told: dict[str, Workload] = {}
        self._seen: dict[str, Seen] = {}
        paths = inventory.paths
        # Before looking for the first time, so that no change falls between.
        self._changes = ChangeWatch([paths.runconfigs, paths.statuses, paths.runtimes])
        self._feeds = Feeds(inventory.containers, lambda runtime, name: self._changes.tell(f"{runtime}/{name}"))
        try:
            self._due = set(inventory.names())
        except BaseException:
            self._free()
            raise
        # Each begins with a look at everything, so that no change falls between here either.
        for engine, stream in inventory.foreign_changes().items():
            self._feeds.add(f"foreign-{engine}", _FOREIGN, stream)
        self._sync_due = True

    def _next(self) -> WorkloadEvent | None:
        while not self._closed.is_set():
            event = self._next_due()
            if event is not None:
                return event
            self._await_change()
        return None

    def _interrupt(self) -> None:
        self._changes.interrupt()

    def _free(self) -> None:
        self._feeds.close()
        self._changes.close()

    def _next_due(self) -> WorkloadEvent | None:
        """The next event among the workloads that may have changed."""
        while self._due:
            name = min(self._due)
            event = self._event(name)
            self._due.discard(name)  # only now: what cannot be looked at is looked at again
            if event is not None:
                return event
        if self._sync_due:
            self._sync_due = False
            return WorkloadEvent(EventType.SYNCED, None)
        return None

    def _event(self, name: str) -> WorkloadEvent | None:
        try:
            now = self._inventory.watched(name, self._seen_of, lambda runner: self._changes.follow(name, runner))
        except InvalidNameError:  # a file that somebody else put there
            return None
        except StateError:  # of its own files, which lists tell as its status; if not, that is raised again
            now = next((each for each in self._inventory.everything() if each.name == name), None)
        if now is not None and self._group is not None and now.group != self._group:
            now = None
        before = self._told.pop(name, None)
        if now is None:
            self._seen.pop(name, None)
            return None if before is None else WorkloadEvent(EventType.DELETED, before)
        self._told[name] = now
        if before == now:
            return None
        return WorkloadEvent(EventType.ADDED if before is None else EventType.MODIFIED, now)

    def _seen_of(self, stored: Stored) -> Seen | None:
        """What an engine tells of the servers of a workload, asked when it has told of a change."""
        record = stored.record
        if record is None:
            return None
        self._feeds.hear(record.runtime)
        if stored.name not in self._seen:
            self._seen |= self._inventory.containers.look([record], stored.name)
        return self._seen.get(stored.name)

    def _look(self, told: str) -> None:
        """Something has happened to the servers of a workload, or may have to all those of a runtime."""
        runtime, _, name = told.partition("/")
        if name == AGAIN:
            name = ""
            self._sync_due = True
        if runtime == _FOREIGN:
            self._due |= {name} if name else self._changed()
            return
        records = [record for each in ([name] if name else self._told) if (record := self._inventory.record(each))]
        concerned = [record for record in records if record.runtime == runtime]
        self._seen |= self._inventory.containers.look(concerned, name)
        self._due |= {record.name for record in concerned}

    def _changed(self) -> set[str]:
        """The workloads that are not as they were told last, by one look at all."""
        present = {workload.name: workload for workload in self._inventory.everything()}
        return {name for name in {*present, *self._told} if present.get(name) != self._told.get(name)}

    def _await_change(self) -> None:
        change = self._changes.next()
        if change is None:
            return
        for told in change.told:
            self._look(told)
        self._due |= change.ended
        self._due |= {file.name.removesuffix(_SUFFIX) for file in change.files if file.name.endswith(_SUFFIX)}
        if change.lost:
            self._due |= {*self._inventory.names(), *self._told}
            self._sync_due = True
