"""``workloads proxyrunner --config FILE``: one workload from a file, and every signal in every phase."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.support.plain_client import assert_refused_kindly, call, kept_alive, refused
from tests.support.quick import QUICK, quick
from tests.support.waiting import wait_until

from workloads._core.paths import Paths
from workloads._core.unix_sockets import short_address
from workloads.runtimes.process.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND = [sys.executable, "-m", "workloads", "--runtime", "process", "proxyrunner"]
TOKEN = "token-2f6a91"
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


class Runner:
    """The command, left running."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        file: Path | None = None,
        command: Sequence[str] = (),
        **fields,
    ) -> None:
        self.port = free_port()
        self.config = quick("quick", *arguments, port=self.port, **fields)
        if command:
            self.config = self.config.evolve(command=tuple(command))
        self.file = file or folder / "runconfig.json"
        if file is None:
            self.file.write_text(self.config.to_json())
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "--config", str(self.file), *options], stderr=errors, env={**os.environ, **(environ or {})}
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

    def servers(self) -> list[psutil.Process]:
        """The processes it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def call(self, tool: str, **arguments) -> str:
        """Call a tool in a session of its own."""
        return call(self.url, tool, **arguments)

    def wait(self) -> int:
        return self.process.wait(50)

    def lines(self) -> list[str]:
        return self.errors.read_text().splitlines()


@pytest.fixture
def start(tmp_path):
    runners: list[Runner] = []

    def begin(*arguments: str, **fields) -> Runner:
        runners.append(Runner(tmp_path, *arguments, **fields))
        return runners[-1]

    yield begin
    for runner in runners:
        runner.process.kill()
        runner.process.wait(30)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_drains_what_is_in_flight_and_exits_0(start, number):
    runner = start()
    wait_until(lambda: runner.health() == 200)
    answers: list[str] = []
    calling = threading.Thread(target=lambda: answers.append(runner.call("slow", text="done", seconds=1)))
    calling.start()
    log = Paths.locate().server_log("quick", 0)
    wait_until(lambda: "slow begins" in log.read_text())
    runner.process.send_signal(number)
    runner.process.send_signal(number)
    assert runner.wait() == 0
    calling.join(30)
    assert answers == ["done"]
    assert ("Thread 0x" in runner.errors.read_text()) is (number == signal.SIGQUIT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_refuses_what_is_new_while_a_call_completes(start, number, tmp_path):
    runner, enough = start(), tmp_path / "enough"
    wait_until(lambda: runner.health() == 200)
    answers: list[str] = []
    calling = threading.Thread(target=lambda: answers.append(runner.call("slow", text="done", until=str(enough))))
    with kept_alive(runner.url) as kept:
        calling.start()
        log = Paths.locate().server_log("quick", 0)
        wait_until(lambda: "slow begins" in log.read_text())
        runner.process.send_signal(number)
        wait_until(lambda: refused(runner.url))
        # Further signals change nothing.
        for other in SIGNALS:
            runner.process.send_signal(other)
        assert_refused_kindly(kept)
    assert runner.process.poll() is None
    enough.touch()
    assert runner.wait() == 0
    calling.join(30)
    assert answers == ["done"]


def test_a_call_of_five_seconds_completes(start):
    runner = start()
    wait_until(lambda: runner.health() == 200)
    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(runner.call, "slow", text="done", seconds=5)
        log = Paths.locate().server_log("quick", 0)
        wait_until(lambda: "slow begins" in log.read_text())
        runner.process.terminate()
        assert runner.wait() == 0
        assert calling.result(30) == "done"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_anything_has_begun_starts_nothing(start, number, tmp_path):
    fifo = tmp_path / "go-on"
    os.mkfifo(fifo)
    # The run config is read once both ends are open, and ends when the writer closes it: the signal comes in between.
    runner = start(file=fifo)
    with fifo.open("w") as writer:
        runner.process.send_signal(number)
        writer.write(runner.config.to_json())
    assert runner.wait() == 0
    assert not Paths.locate().server_log("quick", 0).exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_server_wakes_ends_it_cleanly(start, number, tmp_path):
    spoilt = tmp_path / "spoilt"
    script = f'if test -e {spoilt}; then exec cat >/dev/null; else exec "$@"; fi'
    runner = start(command=("sh", "-c", script, "sh", sys.executable, "-I", "-S", QUICK), idle_timeout="50ms")
    wait_until(lambda: runner.health() == 200)
    wait_until(lambda: not runner.servers())
    spoilt.touch()
    failures: list[int] = []

    def wake() -> None:
        try:
            runner.call("echo", text="never")
        except urllib.error.HTTPError as error:
            failures.append(error.code)

    waking = threading.Thread(target=wake)
    waking.start()
    wait_until(runner.servers)
    runner.process.send_signal(number)
    assert runner.wait() == 0
    waking.join(30)
    assert failures == [503]


def test_a_delay_before_the_drain_makes_it_not_ready_while_everything_is_served(start):
    runner = start(options=("--pre-stop-delay", "2"))
    wait_until(lambda: runner.health() == 200)
    runner.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    wait_until(lambda: runner.health() == 503)
    assert runner.call("echo", text="served") == "served"
    assert runner.wait() == 0
    assert time.monotonic() - told >= 2


@pytest.mark.needs("linux")
def test_it_may_have_as_many_descriptors_as_the_system_allows(start):
    runner = start()
    wait_until(lambda: runner.health() == 200)
    limits = Path(f"/proc/{runner.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard


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
    runner = start(isolate_network=True, audit_config_path="audit.json")
    assert runner.wait() == 1
    (line,) = map(json.loads, runner.lines())
    assert "isolate_network" in line["message"]
    assert "audit_config_path" in line["message"]


def test_a_workload_has_one_owner(start, tmp_path):
    first = start()
    wait_until(lambda: first.health() == 200)
    second = start()
    assert second.wait() == 1
    assert "another proxy runner owns it" in second.errors.read_text()
    assert first.health() == 200


@pytest.mark.needs("metrics")
def test_the_operator_is_answered_on_a_socket_in_the_state_folder(start):
    runner = start()
    wait_until(lambda: runner.health() == 200)
    path = Paths.locate().control_socket("quick")
    with socket.socket(socket.AF_UNIX) as client, short_address(path) as address:
        client.connect(address)
        client.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    runner.process.send_signal(signal.SIGTERM)
    assert runner.wait() == 0
    assert not path.exists()


@pytest.mark.needs("metrics")
def test_the_operator_is_answered_at_a_port_for_a_token(start):
    port = free_port()
    runner = start(options=["--control", f"127.0.0.1:{port}"], environ={"WORKLOADS_CONTROL_TOKEN": TOKEN})
    wait_until(lambda: runner.health() == 200)
    url = f"http://127.0.0.1:{port}/metrics"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=50)
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})) as answer:
        assert b'workloads_proxy_replicas_ready{workload="quick"} 1.0' in answer.read()
    assert not Paths.locate().control_socket("quick").exists()
    # Neither the server nor anybody who looks at the processes of this machine sees the token.
    assert TOKEN not in runner.call("env")


@pytest.mark.parametrize(
    ("address", "environ", "said"),
    [
        ("127.0.0.1:9090", {}, "set WORKLOADS_CONTROL_TOKEN"),
        ("127.0.0.1:9090", {"WORKLOADS_CONTROL_TOKEN": "two words"}, "WORKLOADS_CONTROL_TOKEN: token: must be"),
        ("9090", {"WORKLOADS_CONTROL_TOKEN": TOKEN}, "must be HOST:PORT"),
        ("127.0.0.1:99999", {"WORKLOADS_CONTROL_TOKEN": TOKEN}, "must be HOST:PORT"),
    ],
)
def test_a_control_address_without_a_token_or_sense_is_refused(start, address, environ, said):
    runner = start(options=["--control", address], environ=environ)
    assert runner.wait() == 2
    assert said in runner.errors.read_text()
    assert "two words" not in runner.errors.read_text()


@pytest.mark.parametrize(
    ("options", "environ", "logged"),
    [
        (["--access-log"], {}, True),
        ([], {"WORKLOADS_ACCESS_LOG": "1"}, True),
        ([], {"WORKLOADS_ACCESS_LOG": "0"}, False),
    ],
)
def test_the_access_log_is_switched_on_by_an_option_or_the_environment(start, options, environ, logged):
    runner = start(options=options, environ=environ)
    wait_until(lambda: runner.health() == 200)
    assert runner.call("echo", text="hello") == "hello"
    runner.process.send_signal(signal.SIGTERM)
    assert runner.wait() == 0
    lines = [line for line in map(json.loads, runner.lines()) if line["logger"] == "workloads.access"]
    assert [(line["method"], line["status"], line["mcp_method"]) for line in lines] == (
        [("POST", 200, "initialize"), ("POST", 200, "tools/call")] if logged else []
    )
