"""The verbs of discovery, as a protocol. Nothing here does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from workloads.discovery.model import Backend, BackendEvent
    from workloads.manager import Stream

__all__ = ("BackendDiscoverer",)


@runtime_checkable
class BackendDiscoverer(Protocol):
    """Knows how to find the backends of a group."""

    def discover(self, group: str) -> list[Backend]:
        """Every backend of a group, whatever its health, sorted by name.

        One that is broken is among them, and says so; it does not hide the others.

        Args:
            group: The group's name.

        Raises:
            GroupNotFoundError: There is no such group; an empty one gives an empty list.
        """
        ...

    def watch(self, group: str) -> Stream[BackendEvent]:
        """Changes, as they happen: ``ADDED`` for all present, then ``SYNCED``, then each change.

        Who reads slowly gets the last state of each backend, not every one. ``SYNCED`` comes again after changes were
        missed and everything was looked at again.

        Args:
            group: The group's name.

        Raises:
            GroupNotFoundError: There is no such group.
            UnsupportedOperationError: Changes are not told there.
        """
        ...
