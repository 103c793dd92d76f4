"""The first start of a server, begun while what serves its clients is still being loaded."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from workloads.proxyrunner.launch import LIMIT, end_unwanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.runtimes.protocol import Replica

__all__ = ("HeadStart",)


class HeadStart:
    """A copy of the server that is being started before anybody asks for it. Its methods block.

    Args:
        name: The workload.
        start: Starts it; blocks.
    """

    def __init__(self, name: str, start: Callable[[], Replica]) -> None:
        """Begin to start it, in a thread of its own."""
        self._name = name
        self._outcome: Future[Replica] = Future()
        self._lock = threading.Lock()
        self._claimed = False
        self._thread = threading.Thread(target=self._run, args=(start,), name="workloads-head-start", daemon=True)
        self._thread.start()

    def take(self) -> Replica | None:
        """The server, once it has been started. Whoever takes it ends it.

        Returns:
            None when it was taken, or discarded, before.

        Raises:
            WorkloadsError: It could not be started.
        """
        return self._outcome.result() if self._claim() else None

    def discard(self) -> None:
        """End the server unless somebody has taken it; wait for :data:`~workloads.proxyrunner.launch.LIMIT`, no longer.

        One that is there later is ended by the thread that starts it.
        """
        if self._claim():
            self._outcome.add_done_callback(self._end)
            self._thread.join(LIMIT)

    def _claim(self) -> bool:
        with self._lock:
            claimed, self._claimed = self._claimed, True
        return not claimed

    def _end(self, outcome: Future[Replica]) -> None:
        if outcome.exception() is None:
            end_unwanted(outcome.result(), self._name)

    def _run(self, start: Callable[[], Replica]) -> None:
        try:
            self._outcome.set_result(start())
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to who takes the server
            self._outcome.set_exception(error)
