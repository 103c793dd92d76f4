"""``workloads group``."""

from __future__ import annotations

import json

import pytest
from tests.support.recording_manager import RecordingManager, a_config


@pytest.fixture
def grouped(command):
    command.manager = RecordingManager(a_config("time"), a_config("git", group="engineering"))
    return command


def test_a_group_is_created_and_listed_with_its_number_of_workloads(grouped):
    assert grouped("group", "create", "research").out == "research: created\n"
    assert grouped("group", "list").out == ("NAME         WORKLOADS\ndefault      1\nengineering  1\nresearch     0\n")


def test_json_names_the_workloads(grouped):
    assert json.loads(grouped("group", "list", "--json").out) == [
        {"name": "default", "workloads": ["time"]},
        {"name": "engineering", "workloads": ["git"]},
    ]


def test_on_a_terminal_the_list_is_a_table(grouped):
    assert "\x1b[1mNAME" in grouped.on_terminal("group", "list").out


def test_an_existing_group_fails(grouped):
    outcome = grouped("group", "create", "engineering")
    assert (outcome.code, outcome.out) == (1, "")
    assert "group 'engineering' already exists" in outcome.err


def test_a_group_with_workloads_is_kept_and_the_way_out_is_told(grouped):
    outcome = grouped("group", "rm", "engineering")
    assert outcome.code == 1
    assert outcome.err == "error: group 'engineering' has workloads: git; --move-to moves them to another group\n"


def test_its_workloads_can_be_moved(grouped):
    assert grouped("group", "rm", "engineering", "--move-to", "default").out == "engineering: removed\n"
    assert grouped.manager.workloads["git"].group == "default"


def test_an_unknown_group_is_not_found(grouped):
    outcome = grouped("group", "rm", "nobody")
    assert outcome.code == 3
    assert outcome.err == "error: group 'nobody' not found; `workloads group create` makes one\n"


@pytest.mark.parametrize("verb", ["create", "list", "rm"])
def test_every_verb_has_help_with_an_example(grouped, verb):
    assert f"workloads group {verb}" in grouped("group", verb, "--help").out.partition("Example:")[2]
