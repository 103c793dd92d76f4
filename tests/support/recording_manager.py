"""The manager in memory, which also remembers the options it was asked with: most of them change nothing there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workloads._core.closing import Closing
from workloads.config import RunConfig
from workloads.testing import InMemoryManager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.completion import Completion
    from workloads.manager import Stream
    from workloads.model import Workload


def a_config(name: str = "time", **changes: Any) -> RunConfig:
    """A run config, with whatever a test wants different."""
    return RunConfig(name=name, image="uvx://mcp-server-time", transport="stdio").evolve(**changes)


class RecordedStream(Closing, Iterator[str]):
    """A log that tells whether it was closed."""

    def __init__(self, stream: Stream[str]) -> None:
        self._stream = stream
        self.closed = threading.Event()

    def __next__(self) -> str:
        return next(self._stream)

    def close(self) -> None:
        self.closed.set()
        self._stream.close()


class RecordingManager(InMemoryManager):
    """Runs these workloads from the beginning.

    ``asked`` has verb, names and options of each call that changes something or opens a log, ``streams`` those logs.
    """

    def __init__(self, *configs: RunConfig, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
        self.streams: list[RecordedStream] = []
        self.closed = False
        for config in configs:
            if not self.groups.exists(config.effective_group):
                self.groups.create(config.effective_group)
            super().run_workload_detached(config)

    @property
    def workloads(self) -> dict[str, Workload]:
        """All its workloads, by name."""
        return {workload.name: workload for workload in InMemoryManager.list_workloads(self, all=True)}

    def close(self) -> None:
        self.closed = True

    def run_workload(self, config: RunConfig) -> None:
        self._asked("run_workload", config.name)
        super().run_workload(config)

    def run_workload_detached(self, config: RunConfig, *, wait: float | None = None) -> Workload:
        self._asked("run_workload_detached", config.name, wait=wait)
        return super().run_workload_detached(config, wait=wait)

    def start_workloads(self, names: Sequence[str]) -> Completion:
        self._asked("start_workloads", *names)
        return super().start_workloads(names)

    def stop_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        self._asked("stop_workloads", *names, grace=grace)
        return super().stop_workloads(names, grace=grace)

    def restart_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        self._asked("restart_workloads", *names, grace=grace)
        return super().restart_workloads(names, grace=grace)

    def delete_workloads(self, names: Sequence[str], *, grace: float = 30.0) -> Completion:
        self._asked("delete_workloads", *names, grace=grace)
        return super().delete_workloads(names, grace=grace)

    def update_workload(self, name: str, config: RunConfig, *, grace: float = 30.0) -> Completion:
        self._asked("update_workload", name, grace=grace)
        return super().update_workload(name, config, grace=grace)

    def move_to_group(self, names: Sequence[str], source: str, target: str) -> None:
        self._asked("move_to_group", *names, source=source, target=target)
        super().move_to_group(names, source, target)

    def get_logs(
        self, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
    ) -> RecordedStream:
        self._asked("get_logs", name, follow=follow, lines=lines, replica=replica)
        return self._opened(super().get_logs(name, follow=follow, lines=lines, replica=replica))

    def get_proxy_logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> RecordedStream:
        self._asked("get_proxy_logs", name, follow=follow, lines=lines)
        return self._opened(super().get_proxy_logs(name, follow=follow, lines=lines))

    def _asked(self, verb: str, *names: str, **options: Any) -> None:
        self.asked.append((verb, names, options))

    def _opened(self, stream: Stream[str]) -> RecordedStream:
        recorded = RecordedStream(stream)
        self.streams.append(recorded)
        return recorded
