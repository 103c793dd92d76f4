"""``workloads demo``, its story, without real servers."""

from __future__ import annotations

import json
import shutil

import attrs
import pytest

from workloads.cli.demo import story
from workloads.completion import Completion
from workloads.errors import WorkloadFailedError
from workloads.model import WorkloadStatus


@pytest.fixture(autouse=True)
def called(monkeypatch):
    """The tools that were called; each answers with its own name."""
    called: list[tuple[str, str]] = []

    def call_tool(url, tool, arguments):
        called.append((url.partition("?")[2], tool))
        return f"answer of {tool}"

    monkeypatch.setattr(story, "call_tool", call_tool)
    return called


def calls(command) -> list[str]:
    return [call[0] for call in command.manager.calls]


@pytest.mark.needs("git", "mcp")
def test_it_starts_uses_and_removes_three_servers(command, called):
    command.manager.lines = ["a line \x1b[1m"]
    outcome = command("demo")
    assert outcome.code == 0
    assert sorted(called) == [("adder", "add"), ("git", "git_log"), ("time", "get_current_time")]
    assert command.manager.workloads == {}
    assert calls(command)[:3] == ["run_workload_detached"] * 3
    assert calls(command)[-2:] == ["stop 10", "delete 10"]
    for told in ("running at http://127.0.0.1:41733/mcp?time", "answer of add", "time: a line \\x1b[1m", "Done in"):
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
    command.manager.failures["time"] = WorkloadFailedError("time", "exited with code 3")
    outcome = command("demo", "--json")
    summary = json.loads(outcome.out)
    assert outcome.code == 1
    assert summary["ok"] is False
    failed = [step for step in summary["steps"] if not step["ok"]]
    assert failed[0]["error"] == "workload 'time' failed: exited with code 3"
    assert sorted(name for name, _ in called) == ["adder", "git"]


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
def test_a_server_that_ends_at_its_start_is_a_failed_step_with_its_last_words(command, monkeypatch):
    command.manager.lines = ["fetching"]
    create = command.manager._create

    def broken(config):
        workload = attrs.evolve(create(config), status=WorkloadStatus.ERROR, status_context="exited with code 2")
        command.manager.workloads[config.name] = workload
        return workload

    monkeypatch.setattr(command.manager, "_create", broken)
    outcome = command("demo")
    assert outcome.code == 1
    assert "workload 'time' failed: exited with code 2" in outcome.out
    assert "last log lines:\n  fetching" in outcome.out


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
    create = command.manager._create

    def slow(config):
        command.manager.workloads[config.name] = attrs.evolve(create(config), status=WorkloadStatus.STARTING)
        return command.manager.workloads[config.name]

    monkeypatch.setattr(command.manager, "_create", slow)
    monkeypatch.setattr(story, "_READY_TIMEOUT", 0.0)
    assert "workload 'git' was not ready after 0 s: starting" in command("demo").out
