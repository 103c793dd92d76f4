"""Where log records go and how they read."""

from __future__ import annotations

import io
import json
import logging

import pytest

from workloads.cli import logs_setup
from workloads.cli.logs_setup import HumanFormatter, JsonFormatter, wants_debug


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored(command):
    """The fixture puts the logging of this process back as it was."""


def a_record(message: str = "started", **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("workloads.managers", logging.INFO, __file__, 1, message, (), None)
    record.created = 1767604364.5
    vars(record).update(extra)
    return record


@pytest.mark.parametrize(
    ("environ", "debug"),
    [
        ({}, False),
        ({"WORKLOADS_DEBUG": "1"}, True),
        ({"TOOLHIVE_DEBUG": "true"}, True),
        ({"WORKLOADS_DEBUG": "0", "TOOLHIVE_DEBUG": "1"}, False),
        ({"WORKLOADS_DEBUG": "", "TOOLHIVE_DEBUG": "1"}, True),
        ({"WORKLOADS_DEBUG": "Off"}, False),
    ],
)
def test_the_own_variable_wins_over_that_of_toolhive(environ, debug):
    assert wants_debug(environ) is debug


def test_off_a_terminal_a_record_is_one_line_of_json_with_its_fields():
    line = JsonFormatter().format(a_record("two\nlines", workload="time", port=8080))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-01-05T09:12:44.500+00:00",
        "level": "info",
        "logger": "workloads.managers",
        "message": "two\nlines",
        "workload": "time",
        "port": 8080,
    }


def test_a_field_cannot_replace_what_every_record_has():
    assert json.loads(JsonFormatter().format(a_record(level="forged", time=0)))["level"] == "info"


def test_on_a_terminal_a_record_is_text_with_control_characters_spelled_out():
    line = HumanFormatter().format(a_record("gone \x1b[2J", workload="time"))
    assert line.endswith(r"info    gone \x1b[2J workload=time")


@pytest.mark.parametrize("formatter", [HumanFormatter(), JsonFormatter()])
def test_a_traceback_is_kept(formatter):
    record = a_record()
    try:
        raise ValueError("what went wrong")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    assert "what went wrong" in formatter.format(record)


def test_the_stream_decides_the_form():
    plain, terminal = io.StringIO(), Terminal()
    logs_setup.configure(stream=plain)
    logging.getLogger("workloads.x").warning("first")
    logs_setup.configure(stream=terminal)
    logging.getLogger("workloads.x").warning("second")
    assert json.loads(plain.getvalue())["message"] == "first"
    assert terminal.getvalue().endswith("warning second\n")


def test_debug_shows_this_library_alone():
    stream = io.StringIO()
    logs_setup.configure(debug=True, stream=stream)
    logging.getLogger("workloads.x").debug("ours")
    logging.getLogger("asyncio").debug("theirs")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["ours"]


def test_without_debug_only_warnings_are_shown():
    stream = io.StringIO()
    logs_setup.configure(stream=stream)
    logging.getLogger("workloads.x").info("hidden")
    assert stream.getvalue() == ""
