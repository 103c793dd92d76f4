"""``workloads run``."""

from __future__ import annotations

import io
import json
import sys

import pytest
from tests.support.recording_manager import RecordingManager, a_config

from workloads.cli.overrides import overridden
from workloads.errors import WorkloadNotFoundError, WorkloadNotReadyError
from workloads.model import WorkloadStatus
from workloads.testing import ServerBehaviour


@pytest.mark.parametrize(
    ("given", "document"),
    [
        ({"name": "time", "source": "uvx://mcp-server-time"}, {"name": "time", "image": "uvx://mcp-server-time"}),
        ({"source": "uvx://a", "rest": ("--x", "1")}, {"image": "uvx://a", "cmd_args": ["--x", "1"]}),
        ({"rest": ("python", "server.py")}, {"command": ["python", "server.py"]}),
        ({"source": "https://a.example"}, {"remote_url": "https://a.example", "transport": "streamable-http"}),
        ({"source": "https://a.example", "transport": "sse"}, {"remote_url": "https://a.example", "transport": "sse"}),
        ({"port": 8000, "target_port": None, "replicas": 0}, {"port": 8000, "backend_replicas": 0}),
        ({"env": {"A": "1"}, "labels": {"t": "s"}}, {"env_vars": {"A": "1"}, "container_labels": {"t": "s"}}),
        ({"secrets": ("key,target=KEY",)}, {"secrets": ["key,target=KEY"]}),
    ],
)
def test_options_become_keys_of_the_run_config(given, document):
    assert overridden({}, **given) == document


def test_options_win_over_a_file_and_add_to_its_collections():
    file = {"name": "a", "image": "uvx://a", "port": 1, "env_vars": {"X": "1", "Y": "1"}, "secrets": ["s,target=S"]}
    assert overridden(file, name="b", rest=("--fast",), port=2, env={"Y": "2"}, secrets=("t,target=T",)) == {
        "name": "b",
        "image": "uvx://a",
        "port": 2,
        "env_vars": {"X": "1", "Y": "2"},
        "secrets": ["s,target=S", "t,target=T"],
        "cmd_args": ["--fast"],
    }
    assert file["env_vars"] == {"X": "1", "Y": "1"}


def test_it_runs_and_prints_where(command):
    outcome = command("run", "time", "uvx://mcp-server-time", "--", "--local-timezone=UTC")
    assert (outcome.code, outcome.out) == (0, "time is running at http://127.0.0.1:41001/mcp\n")
    config = command.manager.get_run_config("time")
    assert (config.image, config.cmd_args) == ("uvx://mcp-server-time", ("--local-timezone=UTC",))
    assert command.manager.asked == [("run_workload_detached", ("time",), {"wait": 60.0})]


def test_what_follows_the_dashes_is_left_alone_even_if_it_looks_like_options(command):
    command(
        "run", "notes", "--transport", "streamable-http", "--target-port", "8080", "--", "serve", "--help", "--", "-x"
    )
    config = command.manager.get_run_config("notes")
    assert config.command == ("serve", "--help", "--", "-x")
    assert (str(config.transport), config.target_port) == ("streamable-http", 8080)


def test_image_is_another_way_to_say_source(command):
    command("run", "time", "--image", "uvx://mcp-server-time")
    assert command.manager.get_run_config("time").image == "uvx://mcp-server-time"
    assert command("run", "x", "uvx://a", "--image", "uvx://b").code == 2


@pytest.mark.parametrize(("options", "wait"), [(["--wait", "5"], 5.0), (["--no-wait"], None), ([], 60.0)])
def test_the_wait_is_passed_on(command, options, wait):
    command("run", "time", "uvx://mcp-server-time", *options)
    assert command.manager.asked == [("run_workload_detached", ("time",), {"wait": wait})]


def test_json_prints_the_workload(command):
    outcome = command("run", "time", "uvx://mcp-server-time", "--json")
    assert json.loads(outcome.out)["url"] == "http://127.0.0.1:41001/mcp"


def test_a_variable_without_value_is_taken_from_here(command, monkeypatch):
    monkeypatch.setenv("TOKEN_FILE", "/run/token")
    command("run", "time", "uvx://t", "-e", "A=1=2", "-e", "TOKEN_FILE", "-e", "EMPTY=")
    assert command.manager.get_run_config("time").env_vars == {"A": "1=2", "TOKEN_FILE": "/run/token", "EMPTY": ""}


def test_a_variable_that_is_not_set_here_is_a_usage_error(command):
    outcome = command("run", "time", "uvx://t", "-e", "NOT_SET_ANYWHERE")
    assert outcome.code == 2
    assert "'NOT_SET_ANYWHERE' is not of the form KEY=VALUE" in outcome.err


def test_without_a_name_there_must_be_a_file(command):
    outcome = command("run")
    assert outcome.code == 2
    assert "give a NAME, or --from-config FILE" in outcome.err


FILES = {
    "notes.json": '{"name": "notes", "image": "uvx://notes", "transport": "stdio", "port": 4000}',
    "notes.yaml": "name: notes\nimage: uvx://notes\ntransport: stdio\nport: 4000\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_and_options_win(command, tmp_path, name):
    file = tmp_path / name
    file.write_text(FILES[name])
    assert command("run", "--from-config", str(file), "--port", "5000").code == 0
    assert command("run", "other", "--from-config", str(file)).code == 0
    configs = [command.manager.get_run_config(each) for each in ("notes", "other")]
    assert [(each.name, each.image, each.port) for each in configs] == [
        ("notes", "uvx://notes", 5000),
        ("other", "uvx://notes", 4000),
    ]


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_dash_reads_standard_input(command, monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert command("run", "--from-config", "-").code == 0
    assert command.manager.get_run_config("notes").port == 4000


def test_a_bad_file_is_exit_code_2_with_every_problem_and_the_files_name(command, tmp_path):
    file = tmp_path / "bad.json"
    file.write_text('{"name": "notes", "transport": "pigeon", "port": "4000"}')
    outcome = command("run", "--from-config", str(file))
    assert outcome.code == 2
    assert [word for word in ("bad.json", "transport", "port") if word not in outcome.err] == []


def test_an_absent_file_is_a_usage_error(command, tmp_path):
    assert command("run", "--from-config", str(tmp_path / "none.json")).code == 2


def test_an_existing_name_fails(command):
    command.manager = RecordingManager(a_config("time"))
    outcome = command("run", "time", "uvx://t")
    assert outcome.code == 1
    assert "workload 'time' already exists (running)" in outcome.err


def test_one_that_is_not_ready_in_time_shows_its_last_lines(command):
    command.manager.fail_next(
        "run_workload_detached",
        WorkloadNotReadyError("time", waited=60, status="starting", logs=["fetching\x1b[1m"]),
    )
    outcome = command("run", "time", "uvx://t")
    assert outcome.code == 1
    assert "last log lines:\n  fetching\\x1b[1m\n" in outcome.err


def test_progress_is_told_on_standard_error(command):
    assert command("run", "time", "uvx://t").err.splitlines()[0] == "time: starting"


def test_in_the_foreground_it_shows_what_the_server_writes_until_it_ends(command, monkeypatch):
    open_log = command.manager.get_logs

    def live(name: str, **options):
        if command.manager.get_workload(name).status is not WorkloadStatus.RUNNING:
            raise WorkloadNotFoundError(name)  # it is looked for again
        command.manager.add_log_line(name, "hello \x1b[1m")
        stream = open_log(name, **options)
        command.manager.add_log_line(name, "bye")
        command.manager.set_status(name, WorkloadStatus.STOPPED)
        return stream

    monkeypatch.setattr(command.manager, "get_logs", live)
    outcome = command("run", "time", "uvx://t", "--foreground")
    assert outcome.code == 0
    assert outcome.out == "hello \\x1b[1m\nbye\n"
    assert command.manager.asked[0] == ("run_workload", ("time",), {})


def test_in_the_foreground_a_failure_is_one(command):
    command.manager = RecordingManager(behaviour=lambda _: ServerBehaviour.DIES)
    outcome = command("run", "time", "uvx://t", "--foreground")
    assert outcome.code == 1
    assert "workload 'time' failed: exited with code 1" in outcome.err
