"""``workloads stop``, ``start``, ``restart`` and ``rm``."""

from __future__ import annotations

import sys
import threading

import pytest
from tests.support.recording_manager import RecordingManager, a_config

from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus


@pytest.fixture
def two(command):
    command.manager = RecordingManager(a_config("git", group="engineering"), a_config("time"), a_config("old"))
    command.manager.set_status("old", WorkloadStatus.STOPPED)
    return command


@pytest.mark.parametrize(
    ("verb", "call", "options", "line"),
    [
        ("stop", "stop_workloads", {"grace": 30.0}, "time: stopped"),
        ("start", "start_workloads", {}, "time: running at http://127.0.0.1:41002/mcp"),
        ("restart", "restart_workloads", {"grace": 30.0}, "time: running at http://127.0.0.1:41002/mcp"),
        ("rm", "delete_workloads", {"grace": 30.0}, "time: removed"),
    ],
)
def test_each_workload_gets_a_line_with_its_outcome(two, verb, call, options, line):
    outcome = two(verb, "time")
    assert (outcome.code, outcome.out) == (0, f"{line}\n")
    assert two.manager.asked == [(call, ("time",), options)]


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("stop", "stop_workloads"),
        ("start", "start_workloads"),
        ("restart", "restart_workloads"),
        ("rm", "delete_workloads"),
    ],
)
def test_all_are_attempted_and_one_failure_is_exit_code_1(two, verb, call):
    two.manager.fail_next(call, WorkloadFailedError("git", "no luck"), name="git")
    outcome = two(verb, "git", "time")
    assert outcome.code == 1
    assert outcome.out.startswith("time: ")
    assert "error: git: workload 'git' failed: no luck\n" in outcome.err


def test_a_name_that_does_not_exist_fails_alone(two):
    outcome = two("stop", "ghost", "time")
    assert (outcome.code, outcome.out) == (1, "time: stopped\n")
    assert "error: ghost: workload 'ghost' not found" in outcome.err


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("stop", ("git", "time")),
        ("restart", ("git", "time")),
        ("start", ("git", "old", "time")),
        ("rm", ("git", "old", "time")),
    ],
)
def test_all_chooses_what_the_verb_has_something_to_do_for(two, verb, names):
    assert two(verb, "--all").code == 0
    assert two.manager.asked[0][1] == names


def test_a_group_chooses_its_members(two):
    two("stop", "--group", "engineering")
    assert two.manager.asked[0][1] == ("git",)


@pytest.mark.parametrize("arguments", [[], ["time", "--all"], ["--all", "--group", "engineering"], ["x", "-g", "y"]])
def test_names_all_and_group_exclude_each_other_and_one_is_needed(two, arguments):
    outcome = two("stop", *arguments)
    assert outcome.code == 2
    assert "give names, --all or --group GROUP" in outcome.err
    assert two.manager.asked == []


def test_an_unknown_group_is_not_found(two):
    assert two("stop", "--group", "nobody").code == 3


def test_nothing_to_do_is_no_failure(command):
    outcome = command("stop", "--all")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "stopping: nothing to do\n")


def test_the_grace_is_passed_on(two):
    two("rm", "time", "--grace", "2.5")
    assert two.manager.asked == [("delete_workloads", ("time",), {"grace": 2.5})]


def test_a_stop_that_was_cut_says_so(two):
    reason = "killed: it had not drained after 1 s"
    two.manager.intercept("get_workload", lambda name: two.manager.set_status(name, WorkloadStatus.STOPPED, reason))
    assert two("stop", "time").out == "time: stopped (killed: it had not drained after 1 s)\n"


def test_removing_what_is_not_there_succeeds_and_says_so(two):
    outcome = two("rm", "ghost")
    assert (outcome.code, outcome.out) == (0, "ghost: was not there\n")


def test_delete_is_another_word_for_rm(two):
    assert two("delete", "time").out == "time: removed\n"


class Answer:
    """A person at a keyboard."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        return self._answer


def test_on_a_terminal_removing_all_asks_first_and_no_removes_nothing(two, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Answer("n\n"))
    outcome = two("rm", "--all")
    assert outcome.code == 130
    assert "Remove git, old, time?" in outcome.err
    assert two.manager.asked == []


@pytest.mark.parametrize(("arguments", "answer"), [(["--all"], "y\n"), (["--all", "--yes"], "n\n"), (["time"], "n\n")])
def test_a_yes_in_either_way_or_names_remove(two, monkeypatch, arguments, answer):
    monkeypatch.setattr(sys, "stdin", Answer(answer))
    assert two("rm", *arguments).code == 0
    assert two.manager.asked != []


def test_ctrl_c_says_that_what_was_begun_is_finished(two, monkeypatch):
    go_on = threading.Event()
    two.manager.intercept("stop_workloads", lambda _: go_on.wait(30))
    stop = two.manager.stop_workloads

    class Interrupted:
        """A batch whose wait is interrupted while it is under way."""

        def __init__(self, names, **options) -> None:
            self._batch = stop(names, **options)
            self.names, self.done, self.results = self._batch.names, self._batch.done, self._batch.results

        def wait(self, timeout=None):
            raise KeyboardInterrupt

    monkeypatch.setattr(two.manager, "stop_workloads", Interrupted)
    outcome = two("stop", "time")
    go_on.set()
    assert outcome.code == 130
    assert "what was begun is finished first (stopping); Ctrl-C again leaves at once\n" in outcome.err


def test_on_a_terminal_the_moving_line_leaves_the_outcomes_alone(two):
    outcome = two.on_terminal("stop", "time", "git")
    assert sorted(outcome.out.splitlines()) == ["git: stopped", "time: stopped"]
    assert "stopping time, git" in outcome.err
