"""Streams of what servers and proxy runners of this machine wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import WorkloadNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.manager import Stream
    from workloads.managers.inventory import Inventory

__all__ = ("proxy_lines", "server_lines")


def server_lines(
    inventory: Inventory, name: str, *, follow: bool = False, lines: int | None = None, replica: int | None = None
) -> Stream[str]:
    """The lines of a workload's servers; see :meth:`workloads.WorkloadLogs.get_logs`."""
    from workloads._core.tail import LineStream

    if replica is not None and replica < 0:
        raise ValueError(f"replica must not be negative, got {replica}")
    _check(inventory, name, lines)
    if (kept := inventory.container_lines(name, follow=follow, lines=lines)) is not None:
        return kept
    # A replica that is still being started has no log yet; who follows shall see it come.
    count = max(inventory.replica_logs(name), inventory.get(name).replicas.desired)
    indexes = range(count) if replica is None else (replica,)
    logs = [inventory.paths.server_log(name, index) for index in indexes]
    return LineStream(logs, lines=lines, follow=follow, ended=_ended(inventory, name))


def proxy_lines(inventory: Inventory, name: str, *, follow: bool = False, lines: int | None = None) -> Stream[str]:
    """The lines of a workload's proxy runner; see :meth:`workloads.WorkloadLogs.get_proxy_logs`."""
    from workloads._core.tail import LineStream

    _check(inventory, name, lines)
    return LineStream([inventory.paths.proxy_log(name)], lines=lines, follow=follow, ended=_ended(inventory, name))


def _check(inventory: Inventory, name: str, lines: int | None) -> None:
    if lines is not None and lines < 0:
        raise ValueError(f"lines must not be negative, got {lines}")
    if inventory.stored(name) is None:
        raise WorkloadNotFoundError(name)


def _ended(inventory: Inventory, name: str) -> Callable[[], bool]:
    return lambda: not inventory.has_runner(name)
