"""What containers use, by one look at each and without waiting for a second. The reading is pure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from workloads.errors import WorkloadFailedError
from workloads.model import ReplicaStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workloads.runtimes.container.engine import Engine

__all__ = ("measured", "stats_of")

_AT_ONCE = 8
_ONE_SHOT = (1, 41)
_NANO = 10**9


def measured(engine: Engine, name: str, containers: Mapping[int, str]) -> list[ReplicaStats]:
    """What containers of a workload use now, several looked at at once. Those that do not run are left out.

    Args:
        engine: Where they are.
        name: The workload.
        containers: Their ids, by the number of the replica.

    Raises:
        WorkloadFailedError: The engine cannot tell.
        RuntimeUnavailableError: It does not answer.
    """
    if not containers:
        return []

    def asked(container: str) -> Mapping[str, Any]:
        return _asked(engine, name, container)

    with ThreadPoolExecutor(min(len(containers), _AT_ONCE), thread_name_prefix="workloads-stats") as pool:
        answers = pool.map(asked, containers.values())
        told = list(zip(containers, answers, strict=True))
    found = [stats_of(answer, index) for index, answer in told]
    # Whatever runs has processes that ran. Without root and with old cgroups, Podman tells of the whole machine.
    if any(each is not None and not each.cpu_seconds and not each.pids for each in found):
        raise WorkloadFailedError(name, "its engine runs without root and cannot tell what one container uses")
    return sorted((each for each in found if each is not None), key=lambda each: each.index)


def stats_of(document: Mapping[str, Any], index: int) -> ReplicaStats | None:
    """What an engine tells that a container uses; None when it does not run. Pure.

    Args:
        document: The engine's answer.
        index: The number of the replica.
    """
    memory: Mapping[str, Any] = document.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    networks: Mapping[str, Mapping[str, int]] | None = document.get("networks")
    blocks: Iterable[Mapping[str, Any]] = document.get("blkio_stats", {}).get("io_service_bytes_recursive") or ()
    return ReplicaStats(
        index=index,
        memory=memory["usage"] - _reclaimable(memory.get("stats") or {}),
        memory_limit=memory.get("limit") or None,
        cpu_seconds=document["cpu_stats"]["cpu_usage"]["total_usage"] / _NANO,
        pids=document.get("pids_stats", {}).get("current"),
        network_received=_total(each["rx_bytes"] for each in (networks or {}).values()),
        network_sent=_total(each["tx_bytes"] for each in (networks or {}).values()),
        block_read=_total(each["value"] for each in blocks if each["op"].lower() == "read"),
        block_written=_total(each["value"] for each in blocks if each["op"].lower() == "write"),
    )


def _reclaimable(stats: Mapping[str, int]) -> int:
    """The part of memory that is file contents not in use, of cgroups v1 or v2: ``docker stats`` leaves it out, too."""
    return stats.get("total_inactive_file", stats.get("inactive_file", 0))


def _total(numbers: Iterable[int]) -> int | None:
    """Their sum; None when there are none, since the engine tells nothing then."""
    found = list(numbers)
    return sum(found) if found else None


def _asked(engine: Engine, name: str, container: str) -> Mapping[str, Any]:
    """The answer of an engine; an empty one for a container that has ended."""
    from docker.errors import NotFound

    with engine.client("cannot tell what its container uses", name=name) as client:
        # Old ones always look twice, a second apart.
        once = {"one_shot": True} if tuple(map(int, client.api_version.split("."))) >= _ONE_SHOT else {}
        try:
            answer: dict[str, Any] = client.stats(container, stream=False, **once)
        except (NotFound, ValueError):  # Podman has no words for one that does not run
            return {}
    return answer
