"""Groups on this machine, in ToolHive's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.records import RecordFolder, dump_object, parse_object
from workloads.config.names import check_group_name
from workloads.errors import (
    CorruptStateError,
    GroupExistsError,
    GroupNotEmptyError,
    GroupNotFoundError,
    InvalidNameError,
    UnsupportedOperationError,
)
from workloads.groups.model import Group
from workloads.model import DEFAULT_GROUP

if TYPE_CHECKING:
    from workloads._core.paths import Paths
    from workloads.groups.protocols import MemberStore

    # `list` means the method inside the class below.
    _Groups = list[Group]

__all__ = ("FileGroupManager", "GroupStore")


class GroupStore:
    """One file for each group, ``<group>.json``, whatever workloads there are. Reads never write.

    Every operation raises ``InvalidNameError`` for what cannot be a name, ``InsecureStateError`` when others could
    have changed the folder, and ``StateError`` when the system refuses it.
    """

    def __init__(self, paths: Paths) -> None:
        """Use the groups of an application directory; nothing is read or created yet."""
        self._records = RecordFolder(paths.groups, paths.state, check_group_name, "group")

    def create(self, group: Group) -> bool:
        """Write a group unless there is one of its name; returns whether it was written.

        Args:
            group: The group.
        """
        return group.name != DEFAULT_GROUP and self._records.create(group.name, dump_object(group.to_dict()))

    def read(self, name: str) -> Group | None:
        """The group of a name; None when there is none. ``default`` needs no file.

        Args:
            name: Its name.

        Raises:
            CorruptStateError: The file is damaged. It is left as it is.
        """
        data = self._records.read(name)
        if data is None:
            return Group(name) if name == DEFAULT_GROUP else None
        path = self._records.path(name)
        document = parse_object(path, data)
        try:
            return Group.from_dict(name, document)
        except ValueError as error:
            raise CorruptStateError(path, f"is not a group: {error}; repair or remove it") from error

    def exists(self, name: str) -> bool:
        """Whether there is a group of that name; False too when no group can have it.

        Args:
            name: The name.
        """
        try:
            return name == DEFAULT_GROUP or self._records.exists(name)
        except InvalidNameError:
            return False

    def remove(self, name: str) -> bool:
        """Remove the file of a group; returns whether there was one.

        Args:
            name: Its name.
        """
        return self._records.remove(name)

    def names(self) -> list[str]:
        """The names of all groups, ``default`` among them, damaged or not, sorted."""
        return sorted({DEFAULT_GROUP, *self._records.names()})


class FileGroupManager:
    """The groups of this machine, as :class:`workloads.GroupManager` says. Safe to use from several threads."""

    def __init__(self, paths: Paths, members: MemberStore) -> None:
        """Manage the groups of an application directory; nothing is read or created yet.

        Args:
            paths: Where they are.
            members: What knows which workloads belong to them.
        """
        self._store = GroupStore(paths)
        self._members = members

    def create(self, name: str) -> Group:
        """See :meth:`workloads.GroupManager.create`."""
        group = Group(name)
        if not self._store.create(group):
            raise GroupExistsError(name)
        return group

    def get(self, name: str) -> Group:
        """See :meth:`workloads.GroupManager.get`."""
        group = self._store.read(name)
        if group is None:
            raise GroupNotFoundError(name)
        return group

    def list(self) -> _Groups:
        """See :meth:`workloads.GroupManager.list`. One whose file is damaged is shown with its name alone."""
        groups = (self._listed(name) for name in self._store.names())
        return [group for group in groups if group is not None]

    def exists(self, name: str) -> bool:
        """See :meth:`workloads.GroupManager.exists`."""
        return self._store.exists(name)

    def delete(self, name: str, *, move_members_to: str | None = None) -> None:
        """See :meth:`workloads.GroupManager.delete`."""
        check_group_name(name)
        if name == DEFAULT_GROUP:
            raise UnsupportedOperationError(f"deleting the group {name!r}", "it always exists")
        if move_members_to is not None:
            self._check_target(name, move_members_to)
        if not self._store.exists(name):
            raise GroupNotFoundError(name)
        members = self._members.members(name)
        if members and move_members_to is not None:
            self._members.move(members, name, move_members_to)
            members = self._members.members(name)  # one may have joined meanwhile
        if members:
            raise GroupNotEmptyError(name, members)
        if not self._store.remove(name):
            raise GroupNotFoundError(name)

    def _check_target(self, name: str, target: str) -> None:
        check_group_name(target)
        if target == name:
            raise InvalidNameError(target, "it is the group to be deleted; move its members to another", kind="group")
        if not self._store.exists(target):
            raise GroupNotFoundError(target)

    def _listed(self, name: str) -> Group | None:
        try:
            return self._store.read(name)  # None when it was deleted meanwhile
        except CorruptStateError as error:
            import logging

            log = logging.getLogger(__name__)
            log.warning("damaged group shown with its name alone: %s", error, extra={"group": name})
            return Group(name)
