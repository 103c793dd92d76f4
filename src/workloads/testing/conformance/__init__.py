"""The suite that every manager passes, for pytest."""

from __future__ import annotations

from workloads.testing.conformance.batches import BatchTests
from workloads.testing.conformance.grouping import GroupingTests
from workloads.testing.conformance.hooks import Hooks
from workloads.testing.conformance.reading import ReadingTests
from workloads.testing.conformance.running import RunningTests
from workloads.testing.conformance.streaming import StreamingTests
from workloads.testing.conformance.updating import UpdatingTests

__all__ = ("Hooks", "ManagerConformance")


class ManagerConformance(ReadingTests, RunningTests, BatchTests, UpdatingTests, GroupingTests, StreamingTests):
    """What holds for every :class:`workloads.Manager`, on its own surface and on that of asyncio.

    Subclass it in a test module, give it the fixture ``manager`` and the hooks of :class:`Hooks`, and pytest runs it.
    """
