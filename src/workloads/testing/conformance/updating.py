"""Updating: the new is proven before the old is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workloads.errors import GroupNotFoundError, RunConfigError, WorkloadFailedError
from workloads.model import WorkloadStatus
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from workloads.manager import Manager

__all__ = ("UpdatingTests",)


class UpdatingTests(Hooks):
    """What holds for ``update_workload`` of every manager."""

    def test_an_update_keeps_name_and_port_and_runs_the_new(self, subject: Manager) -> None:
        """Clients find it where it was."""
        before = self.run(subject)
        subject.update_workload("one", self.make_config("one", container_labels={"new": "yes"})).wait(self.patience)
        after = subject.get_workload("one")
        assert (after.status, after.url, after.created_at) == (WorkloadStatus.RUNNING, before.url, before.created_at)
        assert after.labels == {"new": "yes"}
        assert self.stored_run_config("one") == subject.get_run_config("one")
        assert self.call(after.url, "new") == "new"

    def test_an_update_that_fails_gives_the_old_back(self, subject: Manager) -> None:
        """And raises its one error itself."""
        before = self.run(subject, container_labels={"old": "yes"})
        stored = self.stored_run_config("one")
        with pytest.raises(WorkloadFailedError) as caught:
            subject.update_workload("one", self.broken_config("one")).wait(3 * self.patience)
        assert caught.value.name == "one"
        after = subject.get_workload("one")
        assert (after.status, after.url, after.labels) == (WorkloadStatus.RUNNING, before.url, {"old": "yes"})
        assert self.stored_run_config("one") == stored
        assert self.call(after.url, "old") == "old"

    def test_an_update_that_is_refused_changes_nothing(self, subject: Manager) -> None:
        """A name cannot be changed, and a group must exist."""
        before = self.run(subject)
        with pytest.raises(RunConfigError):
            subject.update_workload("one", self.make_config("two")).wait(self.patience)
        with pytest.raises(GroupNotFoundError):
            subject.update_workload("one", self.make_config("one", group="nowhere")).wait(self.patience)
        assert subject.get_workload("one") == before
        assert not subject.does_workload_exist("two")

    def test_a_stopped_workload_is_updated_and_stays_stopped(self, subject: Manager) -> None:
        """Its new run config is what the next start runs."""
        self.run(subject)
        subject.stop_workloads(["one"]).wait(self.patience)
        subject.update_workload("one", self.make_config("one", container_labels={"new": "yes"})).wait(self.patience)
        after = subject.get_workload("one")
        assert (after.status, after.labels) == (WorkloadStatus.STOPPED, {"new": "yes"})
        assert not self.is_running("one")
