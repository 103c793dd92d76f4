"""``workloads get``."""

from __future__ import annotations

import json

from tests.support.recording_manager import RecordingManager, a_config

from workloads.cli import render
from workloads.config import RunConfig
from workloads.model import ReplicaStats


def test_it_shows_what_is_known(command):
    command.manager = RecordingManager(a_config(container_labels={"team": "search"}))
    outcome = command("get", "time")
    assert outcome.code == 0
    shown = dict(line.split(":", 1) for line in outcome.out.splitlines())
    assert shown["Name"].strip() == "time"
    assert shown["URL"].strip() == "http://127.0.0.1:41001/mcp"
    assert shown["Labels"].strip() == "team=search"


def test_json_is_the_object_that_list_shows(command):
    command.manager = RecordingManager(a_config())
    shown = render.workload_view(command.manager.get_workload("time"))
    assert json.loads(command("get", "time", "--json").out) == shown


def test_config_is_the_run_config_as_it_is_stored(command):
    config = a_config(port=41733)
    command.manager = RecordingManager(config)
    assert RunConfig.from_json(command("get", "time", "--config").out) == config


def test_config_and_json_exclude_each_other(command):
    assert command("get", "time", "--config", "--json").code == 2


def test_config_and_stats_exclude_each_other(command):
    assert command("get", "time", "--config", "--stats").code == 2


def test_what_a_workload_uses_is_asked_of_managers_of_this_machine_only(command):
    command.manager = RecordingManager(a_config())
    outcome = command("get", "time", "--stats")
    assert outcome.code != 0
    assert "--stats is not supported: what a workload of memory uses" in outcome.err


def test_stats_are_shown_with_the_units_they_have():
    full = ReplicaStats(index=0, memory=12_345_678, memory_limit=64_000_000, cpu_seconds=1.25, pids=3,
                        network_received=1_000_000, network_sent=0, block_read=0, block_written=2_500_000)  # fmt: skip
    bare = ReplicaStats(index=1, memory=1_000_000, cpu_seconds=0)
    first, second = render.stats_details([full, bare])
    assert first[0] == "Replica 0"
    assert first[1].split("; ") == [
        "12.3 MB of 64.0 MB of memory",
        "1.2 s of CPU",
        "3 processes and threads",
        "network 1.0 MB in, 0.0 MB out",
        "disk 0.0 MB in, 2.5 MB out",
    ]
    assert second == ("Replica 1", "1.0 MB of memory; 0.0 s of CPU")
    assert render.stats_view([bare])[0]["memory_limit"] is None
