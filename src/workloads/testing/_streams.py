"""The streams of in-memory managers: lines as they are added, and events as workloads change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from workloads._core.streams import ClosingStream
from workloads.model import EventType, WorkloadEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.model import Workload
    from workloads.testing._world import World

__all__ = ("EventStream", "LineStream")

T = TypeVar("T")


class _Stream(ClosingStream[T]):
    """What both share: waiting for a change of the world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def _next(self) -> T | None:
        with self._world.changed:
            while not self._closed.is_set():
                for item in self._due():
                    return item
                if self._over():
                    break
                self._world.changed.wait()
        return None

    def _interrupt(self) -> None:
        with self._world.changed:
            self._world.changed.notify_all()

    def _free(self) -> None:
        """Nothing is held."""

    def _due(self) -> list[T]:
        """The next item, if there is one now."""
        raise NotImplementedError

    def _over(self) -> bool:
        """Whether no item will come any more."""
        raise NotImplementedError


class LineStream(_Stream[str]):
    """The lines of a log."""

    def __init__(
        self,
        world: World,
        log: list[tuple[int, str]],
        *,
        ended: Callable[[], bool],
        follow: bool,
        lines: int | None,
        replica: int | None,
    ) -> None:
        """Begin to read.

        Args:
            world: What tells of new lines.
            log: Replica and line of each; grows while it is read.
            ended: Whether the workload has ended.
            follow: Whether to wait for new lines.
            lines: How many last lines to begin with; None is all.
            replica: Whose lines; None is everybody's.
        """
        super().__init__(world)
        self._log, self._ended, self._follow, self._replica = log, ended, follow, replica
        with world.changed:
            chosen = [index for index, (number, _) in enumerate(log) if replica in (None, number)]
            self._limit = len(log)
            if lines == 0:
                self._position = len(log)
            else:
                self._position = chosen[-lines] if lines is not None and lines <= len(chosen) else 0

    def _due(self) -> list[str]:
        limit = len(self._log) if self._follow else self._limit
        while self._position < limit:
            number, line = self._log[self._position]
            self._position += 1
            if self._replica in (None, number):
                return [line]
        return []

    def _over(self) -> bool:
        return not self._follow or self._ended()


class EventStream(_Stream[WorkloadEvent]):
    """Changes of workloads, at most one due for each."""

    def __init__(self, world: World, look: Callable[[str], Workload | None], *, group: str | None) -> None:
        """Begin to watch.

        Args:
            world: What tells of changes.
            look: Gives a workload as it is now.
            group: Only those of this group; None is all.
        """
        super().__init__(world)
        self._look, self._group = look, group
        self._told: dict[str, Workload] = {}
        self._sync_due = True
        with world.changed:
            self._names = set(world.entries)
            world.listen(self._names.add)

    def _free(self) -> None:
        self._world.unlisten(self._names.add)

    def _due(self) -> list[WorkloadEvent]:
        while self._names:
            name = min(self._names)
            self._names.discard(name)
            event = self._event(name)
            if event is not None:
                return [event]
        if self._sync_due:
            self._sync_due = False
            return [WorkloadEvent(EventType.SYNCED, None)]
        return []

    def _over(self) -> bool:
        return False

    def _event(self, name: str) -> WorkloadEvent | None:
        now = self._look(name)
        if now is not None and self._group not in (None, now.group):
            now = None
        before = self._told.pop(name, None)
        if now is None:
            return None if before is None else WorkloadEvent(EventType.DELETED, before)
        self._told[name] = now
        if before == now:
            return None
        return WorkloadEvent(EventType.ADDED if before is None else EventType.MODIFIED, now)
