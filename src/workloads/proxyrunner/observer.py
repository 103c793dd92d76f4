"""Who is told what happens to a workload that a proxy runner serves."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.errors import WorkloadsError
    from workloads.runtimes.protocol import Replica

__all__ = ("RunnerObserver", "Told", "WritingObserver")

_log = logging.getLogger(__name__)


class RunnerObserver(Protocol):
    """Is told what happens, on the loop of the runner. It must return at once and not raise."""

    def listening(self, host: str, port: int) -> None:
        """The proxy listens.

        Args:
            host: The address as configured.
            port: The port.
        """
        ...

    def status(self, status: WorkloadStatus, context: str) -> None:
        """The workload is in this state.

        Args:
            status: The state.
            context: Why, for people; often empty.
        """
        ...

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """The copies of the server that run now.

        Args:
            replicas: All of them.
            ready: How many of them are ready.
        """
        ...


@runtime_checkable
class WritingObserver(RunnerObserver, Protocol):
    """An observer that writes down what it is told, for others to read, a moment after it was told."""

    async def written(self) -> None:
        """Wait until everything is written down that it was told before."""
        ...


class Told:
    """An observer that may be absent, and whose errors must not end what it observes.

    Args:
        observer: Who is told; None is nobody.
    """

    def __init__(self, observer: RunnerObserver | None) -> None:
        """Tell this observer."""
        self._observer = observer
        self.settled = asyncio.Event()
        """Set when the workload first runs, or is known not to."""
        self.ready = 0
        """How many copies of the server are ready."""

    def listening(self, host: str, port: int) -> None:
        """The proxy listens."""
        if self._observer is not None:
            self._tell(self._observer.listening, host, port)

    def status(self, status: WorkloadStatus, context: str = "") -> None:
        """The workload is in this state."""
        if status in (WorkloadStatus.RUNNING, WorkloadStatus.STOPPED):
            self.settled.set()
        if self._observer is not None:
            self._tell(self._observer.status, status, context)

    def failed(self, error: WorkloadsError) -> None:
        """The workload cannot be served, for this reason."""
        self.status(WorkloadStatus.ERROR, error.reason if isinstance(error, WorkloadFailedError) else str(error))

    def replicas(self, replicas: Sequence[Replica], ready: int) -> None:
        """These copies of the server run now."""
        self.ready = ready
        if self._observer is not None:
            self._tell(self._observer.replicas, replicas, ready)

    async def written(self) -> None:
        """Wait until others can read what was told, if the observer writes it down."""
        if isinstance(self._observer, WritingObserver):
            try:
                await self._observer.written()
            except Exception:  # noqa: BLE001  # it is somebody else's code
                _log.exception("the observer failed")

    @staticmethod
    def _tell(method: Callable[..., None], *facts: object) -> None:
        try:
            method(*facts)
        except Exception:  # noqa: BLE001  # it is somebody else's code
            _log.exception("the observer failed")
