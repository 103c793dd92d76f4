"""``workloads list``."""

from __future__ import annotations

import json

import pytest
from tests.support.recording_manager import RecordingManager, a_config

from workloads.model import WorkloadStatus


@pytest.fixture
def three(command):
    command.manager = RecordingManager(
        a_config("zeta", container_labels={"team": "search"}, group="engineering"),
        a_config("alpha"),
        a_config("mid", group="engineering"),
    )
    command.manager.set_status("mid", WorkloadStatus.STOPPED)
    return command


def names(outcome) -> list[str]:
    return [line.split()[0] for line in outcome.out.splitlines()[1:]]


def test_off_a_terminal_it_is_plain_columns_of_what_runs(three):
    outcome = three("list")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0].split() == ["NAME", "STATUS", "URL", "GROUP", "RUNTIME", "AGE"]
    assert names(outcome) == ["alpha", "zeta"]
    assert "\x1b" not in outcome.out
    assert "\t" not in outcome.out


def test_all_shows_the_others_too(three):
    outcome = three("list", "--all")
    assert names(outcome) == ["alpha", "mid", "zeta"]
    assert outcome.out.splitlines()[2].split()[:3] == ["mid", "stopped", "http://127.0.0.1:41003/mcp"]


def test_ls_is_the_same(three):
    assert three("ls").out == three("list").out


def test_a_group_shows_its_members(three):
    assert names(three("list", "--group", "engineering", "-a")) == ["mid", "zeta"]
    assert names(three("list", "--group", "engineering")) == ["zeta"]


def test_an_unknown_group_is_not_found(three):
    outcome = three("list", "--group", "nobody")
    assert (outcome.code, outcome.out) == (3, "")
    assert "group 'nobody' not found" in outcome.err


def test_a_label_shows_those_that_have_it(three):
    assert names(three("list", "--label", "team=search")) == ["zeta"]


@pytest.mark.parametrize("label", ["team", "=search", ""])
def test_a_label_without_key_or_value_is_a_usage_error(three, label):
    outcome = three("list", "--label", label)
    assert outcome.code == 2
    assert "is not of the form KEY=VALUE" in outcome.err


def test_json_is_an_array_of_objects_whatever_there_is(three):
    assert [each["name"] for each in json.loads(three("list", "--json", "--all").out)] == ["alpha", "mid", "zeta"]
    three.manager = RecordingManager()
    assert json.loads(three("list", "--json").out) == []


def test_none_is_told_on_standard_error(command):
    outcome = command("list")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "no workloads\n")


def test_when_none_runs_the_others_are_pointed_to(command):
    command.manager = RecordingManager(a_config())
    command.manager.set_status("time", WorkloadStatus.STOPPED)
    assert command("list").err == "no workload runs; `workloads list --all` shows the others\n"


def test_on_a_terminal_it_is_a_table_with_colour(three):
    outcome = three.on_terminal("list", "--all")
    lines = outcome.out.splitlines()
    assert "\x1b[32m" in lines[1]
    assert [text for text in ("alpha", "http://127.0.0.1:41002/mcp", "default") if text not in lines[1]] == []
    assert "\x1b[2m" in lines[2]


def test_on_a_terminal_names_are_no_markup(command):
    command.manager = RecordingManager(a_config(), runtime="[red]x[/red]")
    assert "[red]x[/red]" in command.on_terminal("list").out
