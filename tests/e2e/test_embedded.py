"""Workloads that are run from inside other programs: nothing of theirs is handed on, and nothing is left in them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.support.embedded import STAYS, end
from tests.support.mcp_client import call_tool
from tests.support.quick import quick, runner_of

import workloads

# Other people's programs take their time to start, on a machine with much else to do.
HOSTS = Path(__file__).parents[1] / "hosts"


def faults_of(report: Path, *command: str) -> list[str]:
    """What a program that embeds the library found wrong, when it has ended."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())


def assert_it_survived_and_ends_clean() -> None:
    """The workload that its starter left running serves, and can be ended from elsewhere."""
    with workloads.LocalManager() as manager:
        workload = manager.get_workload(STAYS)
    assert call_tool(workload.url, "echo", text="still here") == "still here"
    assert end() == []


@pytest.mark.needs("linux")
@pytest.mark.parametrize("way", ["in_a_thread", "odd", "without_standard_descriptors"])
def test_a_workload_outlives_a_program_and_has_nothing_of_it(way, tmp_path):
    report = tmp_path / "report"

    assert faults_of(report, sys.executable, str(HOSTS / "plain.py"), str(report), way) == []
    assert_it_survived_and_ends_clean()


@pytest.mark.needs("linux")
def test_a_relative_state_folder_means_the_same_to_a_runner(tmp_path):
    report = tmp_path / "report"

    assert faults_of(report, sys.executable, str(HOSTS / "plain.py"), str(report), "in_a_folder_named_from_here") == []


@pytest.mark.needs("linux")
def test_a_runner_that_dies_at_once_does_not_end_a_program_that_pipes_can_end(tmp_path):
    report = tmp_path / "report"

    assert faults_of(report, sys.executable, str(HOSTS / "plain.py"), str(report), "with_a_broken_interpreter") == []


@pytest.mark.needs("linux")
def test_a_test_run_in_parallel_runs_workloads(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    report = tmp_path / "report"
    (tmp_path / "test_it.py").write_text(
        f"""
import json, os, pathlib, sys
sys.path.insert(0, {str(HOSTS.parents[1])!r})
from tests.support.embedded import embed

def test_it():
    assert os.environ["PYTEST_XDIST_WORKER"]
    pathlib.Path({str(report)!r}).write_text(json.dumps(embed()))
"""
    )
    parallel = [
        "-p",
        "xdist.plugin",
        "--numprocesses=1",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        str(tmp_path),
    ]

    assert faults_of(report, sys.executable, "-m", "pytest", *parallel) == []
    assert_it_survived_and_ends_clean()


@pytest.mark.needs("linux")
def test_a_worker_of_a_web_server_runs_workloads(tmp_path):
    gunicorn = [
        sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", "--timeout=100", "--graceful-timeout=5",
        f"--chdir={HOSTS}", f"--worker-tmp-dir={tmp_path}", "wsgi:application",
    ]  # fmt: skip
    with subprocess.Popen(gunicorn, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            url = next(match[0] for line in server.stderr if (match := re.search(r"http://[0-9.:]+", line)))
            with urllib.request.urlopen(url, timeout=100) as answer:
                assert json.load(answer) == []
        finally:
            server.terminate()
            server.communicate(timeout=50)
    assert_it_survived_and_ends_clean()


@pytest.mark.needs("linux")
def test_a_notebook_runs_workloads(tmp_path):
    report = tmp_path / "report"

    assert faults_of(report, sys.executable, str(HOSTS / "notebook.py"), str(report)) == []
    assert_it_survived_and_ends_clean()


@pytest.mark.needs("linux")
def test_a_program_that_inherits_orphans_gets_no_zombies(tmp_path):
    report = tmp_path / "report"

    assert faults_of(report, sys.executable, str(HOSTS / "plain.py"), str(report), "as_subreaper") == []


@pytest.mark.needs("linux", "root")
def test_the_only_program_of_a_container_gets_no_zombies(tmp_path):
    report = tmp_path / "report"
    isolated = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

    assert faults_of(report, *isolated, sys.executable, str(HOSTS / "plain.py"), str(report), "as_init") == []


def test_a_program_that_ends_with_a_restart_waits_until_that_is_done(manager):
    manager.run_workload_detached(quick(), wait=30)
    before = runner_of("quick")
    program = "import workloads; workloads.new_manager('process').restart_workloads(['quick'])"
    subprocess.run([sys.executable, "-W", "ignore::ResourceWarning", "-c", program], check=True, timeout=110)
    assert runner_of("quick") != before
    assert call_tool(manager.get_workload("quick").url, "echo", text="again") == "again"


@pytest.mark.needs("linux")
def test_a_runner_is_no_fork_of_threads_that_interpreters_begin_at_their_start(manager, tmp_path, monkeypatch):
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workload = manager.run_workload_detached(quick(), wait=30)
    command = Path(f"/proc/{runner_of('quick')}/cmdline").read_bytes().split(b"\0")
    assert command[1:4] == [b"-P", b"-m", b"workloads"]
    assert call_tool(workload.url, "echo", text="there") == "there"


def test_no_code_runs_between_fork_and_exec():
    """``preexec_fn`` may deadlock in a program that has threads, which every program with this library may be."""
    root = Path(workloads.__file__).parent
    calls = [
        (path.relative_to(root), node.lineno)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn"
    ]

    assert calls == []
