"""``workloads get``."""

from __future__ import annotations

import json

from tests.support.recording_manager import RecordingManager, a_config

from workloads.cli import render
from workloads.config import RunConfig


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
