"""``workloads proxyrunner --config FILE``: one workload from a file, and every signal in every phase."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from tests.support.quick import quick
from tests.support.waiting import wait_until

from workloads._core.paths import Paths
from workloads.runtimes.process.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


class Runner:
    """The command, left running."""

    def __init__(self, folder: Path, *arguments: str, **fields) -> None:
        self.port = free_port()
        self.file = folder / "runconfig.json"
        self.file.write_text(quick("quick", *arguments, port=self.port, **fields).to_json())
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workloads", "--runtime", "process", "proxyrunner", "--config", str(self.file)],
                stderr=errors,
            )
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def health(self) -> int:
        """The status of ``/health``; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def post(self, message: dict, session: str = "") -> tuple[str, dict]:
        """Send one message, as a client without any wish of its own would. Returns the session and the answer."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if session:
            headers["Mcp-Session-Id"] = session
        request = urllib.request.Request(self.url, json.dumps({"jsonrpc": "2.0", **message}).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers["Mcp-Session-Id"], json.loads(answer.read())

    def call(self, tool: str, **arguments) -> str:
        """Call a tool in a session of its own."""
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        session, _ = self.post({"id": 1, "method": "initialize", "params": client})
        params = {"name": tool, "arguments": arguments}
        _, answer = self.post({"id": 2, "method": "tools/call", "params": params}, session)
        return answer["result"]["content"][0]["text"]

    def wait(self) -> int:
        return self.process.wait(20)

    def lines(self) -> list[str]:
        return self.errors.read_text().splitlines()


@pytest.fixture
def start(tmp_path):
    runners: list[Runner] = []

    def call(*arguments: str, **fields) -> Runner:
        runners.append(Runner(tmp_path, *arguments, **fields))
        return runners[-1]

    yield call
    for runner in runners:
        runner.process.kill()
        runner.process.wait(5)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_drains_what_is_in_flight_and_exits_0(start, number):
    runner = start()
    wait_until(lambda: runner.health() == 200)
    answers: list[str] = []
    call = threading.Thread(target=lambda: answers.append(runner.call("slow", text="done", seconds=1)))
    call.start()
    log = Paths.locate().server_log("quick", 0)
    wait_until(lambda: "slow begins" in log.read_text())
    runner.process.send_signal(number)
    runner.process.send_signal(number)
    assert runner.wait() == 0
    call.join(10)
    assert answers == ["done"]
    assert ("Thread 0x" in runner.errors.read_text()) is (number == signal.SIGQUIT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_server_starts_ends_it_cleanly(start, number):
    runner = start("--mute")
    wait_until(lambda: runner.health() == 503)
    runner.process.send_signal(number)
    assert runner.wait() == 0


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(start, delay):
    runner = start()
    try:
        runner.process.wait(delay)
    except subprocess.TimeoutExpired:
        runner.process.send_signal(signal.SIGTERM)
    assert runner.wait() in (0, -signal.SIGTERM)  # the latter before Python has read its first line
    assert runner.health() == 0


def test_a_server_that_dies_at_once_is_one_line_of_error_and_exit_code_1(start):
    runner = start("--die", "3")
    assert runner.wait() == 1
    errors = [line for line in map(json.loads, runner.lines()) if line["level"] == "error"]
    assert len(errors) == 1
    assert "exited with code 3" in errors[0]["message"]


def test_what_cannot_run_is_told_and_nothing_is_started(start):
    runner = start(isolate_network=True, idle_timeout="5m")
    assert runner.wait() == 1
    (line,) = map(json.loads, runner.lines())
    assert "isolate_network" in line["message"]
    assert "idle_timeout" in line["message"]


def test_a_workload_has_one_owner(start, tmp_path):
    first = start()
    wait_until(lambda: first.health() == 200)
    second = start()
    assert second.wait() == 1
    assert "another proxy runner owns it" in second.errors.read_text()
    assert first.health() == 200
