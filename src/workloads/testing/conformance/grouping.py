"""Groups: which workload belongs where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workloads.errors import (
    BatchError,
    GroupExistsError,
    GroupNotEmptyError,
    GroupNotFoundError,
    UnsupportedOperationError,
    WorkloadFailedError,
    WorkloadNotFoundError,
)
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from workloads.groups import GroupManager
    from workloads.manager import Manager

__all__ = ("GroupingTests",)


class GroupingTests(Hooks):
    """What holds for every :class:`workloads.WorkloadGrouping` and its groups."""

    @pytest.fixture
    def groups(self, manager: Manager) -> GroupManager:
        """The groups of the manager."""
        from workloads.factory import new_group_manager

        return new_group_manager(manager)

    def test_groups_are_created_listed_and_deleted(self, groups: GroupManager) -> None:
        """The group of those that name none always exists."""
        groups.create("blue")
        with pytest.raises(GroupExistsError):
            groups.create("blue")
        with pytest.raises(GroupExistsError):
            groups.create("default")
        assert [group.name for group in groups.list()] == ["blue", "default"]
        assert groups.exists("blue")
        assert groups.get("blue").name == "blue"
        groups.delete("blue")
        assert not groups.exists("blue")
        with pytest.raises(GroupNotFoundError):
            groups.delete("blue")
        with pytest.raises(GroupNotFoundError):
            groups.get("blue")
        with pytest.raises(UnsupportedOperationError):
            groups.delete("default")

    def test_an_empty_group_is_empty_and_an_absent_one_an_error(self, subject: Manager, groups: GroupManager) -> None:
        """Everywhere that a group is named."""
        groups.create("blue")
        assert subject.list_workloads_in_group("blue") == []
        with pytest.raises(GroupNotFoundError):
            subject.list_workloads_in_group("red")
        for source, target in (("blue", "red"), ("red", "blue")):
            with pytest.raises(GroupNotFoundError) as caught:
                subject.move_to_group([], source, target)
            assert caught.value.group == "red"

    def test_workloads_move_and_repeating_it_completes_it(self, subject: Manager, groups: GroupManager) -> None:
        """Everything is checked first, and each outcome told: None only of what is where it shall be."""
        groups.create("blue")
        groups.create("red")
        assert subject.run_workload_detached(self.make_config("one", group="blue")).group == "blue"
        subject.run_workload_detached(self.make_config("two", group="red"))
        with pytest.raises(BatchError) as caught:
            subject.move_to_group(["one", "two", "absent"], "blue", "default")
        assert {name: type(outcome) for name, outcome in caught.value.results.items()} == {
            "one": WorkloadFailedError,
            "two": WorkloadFailedError,
            "absent": WorkloadNotFoundError,
        }
        assert subject.get_workload("one").group == "blue"
        for _ in range(2):
            subject.move_to_group(["one", "two"], "blue", "red")
            assert [workload.name for workload in subject.list_workloads_in_group("red")] == ["one", "two"]
            assert subject.list_workloads_in_group("blue") == []
        stored = self.stored_run_config("one")
        assert stored is not None
        assert stored.effective_group == "red"

    def test_a_group_with_members_is_deleted_only_when_they_are_moved(
        self, subject: Manager, groups: GroupManager
    ) -> None:
        """No workload is ever in a group that does not exist."""
        groups.create("blue")
        subject.run_workload_detached(self.make_config("one", group="blue"))
        with pytest.raises(GroupNotEmptyError) as caught:
            groups.delete("blue")
        assert caught.value.members == ("one",)
        groups.delete("blue", move_members_to="default")
        assert subject.get_workload("one").group == "default"
        assert not groups.exists("blue")
