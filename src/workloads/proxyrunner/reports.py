"""What a keeper of servers reports to, each no wider than what it reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.model import WorkloadStatus
    from workloads.runtimes.protocol import Replica

__all__ = ("ASLEEP", "Door", "News", "Vitals")

ASLEEP = "asleep"
"""The context of the status of a workload that sleeps until the next request. It runs, as clients see it."""

T_contra = TypeVar("T_contra", contravariant=True)


class Door(Protocol[T_contra]):
    """Lets requests pass while there is something to send them to."""

    def open(self, target: T_contra) -> None:
        """Let requests pass to this."""
        ...

    def shut(self) -> None:
        """Let requests wait."""
        ...


class Vitals(Protocol):
    """Remembers whether requests can be served."""

    def ready(self, took: float) -> None:
        """The server answered a request of the protocol, in so many seconds."""
        ...

    def down(self, reason: str) -> None:
        """No request can be served now."""
        ...


class News(Protocol):
    """Passes on what happens."""

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """The workload, or this replica of it, is in this state."""
        ...

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """These copies of the server run now, so many of them ready."""
        ...
