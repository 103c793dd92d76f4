"""What an engine tells that a container uses."""

from __future__ import annotations

import pytest

from workloads.model import ReplicaStats
from workloads.runtimes.container.stats import stats_of

CPU = {"cpu_usage": {"total_usage": 1_500_000_000}}


@pytest.mark.parametrize(
    "stats",
    [{"total_inactive_file": 300, "inactive_file": 1}, {"inactive_file": 300}],
    ids=["cgroups v1", "cgroups v2"],
)
def test_memory_is_without_files_that_nobody_uses(stats):
    memory = {"usage": 1000, "limit": 4000, "stats": stats}
    told = stats_of({"memory_stats": memory, "cpu_stats": CPU}, 1)
    assert told == ReplicaStats(index=1, memory=700, memory_limit=4000, cpu_seconds=1.5)


def test_networks_and_disks_are_summed():
    told = stats_of(
        {
            "memory_stats": {"usage": 1},
            "cpu_stats": CPU,
            "pids_stats": {"current": 3},
            "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 20}, "eth1": {"rx_bytes": 2, "tx_bytes": 0}},
            "blkio_stats": {
                "io_service_bytes_recursive": [
                    {"op": "Read", "value": 5},
                    {"op": "read", "value": 6},
                    {"op": "Write", "value": 0},
                    {"op": "Total", "value": 11},
                ]
            },
        },
        0,
    )
    assert told is not None
    assert (told.pids, told.network_received, told.network_sent) == (3, 3, 20)
    assert (told.block_read, told.block_written) == (11, 0)


def test_what_is_not_told_is_not_made_up():
    document = {
        "memory_stats": {"usage": 1, "limit": 0},
        "cpu_stats": CPU,
        "pids_stats": {},
        "networks": None,
        "blkio_stats": {"io_service_bytes_recursive": None},
    }
    assert stats_of(document, 0) == ReplicaStats(index=0, memory=1, cpu_seconds=1.5)


@pytest.mark.parametrize("document", [{}, {"memory_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}}])
def test_one_that_does_not_run_uses_nothing(document):
    assert stats_of(document, 0) is None
