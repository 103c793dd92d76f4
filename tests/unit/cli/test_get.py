"""``workloads get``."""

from __future__ import annotations

import json

from tests.support.fake_manager import FakeManager, a_workload

from workloads.cli import render
from workloads.config import RunConfig


def test_it_shows_what_is_known(command):
    command.manager = FakeManager(a_workload(labels={"team": "search"}))
    outcome = command("get", "time")
    assert outcome.code == 0
    shown = dict(line.split(":", 1) for line in outcome.out.splitlines())
    assert shown["Name"].strip() == "time"
    assert shown["URL"].strip() == "http://127.0.0.1:41733/mcp?time"
    assert shown["Labels"].strip() == "team=search"


def test_json_is_the_object_that_list_shows(command):
    command.manager = FakeManager(a_workload())
    assert json.loads(command("get", "time", "--json").out) == render.workload_view(a_workload())


def test_config_is_the_run_config_as_it_is_stored(command):
    config = RunConfig(name="time", image="uvx://mcp-server-time", transport="stdio")
    command.manager = FakeManager(a_workload())
    command.manager.configs["time"] = config
    assert RunConfig.from_json(command("get", "time", "--config").out) == config


def test_config_and_json_exclude_each_other(command):
    assert command("get", "time", "--config", "--json").code == 2
