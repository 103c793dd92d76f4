"""Running: how a workload comes to be, ends, and goes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from workloads.errors import (
    BatchError,
    GroupNotFoundError,
    RunConfigError,
    WorkloadExistsError,
    WorkloadFailedError,
    WorkloadNotReadyError,
    WorkloadsError,
)
from workloads.model import Capability, ReplicaCount, Workload, WorkloadStatus
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from workloads.manager import Manager

__all__ = ("RunningTests",)


class RunningTests(Hooks):
    """What holds for every :class:`workloads.WorkloadLifecycle`, one workload at a time."""

    def test_a_ready_workload_answers_at_its_url(self, subject: Manager) -> None:
        """Ready means proven: the first call succeeds."""
        assert self.call(self.run(subject).url, "hello") == "hello"

    def test_replicas_are_ready_behind_one_url_or_refused(self, subject: Manager) -> None:
        """As the capabilities say; a workload with fewer than it asks for would be a lie."""
        if Capability.REPLICAS not in subject.capabilities:
            with pytest.raises(RunConfigError, match="backend_replicas"):
                subject.run_workload_detached(self.make_config("one", backend_replicas=2))
            assert not subject.does_workload_exist("one")
            return
        workload = self.run(subject, backend_replicas=2)
        assert workload.replicas.desired == 2
        self.until(lambda: subject.get_workload("one").replicas.ready == 2)
        assert self.call(workload.url, "hello") == "hello"
        subject.stop_workloads(["one"]).wait(self.patience)
        assert subject.get_workload("one").replicas == ReplicaCount(0, 2)

    def test_without_a_wait_a_workload_is_owned_and_known(self, subject: Manager) -> None:
        """Though its server is not ready."""
        workload = subject.run_workload_detached(self.slow_config("one"))
        assert workload.status is WorkloadStatus.STARTING
        assert workload.url
        assert self.is_running("one")
        assert subject.list_workloads() == []

    def test_one_that_is_not_ready_in_time_goes_on_starting(self, subject: Manager) -> None:
        """The error tells what was seen last."""
        with pytest.raises(WorkloadNotReadyError) as caught:
            subject.run_workload_detached(self.slow_config("one"), wait=0.5)
        assert (caught.value.name, caught.value.waited) == ("one", 0.5)
        assert caught.value.status == WorkloadStatus.STARTING
        assert subject.get_workload("one").status is WorkloadStatus.STARTING
        assert self.is_running("one")

    def test_one_that_dies_is_an_error_that_exists_and_whose_name_is_free(self, subject: Manager) -> None:
        """A failed run can be tried again under the same name."""
        with pytest.raises(WorkloadFailedError) as caught:
            subject.run_workload_detached(self.broken_config("one"), wait=self.patience)
        assert caught.value.name == "one"
        self.until(lambda: subject.get_workload("one").status is WorkloadStatus.ERROR)
        assert subject.get_workload("one").status_context
        assert subject.does_workload_exist("one")
        assert subject.list_workloads() == []
        assert self.run(subject).status is WorkloadStatus.RUNNING

    def test_a_name_in_use_is_refused_and_its_workload_left_alone(self, subject: Manager) -> None:
        """Running or stopped."""
        before = self.run(subject)
        with pytest.raises(WorkloadExistsError) as caught:
            subject.run_workload_detached(self.broken_config("one"))
        assert (caught.value.name, caught.value.status) == ("one", WorkloadStatus.RUNNING)
        assert subject.get_workload("one") == before
        subject.stop_workloads(["one"]).wait(self.patience)
        with pytest.raises(WorkloadExistsError):
            subject.run_workload_detached(self.make_config("one"))
        assert subject.get_workload("one").status is WorkloadStatus.STOPPED

    def test_what_is_refused_leaves_nothing(self, subject: Manager) -> None:
        """A group that does not exist is found out before anything is written."""
        with pytest.raises(GroupNotFoundError) as caught:
            subject.run_workload_detached(self.make_config("one", group="nowhere"))
        assert caught.value.group == "nowhere"
        assert not subject.does_workload_exist("one")
        assert self.stored_run_config("one") is None

    def test_stop_start_and_delete_can_be_repeated(self, subject: Manager) -> None:
        """Each leaves what it should, whatever was there before."""
        first = self.run(subject)
        for _ in range(2):
            assert subject.stop_workloads(["one"]).wait(self.patience) == {"one": None}
            assert subject.get_workload("one").status is WorkloadStatus.STOPPED
            assert not self.is_running("one")
        for _ in range(2):
            assert subject.start_workloads(["one"]).wait(self.patience) == {"one": None}
        again = subject.get_workload("one")
        assert (again.status, again.url, again.created_at) == (WorkloadStatus.RUNNING, first.url, first.created_at)
        assert self.call(again.url, "again") == "again"
        for _ in range(2):
            assert subject.delete_workloads(["one"]).wait(self.patience) == {"one": None}
            assert not subject.does_workload_exist("one")
            assert self.stored_run_config("one") is None
            assert not self.is_running("one")

    def test_starting_what_runs_leaves_it_alone_and_restarting_it_does_not(self, subject: Manager) -> None:
        """A restart of a running workload really restarts it; one that is stopped is started."""
        first = self.run(subject)
        subject.start_workloads(["one"]).wait(self.patience)
        assert subject.get_workload("one") == first
        subject.restart_workloads(["one"]).wait(self.patience)
        second = subject.get_workload("one")
        assert second.status is WorkloadStatus.RUNNING
        assert second.started_at is not None
        assert first.started_at is not None
        assert second.started_at > first.started_at
        subject.stop_workloads(["one"]).wait(self.patience)
        subject.restart_workloads(["one"]).wait(self.patience)
        assert subject.get_workload("one").status is WorkloadStatus.RUNNING

    def test_starting_what_is_starting_waits_until_it_is_ready(self, subject: Manager) -> None:
        """Whoever began it. When it is stopped before, that is an error."""
        subject.run_workload_detached(self.make_config("one"))
        subject.start_workloads(["one"]).wait(self.patience)
        assert subject.get_workload("one").status is WorkloadStatus.RUNNING
        subject.run_workload_detached(self.slow_config("two"))
        batch = subject.start_workloads(["two"])

        with pytest.raises(TimeoutError):
            batch.wait(0.2)

        def stopped() -> bool:  # again: it may have been stopped just before it was to be started
            subject.stop_workloads(["two"], grace=1.0).wait(self.patience)
            return batch.done()

        self.until(stopped)
        with pytest.raises(BatchError) as caught:
            batch.wait(self.patience)
        assert [type(error) for error in caught.value.exceptions] == [WorkloadFailedError]

    def test_several_runs_of_one_name_at_once_leave_one(self, subject: Manager) -> None:
        """The others are told that it exists."""
        outcomes: list[Workload | WorkloadsError] = []

        def attempt() -> None:
            try:
                outcomes.append(self.run(subject))
            except WorkloadsError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=attempt) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(outcome, Workload) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, WorkloadExistsError) for outcome in outcomes) == 3
        assert subject.get_workload("one").status is WorkloadStatus.RUNNING

    def test_in_the_foreground_it_returns_when_the_workload_has_ended(self, subject: Manager) -> None:
        """And not before."""
        if Capability.RUN_FOREGROUND not in subject.capabilities:
            pytest.skip("it cannot run in the foreground")
        runner = threading.Thread(target=subject.run_workload, args=(self.make_config("one"),))
        runner.start()
        try:
            self.until(lambda: [workload.name for workload in subject.list_workloads()] == ["one"])
            assert runner.is_alive()
        finally:
            subject.stop_workloads(["one"]).wait(self.patience)
            runner.join(self.patience)
        assert not runner.is_alive()
        assert subject.get_workload("one").status is WorkloadStatus.STOPPED
