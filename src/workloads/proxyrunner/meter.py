"""What a proxy runner counts of its work: plain numbers, for whoever asks. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("BUCKETS", "METHODS", "OTHER", "Histogram", "Meter")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds, in seconds, of the classes in which durations are counted."""

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
"""The HTTP methods that are told apart."""
OTHER = "other"
"""What all others are counted as: some HTTP servers take any word for a method, and clients know many."""


class Histogram:
    """How often something took how long."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.counts = [0] * (len(BUCKETS) + 1)
        """How many durations are in each class of :data:`BUCKETS`, and in a last one for those above."""
        self.total = 0.0
        """The sum of all durations, in seconds."""

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """For each class its upper bound, the last one infinite, and how many durations are not above that."""
        count = 0
        for bound, number in zip((*BUCKETS, float("inf")), self.counts, strict=True):
            count += number
            yield bound, count


class Meter:
    """The counters of one proxy runner. They belong to its loop."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.requests: dict[tuple[str, int], int] = {}
        """How many requests were answered, by HTTP method, or :data:`OTHER`, and status; 0 stands for none."""
        self.durations = Histogram()
        """How long answers took until their last byte; streams that nobody expects to end are left out."""
        self.sessions_begun = 0
        """How many sessions servers have begun for clients."""

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        """A request was answered.

        Args:
            method: The HTTP method.
            status: The HTTP status; 0 when the connection ended without one.
            seconds: How long it took; None for a stream, which says nothing of how fast this is.
        """
        key = (method, status)
        try:
            self.requests[key] += 1
        except KeyError:
            key = (method if method in METHODS else OTHER, status)
            self.requests[key] = self.requests.get(key, 0) + 1
        if seconds is not None:
            self.durations.add(seconds)
