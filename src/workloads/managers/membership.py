"""Which workloads belong to which group: their run configs say so, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import BatchError, CorruptStateError, GroupNotFoundError, WorkloadsError
from workloads.groups.moves import check_moves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.managers.inventory import Inventory

__all__ = ("Membership",)


class Membership:
    """The members of groups, as group managers need them (:class:`workloads.groups.MemberStore`)."""

    def __init__(self, inventory: Inventory, busy_timeout: float) -> None:
        """Look at, and change, the run configs of this inventory.

        Args:
            inventory: The inventory.
            busy_timeout: Seconds to wait for another operation on a workload.
        """
        self._inventory = inventory
        self._busy_timeout = busy_timeout

    def members(self, group: str) -> list[str]:
        """The names of the workloads in a group, sorted. One whose run config is damaged is in none."""
        return [name for name in self._inventory.names() if self._group_of(name) == group]

    def move(self, names: Sequence[str], source: str, target: str) -> None:
        """Move workloads from one group to another; those that are not in ``source`` stay where they are.

        Raises:
            BatchError: Some could not be moved; the others were.
        """
        results: dict[str, WorkloadsError | None] = {}
        for name in names:
            try:
                self._move(name, source, target)
                results[name] = None
            except WorkloadsError as error:
                results[name] = error
        if any(results.values()):
            raise BatchError.of(results)

    def check(self, names: Sequence[str], source: str, target: str) -> None:
        """Check that workloads can be moved: each is in ``source``, or in ``target`` already.

        Raises:
            GroupNotFoundError: One of the groups does not exist.
            BatchError: Some workloads do not exist, or are in a third group.
        """
        for group in (source, target):
            if not self._inventory.groups.exists(group):
                raise GroupNotFoundError(group)
        check_moves({name: self._found(name) for name in names}, source, target)

    def _found(self, name: str) -> str | WorkloadsError:
        try:
            return self._inventory.config(name).effective_group
        except WorkloadsError as error:
            return error

    def _move(self, name: str, source: str, target: str) -> None:
        with self._inventory.operation(name, self._busy_timeout):
            config = self._inventory.configs.load(name)
            if config is not None and config.effective_group == source:
                self._inventory.configs.save(config.evolve(group=target))

    def _group_of(self, name: str) -> str | None:
        try:
            config = self._inventory.configs.load(name)
        except CorruptStateError:
            return None
        return None if config is None else config.effective_group
