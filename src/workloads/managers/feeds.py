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
    """The changes of servers on every engine in use, each heard by a thread of its own.

    Not safe to use from several threads.
    """

    def __init__(self, containers: Containers, told: Callable[[str, str], None]) -> None:
        """Begin with no engine.

        Args:
            containers: The engines.
            told: Called with the runtime, and what its stream tells: the workload whose servers have changed, nothing
                when any may have, or :data:`~workloads.runtimes.protocol.AGAIN`.
        """
        self._containers = containers
        self._told = told
        self._heard: set[str] = set()
        self._streams: list[Stream[str]] = []
        self._threads: list[threading.Thread] = []

    def hear(self, runtime: str) -> None:
        """Listen to a runtime from now on, if its servers live on without their runners. Idempotent."""
        if runtime in self._heard:
            return
        self._heard.add(runtime)
        try:
            lasting = self._containers.runtime(runtime)
        except WorkloadsError:  # it is not here any more, which the workload's status says
            lasting = None
        stream = None if lasting is None else lasting.changes()
        if stream is not None:
            self.add(runtime, runtime, stream)

    def add(self, label: str, runtime: str, stream: Stream[str]) -> None:
        """Listen to a stream from now on; it is closed with the others.

        Args:
            label: What its thread is called after.
            runtime: What is told as the runtime.
            stream: The names of workloads, as :meth:`hear` has them.
        """
        self._streams.append(stream)
        thread = threading.Thread(
            target=self._pass_on, args=(runtime, stream), name=f"workloads-events-{label}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Listen no more. Idempotent."""
        for stream in self._streams:
            stream.close()
        for thread in self._threads:
            thread.join()

    def _pass_on(self, runtime: str, stream: Stream[str]) -> None:
        for name in stream:
            self._told(runtime, name)
