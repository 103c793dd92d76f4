"""The handle of an asynchronous batch operation."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from workloads.errors import BatchError, WorkloadsError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Mapping

__all__ = ("MAX_WORKERS", "Completion")

MAX_WORKERS = 32
"""How many workloads of one batch are worked on at once."""


class Completion:
    """A batch that is being carried out: one outcome per name, independent of each other.

    The work began when this was created. It goes on whatever happens to who waits for it: neither a time-out nor a
    cancelled ``await`` stops it, and the interpreter waits for it at exit. Use it from any thread, or ``await`` it.

    Example:
        >>> handle = Completion({"a": lambda: None})
        >>> handle.wait(timeout=5)
        {'a': None}
    """

    def __init__(self, work: Mapping[str, Callable[[], object]], *, single: bool = False) -> None:
        """Start the work.

        Args:
            work: What to do for each name. It fails by raising; an error that is not a ``WorkloadsError`` is a defect
                and is raised as it is by ``wait``.
            single: Whether the error of the one name is raised itself, not within a ``BatchError``.
        """
        self._work = dict(work)
        self._single = single
        self._results: dict[str, WorkloadsError | None] = {}
        self._defects: list[BaseException] = []
        self._waiters: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        # One iterator shared by all workers hands out each name exactly once.
        self._queue = iter(self._work.items())
        for index in range(min(MAX_WORKERS, len(self._work))):
            # Not daemons, so that the interpreter waits for them at exit.
            threading.Thread(target=self._run, name=f"workloads-batch-{index}", daemon=False).start()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the batch, each once, in the order given."""
        return tuple(self._work)

    def done(self) -> bool:
        """Whether every name has its outcome."""
        with self._changed:
            return self._finished

    def results(self) -> dict[str, WorkloadsError | None]:
        """The outcomes so far, without waiting: None where it succeeded, else the error."""
        with self._changed:
            return {name: self._results[name] for name in self._work if name in self._results}

    def wait(self, timeout: float | None = None) -> dict[str, WorkloadsError | None]:
        """Wait until every name has its outcome.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: The time was out. The work goes on.
            BatchError: At least one name failed; it holds every outcome.
            WorkloadsError: The one name failed of an operation on one workload.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._finished, timeout):
                missing = ", ".join(name for name in self._work if name not in self._results)
                raise TimeoutError(f"not finished after {timeout:g} s: {missing}; the work goes on")
        return self._outcome()

    def __await__(self) -> Generator[asyncio.Future[None], None, dict[str, WorkloadsError | None]]:
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # a loop that has ended meanwhile has nobody waiting in it
                loop.call_soon_threadsafe(finish)

        with self._changed:
            if self._finished:
                finish()
            else:
                self._waiters.append(wake)
        try:
            yield from future
        finally:
            with self._changed:
                if wake in self._waiters:
                    self._waiters.remove(wake)
        return self._outcome()

    @property
    def _finished(self) -> bool:
        return len(self._results) + len(self._defects) >= len(self._work)

    def _outcome(self) -> dict[str, WorkloadsError | None]:
        if self._defects:
            raise self._defects[0]
        results = self.results()
        if self._single:
            for error in results.values():
                if error is not None:
                    raise error
        if any(error is not None for error in results.values()):
            raise BatchError.of(results)
        return results

    def _next(self) -> tuple[str, Callable[[], object]] | None:
        with self._changed:
            return next(self._queue, None)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            name, work = item
            error: WorkloadsError | None = None
            defect: BaseException | None = None
            try:
                work()
            except WorkloadsError as failure:
                error = failure
            except BaseException as failure:  # noqa: BLE001  # handed to who waits, never lost in a thread
                defect = failure
            with self._changed:
                if defect is None:
                    self._results[name] = error
                else:
                    self._defects.append(defect)
                waiters = list(self._waiters) if self._finished else []
                self._changed.notify_all()
            for wake in waiters:
                wake()
