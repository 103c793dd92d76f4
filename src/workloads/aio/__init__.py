"""Managers for asyncio: the same verbs with the same parameters, and an event loop that never waits.

Example:
    >>> import asyncio, pathlib, tempfile
    >>> from workloads import Settings
    >>> from workloads.aio import new_manager
    >>> async def main() -> bool:
    ...     settings = Settings(state_dir=pathlib.Path(tempfile.mkdtemp()))
    ...     async with await new_manager("process", settings=settings) as manager:
    ...         return await manager.does_workload_exist("time")
    >>> asyncio.run(main())
    False
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.aio._adapter import Adapter
from workloads.aio._offload import carry_out, in_thread
from workloads.aio.protocols import (
    AsyncManager,
    AsyncStream,
    AsyncWorkloadGrouping,
    AsyncWorkloadLifecycle,
    AsyncWorkloadLogs,
    AsyncWorkloadReader,
    AsyncWorkloadWatcher,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from workloads.factory import Settings
    from workloads.manager import Manager

__all__ = (
    "AsyncManager",
    "AsyncStream",
    "AsyncWorkloadGrouping",
    "AsyncWorkloadLifecycle",
    "AsyncWorkloadLogs",
    "AsyncWorkloadReader",
    "AsyncWorkloadWatcher",
    "new_manager",
    "to_async",
)


async def new_manager(runtime: str | None = None, *, settings: Settings | None = None) -> AsyncManager:
    """A manager for this machine, as :func:`workloads.new_manager` makes it, for asyncio.

    Detection runs in a thread. Cancelling waits for it to end, and leaves no manager open.

    Args:
        runtime: The runtime to use, such as ``process``; None chooses, as :func:`workloads.detect_runtime` explains.
        settings: Where the state is, and more; None takes the defaults.

    Raises:
        RuntimeNotFoundError: The runtime asked for does not exist; lists the usable ones.
        RuntimeUnavailableError: It cannot be used here; says why, and lists the usable ones.
        MissingDependencyError: This is a pod, and the extra ``kubernetes`` is not installed.
    """

    def make() -> Manager:
        from workloads import factory

        return factory.new_manager(runtime, settings=settings)

    return to_async(await carry_out(in_thread("workloads-aio-detect", make), settle=_close_made))


def to_async(manager: Manager, *, workers: int = 8) -> AsyncManager:
    """Any manager, for asyncio: its verbs run in threads of its own, never in those of the event loop.

    Args:
        manager: The manager. Its methods are called from several threads at once. It is closed by ``aclose``.
        workers: How many calls run at once (default 8); more wait for their turn. ``run_workload`` and streams take a
            thread of their own each and do not count.

    Returns:
        The manager for asyncio; close it with ``aclose`` or ``async with``.

    Raises:
        ValueError: ``workers`` is less than 1.

    Example:
        >>> import asyncio, pathlib, tempfile
        >>> import workloads
        >>> async def names(settings: workloads.Settings) -> list[str]:
        ...     async with to_async(workloads.LocalManager(settings=settings)) as manager:
        ...         return [workload.name for workload in await manager.list_workloads(all=True)]
        >>> asyncio.run(names(workloads.Settings(state_dir=pathlib.Path(tempfile.mkdtemp()))))
        []
    """
    return Adapter(manager, workers=workers)


def _close_made(made: Future[Manager]) -> None:
    if made.exception() is None:
        made.result().close()
