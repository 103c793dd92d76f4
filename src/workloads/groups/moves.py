"""Whether workloads can be moved from one group to another: all of them, or none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import BatchError, WorkloadFailedError, WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("check_moves",)


def check_moves(groups: Mapping[str, str | WorkloadsError], source: str, target: str) -> None:
    """Check that each workload is in the group it shall leave, or in the one it shall be in already.

    Args:
        groups: The group of each workload, or the error by which it is not known.
        source: The group to leave.
        target: The group to join.

    Raises:
        BatchError: Some are in neither, so that none may be moved. It tells so of those that could be, too, and that
            those which are in ``target`` already are where they shall be.
    """
    obstacles = {name: _obstacle(name, group, source, target) for name, group in groups.items()}
    if any(obstacles.values()):
        raise BatchError.of(
            {
                name: error if error is not None or groups[name] == target else _unmoved(name)
                for name, error in obstacles.items()
            }
        )


def _obstacle(name: str, group: str | WorkloadsError, source: str, target: str) -> WorkloadsError | None:
    if isinstance(group, WorkloadsError):
        return group
    return None if group in (source, target) else WorkloadFailedError(name, f"is in group {group!r}, not {source!r}")


def _unmoved(name: str) -> WorkloadsError:
    return WorkloadFailedError(name, "was not moved, because others cannot be")
