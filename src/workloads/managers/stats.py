"""What the replicas of a workload use, asked of whatever runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import UnsupportedOperationError, WorkloadNotFoundError

if TYPE_CHECKING:
    from workloads.managers.inventory import Inventory
    from workloads.model import ReplicaStats

__all__ = ("replica_stats",)


def replica_stats(inventory: Inventory, name: str) -> list[ReplicaStats]:
    """What each replica of a workload uses; see :meth:`workloads.LocalManager.get_stats`."""
    stored = inventory.stored(name)
    if stored is None:
        raise WorkloadNotFoundError(name)
    if inventory.shown(stored, None).remote:
        raise UnsupportedOperationError(f"telling what {name!r} uses", "its server runs elsewhere")
    if (told := inventory.container_stats(name)) is not None:
        return told
    record = stored.record
    if record is None:
        return []
    if (lasting := inventory.containers.runtime(record.runtime)) is not None:
        return lasting.stats(name)
    from workloads.runtimes.process.stats import measured

    found = [measured(leader, index) for index, leader in enumerate(record.replicas)]
    return [each for each in found if each is not None]
