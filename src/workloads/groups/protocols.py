"""What can be done with groups, and what that needs of workloads. Nothing here does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.groups.model import Group

    # `list` means the method inside the class below.
    _Groups = list[Group]

__all__ = ("GroupManager", "MemberStore")


@runtime_checkable
class GroupManager(Protocol):
    """Knows groups and manages them.

    The group ``default`` is that of every workload that names none: it always exists, and is neither created nor
    deleted.
    """

    def create(self, name: str) -> Group:
        """Create a group; of several callers at once one succeeds.

        Args:
            name: Its name.

        Raises:
            GroupExistsError: There is one of that name.
            InvalidNameError: The name is not allowed.
        """
        ...

    def get(self, name: str) -> Group:
        """The group of a name.

        Args:
            name: Its name.

        Raises:
            GroupNotFoundError: There is none.
            InvalidNameError: The name cannot be one of a group.
            CorruptStateError: Its file is damaged.
        """
        ...

    def list(self) -> _Groups:
        """All groups, sorted by name; never empty, as ``default`` is among them."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is a group of that name.

        Args:
            name: The name; one that no group can have gives False.
        """
        ...

    def delete(self, name: str, *, move_members_to: str | None = None) -> None:
        """Delete a group.

        Args:
            name: Its name.
            move_members_to: The group that its workloads belong to from then on; None (the default) refuses to delete
                a group that has any.

        Raises:
            GroupNotFoundError: There is no such group, or none to move to.
            GroupNotEmptyError: It has workloads, and no group is named to move them to.
            UnsupportedOperationError: It is ``default``.
            InvalidNameError: A name is not allowed, or both are the same.
            BatchError: Some workloads could not be moved; the group is kept, and doing it again completes it.
        """
        ...


class MemberStore(Protocol):
    """Knows which workloads belong to which group: what deleting a group needs of a manager."""

    def members(self, group: str) -> list[str]:
        """The names of the workloads of a group, in any state, sorted.

        Args:
            group: The group, which exists.
        """
        ...

    def move(self, names: Sequence[str], source: str, target: str) -> None:
        """Move workloads to another group.

        Args:
            names: The workloads.
            source: The group they belong to.
            target: The group they shall belong to, which exists.

        Raises:
            BatchError: Some could not be moved; the others were.
        """
        ...
