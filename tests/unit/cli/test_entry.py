"""Every way in which a command can end."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.support.recording_manager import RecordingManager, a_config

from workloads.cli.exit_codes import ExitCode, of_error
from workloads.errors import (
    GroupNotFoundError,
    InvalidNameError,
    MissingDependencyError,
    Problem,
    RunConfigError,
    RuntimeNotFoundError,
    StateError,
    WorkloadExistsError,
    WorkloadNotFoundError,
)

VERBS = [
    "run", "list", "get", "logs", "stop", "start", "restart", "rm", "group", "secret", "detect", "demo", "proxyrunner",
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkloadNotFoundError("a"), 3),
        (GroupNotFoundError("a"), 3),
        (RunConfigError([Problem("name", "missing")]), 2),
        (InvalidNameError("A", "lower case"), 2),
        (RuntimeNotFoundError("x", ["process"]), 2),
        (WorkloadExistsError("a", "running"), 1),
        (MissingDependencyError("mcp", "the demo"), 1),
    ],
)
def test_the_exit_code_tells_what_kind_of_error_it_was(error, code):
    assert of_error(error) == code


def test_an_error_of_the_library_is_one_message_without_traceback(command):
    outcome = command("get", "tmie")
    assert outcome.code == ExitCode.NOT_FOUND
    assert outcome.out == ""
    assert outcome.err == "error: workload 'tmie' not found; `workloads list --all` shows those that exist\n"


def test_debug_shows_the_traceback_too(command):
    outcome = command("--debug", "get", "tmie")
    assert "Traceback (most recent call last)" in outcome.err
    assert outcome.err.endswith("shows those that exist\n")


def test_a_message_cannot_act_on_the_terminal(command):
    command.manager.fail_next("get_workload", StateError(path=Path("/x"), reason="\x1b[2J"))
    assert "\x1b" not in command("get", "time").err


def test_an_unexpected_error_is_called_a_defect_and_says_how_to_see_more(command):
    command.manager.fail_next("get_workload", ZeroDivisionError("by zero"))
    outcome = command("get", "time")
    assert outcome.code == ExitCode.FAILURE
    assert outcome.err == (
        "error: internal error: ZeroDivisionError: by zero\nthis is a defect; run it again with --debug to see where\n"
    )


def test_an_error_of_the_system_is_no_defect_of_ours(command):
    command.manager.fail_next("get_workload", PermissionError(13, "Permission denied", "/somewhere"))
    assert command("get", "time").err == "error: /somewhere: Permission denied\n"


def test_ctrl_c_says_so_and_the_next_one_ends_the_process_at_once(command):
    command.manager.fail_next("get_workload", KeyboardInterrupt())
    outcome = command("get", "time")
    assert (outcome.code, outcome.err) == (ExitCode.INTERRUPTED, "interrupted\n")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_a_closed_pipe_ends_it_without_a_word(command, monkeypatch):
    class Closed:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    command.manager = RecordingManager(a_config())
    monkeypatch.setattr(sys, "stdout", Closed())
    outcome = command("list")
    assert (outcome.code, outcome.err) == (ExitCode.OUTPUT_CLOSED, "")


def test_a_wrong_option_is_a_usage_error_on_standard_error(command):
    outcome = command("list", "--frobnicate")
    assert outcome.code == ExitCode.USAGE
    assert outcome.out == ""
    assert outcome.err == "error: No such option '--frobnicate'.\nsee `workloads list --help`\n"


def test_an_unknown_verb_is_a_usage_error(command):
    outcome = command("frobnicate")
    assert outcome.code == ExitCode.USAGE
    assert "No such command" in outcome.err


def test_the_version_is_that_of_the_distribution(command):
    outcome = command("--version")
    assert (outcome.code, outcome.out) == (0, f"workloads {version('workloads')}\n")


def test_without_a_verb_it_shows_its_help(command):
    assert command().out == command("--help").out


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_shows_every_verb_the_exit_codes_and_examples(command, option):
    outcome = command(option)
    assert outcome.code == 0
    for verb in (
        "run",
        "list",
        "get",
        "logs",
        "stop",
        "start",
        "restart",
        "rm",
        "group",
        "detect",
        "demo",
        "proxyrunner",
    ):
        assert f"\n  {verb} " in outcome.out
    assert "Exit codes:\n    0    done" in outcome.out
    assert "workloads run time uvx://mcp-server-time" in outcome.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(command, verb):
    outcome = command(verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: workloads {verb} [OPTIONS]")
    assert f"workloads {verb}" in outcome.out.partition("Example")[2]


def test_the_manager_is_closed_however_the_verb_ends(command):
    command("get", "tmie")
    assert command.manager.closed


@pytest.mark.parametrize(
    "arguments",
    [
        ["--runtime", "docker", "--state-dir", "here", "list"],
        ["list", "--runtime", "docker", "--state-dir", "here"],
        ["--runtime", "podman", "list", "--runtime", "docker", "--state-dir", "here"],
    ],
    ids=["before", "after", "the later wins"],
)
def test_the_global_options_count_before_and_after_the_verb(command, arguments):
    command(*arguments)
    assert command.invocation.runtime == "docker"
    assert str(command.invocation.state_dir) == "here"
    assert command.invocation.debug is False
