"""Observing: what exists, what does not, and how it is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workloads.errors import BatchError, InvalidNameError, UnsupportedOperationError, WorkloadNotFoundError
from workloads.model import Capability, ReplicaCount, WorkloadStatus
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.manager import Manager
    from workloads.model import Workload

__all__ = ("ReadingTests",)

_BAD = "no/such name"


class ReadingTests(Hooks):
    """What holds for every :class:`workloads.WorkloadReader`, and for names that are none."""

    def test_without_workloads_everything_is_empty(self, subject: Manager) -> None:
        """There is nothing, and that is no error."""
        assert subject.list_workloads() == []
        assert subject.list_workloads(all=True) == []
        assert subject.list_workloads_in_group("default") == []
        assert not subject.does_workload_exist("absent")

    def test_every_verb_tells_that_a_workload_does_not_exist(self, subject: Manager) -> None:
        """By the one error that means it; deleting succeeds."""
        for read in (subject.get_workload, subject.get_run_config, subject.get_logs):
            with pytest.raises(WorkloadNotFoundError) as caught:
                read("absent")
            assert caught.value.name == "absent"
        for verb in (subject.start_workloads, subject.stop_workloads, subject.restart_workloads):
            with pytest.raises(BatchError) as failed:
                verb(["absent"]).wait(self.patience)
            assert [type(error) for error in failed.value.exceptions] == [WorkloadNotFoundError]
        with pytest.raises(WorkloadNotFoundError):
            subject.update_workload("absent", self.make_config("absent")).wait(self.patience)
        with pytest.raises(BatchError):
            subject.move_to_group(["absent"], "default", "default")
        assert subject.delete_workloads(["absent"]).wait(self.patience) == {"absent": None}

    def test_every_verb_refuses_what_cannot_be_a_name(self, subject: Manager) -> None:
        """At the call, before any work."""
        for read in (subject.get_workload, subject.get_run_config, subject.does_workload_exist, subject.get_logs):
            with pytest.raises(InvalidNameError):
                read(_BAD)
        with pytest.raises(InvalidNameError):
            subject.update_workload(_BAD, self.make_config("one"))

    def test_one_bad_name_stops_a_batch_before_any_work(self, subject: Manager) -> None:
        """The workload named beside it goes on."""
        before = self.run(subject)
        for verb in (subject.stop_workloads, subject.restart_workloads, subject.delete_workloads):
            with pytest.raises(InvalidNameError):
                verb(["one", _BAD])
        with pytest.raises(InvalidNameError):
            subject.move_to_group(["one", _BAD], "default", "default")
        assert subject.get_workload("one") == before
        assert self.is_running("one")

    def test_times_that_cannot_be_are_refused(self, subject: Manager) -> None:
        """At the call, before any work: nobody waits, or is killed, for a number that means nothing."""
        for seconds in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="wait must be a number of seconds, 0 or more"):
                subject.run_workload_detached(self.make_config("one"), wait=seconds)
            for verb in (subject.stop_workloads, subject.restart_workloads, subject.delete_workloads):
                with pytest.raises(ValueError, match="grace must be a number of seconds, 0 or more"):
                    verb(["absent"], grace=seconds)
            with pytest.raises(ValueError, match="grace must be a number of seconds, 0 or more"):
                subject.update_workload("absent", self.make_config("absent"), grace=seconds)
        assert not subject.does_workload_exist("one")

    def test_a_string_is_no_sequence_of_names(self, subject: Manager) -> None:
        """Else the letters of a name would be taken for names."""
        for verb in (
            subject.start_workloads, subject.stop_workloads, subject.restart_workloads, subject.delete_workloads,
        ):  # fmt: skip
            with pytest.raises(TypeError):
                verb("one")
        with pytest.raises(TypeError):
            subject.move_to_group("one", "default", "default")

    def test_a_workload_is_told_as_it_is(self, subject: Manager) -> None:
        """By the verb that ran it, by reading it, by the lists, and by looking past the manager."""
        labels = {"team": "search"}
        workload = self.run(subject, container_labels=labels)
        assert workload.name == "one"
        assert workload.status is WorkloadStatus.RUNNING
        assert workload.replicas == ReplicaCount(1, 1)
        assert workload.group == "default"
        assert workload.labels == labels
        assert str(workload.port) in workload.url
        assert workload.started_at is not None
        assert workload.started_at >= workload.created_at
        assert workload.created_at.tzinfo is not None
        assert subject.get_workload("one") == workload
        assert subject.list_workloads() == [workload]
        assert subject.list_workloads_in_group("default") == [workload]
        assert subject.does_workload_exist("one")
        assert subject.get_run_config("one") == self.stored_run_config("one")
        assert self.is_running("one")

    def test_lists_are_sorted_and_filtered(self, subject: Manager) -> None:
        """By name; what runs, unless all are wanted; and every label must match."""
        self.run_all(
            subject,
            self.make_config("zeta", container_labels={"team": "a", "tier": "x"}),
            self.make_config("alpha", container_labels={"team": "a"}),
        )
        assert _names(subject.list_workloads()) == ["alpha", "zeta"]
        subject.stop_workloads(["alpha"]).wait(self.patience)
        assert _names(subject.list_workloads()) == ["zeta"]
        assert _names(subject.list_workloads(all=True)) == ["alpha", "zeta"]
        assert _names(subject.list_workloads_in_group("default")) == ["alpha", "zeta"]
        assert _names(subject.list_workloads(all=True, labels={"team": "a"})) == ["alpha", "zeta"]
        assert _names(subject.list_workloads(all=True, labels={"team": "a", "tier": "x"})) == ["zeta"]
        assert subject.list_workloads(all=True, labels={"team": "b"}) == []

    def test_another_manager_sees_the_same_and_can_change_it(self, subject: Manager, manager: Manager) -> None:
        """What is known is not in the manager that did it."""
        workload = self.run(subject)
        with self.another(manager) as other:
            assert other.get_workload("one") == workload
            assert other.get_run_config("one") == subject.get_run_config("one")
            other.stop_workloads(["one"]).wait(self.patience)
        assert subject.get_workload("one").status is WorkloadStatus.STOPPED

    def test_workloads_go_on_when_the_manager_is_closed(self, subject: Manager, manager: Manager) -> None:
        """Closing is idempotent and ends nothing."""
        workload = self.run(subject)
        subject.close()
        subject.close()
        assert self.is_running("one")
        with self.another(manager) as other:
            assert other.get_workload("one") == workload

    def test_a_verb_outside_the_capabilities_says_so_and_no_other_does(self, subject: Manager) -> None:
        """Never a verb that silently does nothing."""
        assert subject.capabilities <= frozenset(Capability)
        subject.run_workload_detached(self.slow_config("one"))
        if Capability.PROXY_LOGS in subject.capabilities:
            subject.get_proxy_logs("one").close()
        else:
            with pytest.raises(UnsupportedOperationError):
                subject.get_proxy_logs("one")
        if Capability.WATCH in subject.capabilities:
            subject.watch_workloads().close()
        else:
            with pytest.raises(UnsupportedOperationError):
                subject.watch_workloads()
        if Capability.RUN_FOREGROUND not in subject.capabilities:
            with pytest.raises(UnsupportedOperationError):
                subject.run_workload(self.make_config("two"))


def _names(workloads: Sequence[Workload]) -> list[str]:
    return [workload.name for workload in workloads]
