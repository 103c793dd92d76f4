"""Batches: outcomes by name, independent of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workloads.errors import BatchError, WorkloadFailedError, WorkloadNotFoundError
from workloads.model import WorkloadStatus
from workloads.testing.conformance.hooks import Hooks

if TYPE_CHECKING:
    from workloads.manager import Manager

__all__ = ("BatchTests",)


class BatchTests(Hooks):
    """What holds for every verb that takes several names."""

    def test_one_failure_cancels_no_sibling_and_duplicates_count_once(self, subject: Manager) -> None:
        """Each name has its outcome, in the order given."""
        self.run(subject)
        batch = subject.stop_workloads(["absent", "one", "absent", "one"])
        assert batch.names == ("absent", "one")
        with pytest.raises(BatchError) as caught:
            batch.wait(self.patience)
        assert batch.done()
        assert batch.results() == caught.value.results
        assert {name: type(outcome) for name, outcome in batch.results().items()} == {
            "absent": WorkloadNotFoundError,
            "one": type(None),
        }
        assert subject.get_workload("one").status is WorkloadStatus.STOPPED

    def test_a_batch_of_none_is_done(self, subject: Manager) -> None:
        """And succeeded."""
        for verb in (
            subject.start_workloads, subject.stop_workloads, subject.restart_workloads, subject.delete_workloads,
        ):  # fmt: skip
            assert verb([]).wait(self.patience) == {}

    def test_a_wait_that_is_over_leaves_the_work_going_on(self, subject: Manager) -> None:
        """It ends when the work has ended, with the outcome."""
        subject.run_workload_detached(self.slow_config("one"))
        subject.stop_workloads(["one"], grace=1.0).wait(self.patience)
        batch = subject.start_workloads(["one"])
        with pytest.raises(TimeoutError):
            batch.wait(0.1)
        assert not batch.done()
        assert batch.results() == {}
        self.until(lambda: subject.get_workload("one").status is WorkloadStatus.STARTING)
        subject.stop_workloads(["one"], grace=1.0).wait(self.patience)
        with pytest.raises(BatchError) as caught:
            batch.wait(self.patience)
        assert [type(error) for error in caught.value.exceptions] == [WorkloadFailedError]
