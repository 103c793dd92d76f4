"""The groups of in-memory managers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.config.names import check_group_name
from workloads.errors import (
    GroupExistsError,
    GroupNotEmptyError,
    GroupNotFoundError,
    InvalidNameError,
    UnsupportedOperationError,
)
from workloads.groups import Group
from workloads.model import DEFAULT_GROUP

if TYPE_CHECKING:
    from workloads.testing._world import World

    # `list` means the method inside the class below.
    _Groups = list[Group]

__all__ = ("MemoryGroups",)


class MemoryGroups:
    """Groups in memory, as :class:`workloads.GroupManager` says."""

    def __init__(self, world: World) -> None:
        """The groups of this world."""
        self._world = world

    def create(self, name: str) -> Group:
        """See :meth:`workloads.GroupManager.create`."""
        check_group_name(name)
        with self._world.changed:
            if name in self._world.groups:
                raise GroupExistsError(name)
            self._world.groups.add(name)
        return Group(name)

    def get(self, name: str) -> Group:
        """See :meth:`workloads.GroupManager.get`."""
        check_group_name(name)
        if not self.exists(name):
            raise GroupNotFoundError(name)
        return Group(name)

    def list(self) -> _Groups:
        """See :meth:`workloads.GroupManager.list`."""
        with self._world.changed:
            return [Group(name) for name in sorted(self._world.groups)]

    def exists(self, name: str) -> bool:
        """See :meth:`workloads.GroupManager.exists`."""
        with self._world.changed:
            return name in self._world.groups

    def delete(self, name: str, *, move_members_to: str | None = None) -> None:
        """See :meth:`workloads.GroupManager.delete`."""
        check_group_name(name)
        if name == DEFAULT_GROUP:
            raise UnsupportedOperationError(f"deleting the group {name!r}", "it always exists")
        with self._world.changed:
            if move_members_to is not None:
                self._check_target(name, move_members_to)
            if not self.exists(name):
                raise GroupNotFoundError(name)
            members = self._world.members(name)
            if members and move_members_to is None:
                raise GroupNotEmptyError(name, members)
            for member in members:
                self._world.store(self._world.entry(member).config.evolve(group=move_members_to))
            self._world.groups.remove(name)

    def _check_target(self, name: str, target: str) -> None:
        check_group_name(target)
        if target == name:
            raise InvalidNameError(target, "it is the group to be deleted; move its members to another", kind="group")
        if not self.exists(target):
            raise GroupNotFoundError(target)
