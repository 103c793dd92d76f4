"""``workloads demo``, its story, without real servers."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.support.recording_manager import RecordingManager

from workloads.cli.demo import story
from workloads.completion import Completion
from workloads.errors import WorkloadFailedError
from workloads.testing import ServerBehaviour


@pytest.fixture(autouse=True)
def called(command, monkeypatch):
    """The tools that were called, of which workload and where; each answers with its own name."""
    called: list[tuple[str, str, str]] = []

    def call_tool(url, tool, arguments):
        [name] = [name for name, workload in command.manager.workloads.items() if workload.url == url]
        called.append((name, tool, url))
        return f"answer of {tool}"

    monkeypatch.setattr(story, "call_tool", call_tool)
    return called


def calls(command) -> list[str]:
    return [verb for verb, _, _ in command.manager.asked]


@pytest.mark.needs("git", "mcp")
def test_it_starts_uses_and_removes_three_servers(command, called):
    command.manager.intercept("get_logs", lambda name: command.manager.add_log_line(name, "a line \x1b[1m"))
    outcome = command("demo")
    assert outcome.code == 0
    assert sorted(call[:2] for call in called) == [("adder", "add"), ("git", "git_log"), ("time", "get_current_time")]
    assert command.manager.workloads == {}
    assert calls(command)[:3] == ["run_workload_detached"] * 3
    everyone = ("time", "adder", "git")
    assert command.manager.asked[-2:] == [
        ("stop_workloads", everyone, {"grace": 10.0}),
        ("delete_workloads", everyone, {"grace": 10.0}),
    ]
    places = [f"running at {url}\n" for _, _, url in called]
    for told in (*places, "answer of add", "time: a line \\x1b[1m", "Done in"):
        assert told in outcome.out


@pytest.mark.needs("git", "mcp")
def test_json_prints_a_summary_alone(command):
    summary = json.loads(command("demo", "--json").out)
    assert summary["ok"] is True
    assert summary["results"] == {
        "time": "answer of get_current_time", "adder": "answer of add", "git": "answer of git_log",
    }  # fmt: skip
    assert all(step["ok"] for step in summary["steps"])
    assert summary["left_out"] == []


@pytest.mark.needs("git", "mcp")
def test_it_works_on_local_processes_in_a_private_folder_that_is_gone_afterwards(command):
    command("demo")
    assert command.invocation.runtime == "process"
    assert not command.invocation.state_dir.parent.exists()


@pytest.mark.needs("git", "mcp")
def test_a_server_that_fails_is_told_the_others_are_shown_and_the_exit_code_is_1(command, called):
    command.manager.fail_next("run_workload_detached", WorkloadFailedError("time", "exited with code 3"), name="time")
    outcome = command("demo", "--json")
    summary = json.loads(outcome.out)
    assert outcome.code == 1
    assert summary["ok"] is False
    failed = [step for step in summary["steps"] if not step["ok"]]
    assert failed[0]["error"] == "workload 'time' failed: exited with code 3"
    assert sorted(name for name, _, _ in called) == ["adder", "git"]


@pytest.mark.needs("git", "mcp")
def test_a_tool_that_fails_is_a_failed_step_with_its_cause(command, monkeypatch):
    def call_tool(url, tool, arguments):
        raise ExceptionGroup("unhandled errors in a TaskGroup", [ConnectionError("refused")])

    monkeypatch.setattr(story, "call_tool", call_tool)
    outcome = command("demo")
    assert outcome.code == 1
    assert "failed: ConnectionError: refused" in outcome.out
    assert command.manager.workloads == {}


@pytest.mark.needs("git", "mcp")
def test_ctrl_c_removes_them_too(command, monkeypatch):
    def call_tool(url, tool, arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "call_tool", call_tool)
    outcome = command("demo")
    assert outcome.code == 130
    assert command.manager.workloads == {}
    assert not command.invocation.state_dir.parent.exists()


@pytest.mark.needs("mcp")
def test_without_git_its_server_is_left_out_and_that_is_said(command, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    summary = json.loads(command("demo", "--json").out)
    assert summary["ok"] is True
    assert list(summary["results"]) == ["time", "adder"]
    assert summary["left_out"] == ["git: its server needs the git program; install the package git"]


def test_without_its_extra_it_says_what_to_install(command, monkeypatch):
    monkeypatch.setattr(story, "find_spec", lambda name: None)
    outcome = command("demo")
    assert outcome.code == 1
    assert outcome.err == "error: the demo needs an optional dependency: pip install 'workloads[mcp]'\n"


@pytest.mark.needs("git", "mcp")
def test_a_server_that_ends_at_its_start_is_a_failed_step_with_its_last_words(command):
    command.manager = RecordingManager(behaviour=lambda _: ServerBehaviour.DIES)
    outcome = command("demo")
    assert outcome.code == 1
    assert "workload 'time' failed: exited with code 1" in outcome.out
    assert "last log lines:\n  exiting with code 1" in outcome.out


@pytest.mark.needs("git", "mcp")
def test_a_workload_that_is_still_there_at_the_end_is_a_failure(command, monkeypatch):
    monkeypatch.setattr(command.manager, "delete_workloads", lambda names, grace: Completion({}))
    outcome = command("demo")
    assert outcome.code == 1
    assert "it is still there after it was deleted" in outcome.out


@pytest.mark.needs("mcp")
def test_a_folder_that_cannot_be_made_ready_ends_the_story(command, monkeypatch):
    def fail(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(story, "cast", fail)
    outcome = command("demo")
    assert outcome.code == 1
    assert "No space left on device" in outcome.out
    assert calls(command) == []


@pytest.mark.needs("git", "mcp")
def test_a_server_that_never_becomes_ready_is_given_up(command, monkeypatch):
    command.manager = RecordingManager(behaviour=lambda _: ServerBehaviour.NEVER_READY)
    monkeypatch.setattr(story, "_READY_TIMEOUT", 0.0)
    assert "workload 'git' was not ready after 0 s: starting" in command("demo").out
