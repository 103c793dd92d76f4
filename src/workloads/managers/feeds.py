"""What engines tell of servers, passed on to who watches workloads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workloads.errors import WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.manager import Stream
    from workloads.managers.containers import Containers

__all__ = ("Feeds",)


class Feeds:
    """The changes of servers on every engine in use, each heard by a thread of its own."""

    def __init__(self, containers: Containers, told: Callable[[str, str], None]) -> None:
        """Begin with no engine.

        Args:
            containers: The engines.
            told: Called with the runtime, and the workload whose servers have changed; without one when any may have.
        """
        self._containers = containers
        self._told = told
        self._streams: dict[str, Stream[str] | None] = {}
        self._threads: list[threading.Thread] = []

    def hear(self, runtime: str) -> None:
        """Listen to a runtime from now on, if its servers live on without their runners. Idempotent."""
        if runtime in self._streams:
            return
        try:
            lasting = self._containers.runtime(runtime)
        except WorkloadsError:  # it is not here any more, which the workload's status says
            lasting = None
        stream = self._streams[runtime] = None if lasting is None else lasting.changes()
        if stream is not None:
            thread = threading.Thread(
                target=self._pass_on, args=(runtime, stream), name=f"workloads-events-{runtime}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Listen no more. Idempotent."""
        for stream in self._streams.values():
            if stream is not None:
                stream.close()
        for thread in self._threads:
            thread.join()

    def _pass_on(self, runtime: str, stream: Stream[str]) -> None:
        for name in stream:
            self._told(runtime, name)
