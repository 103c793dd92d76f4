"""Starting a server, and what is told when it cannot be started."""

from __future__ import annotations

import contextlib
import os
import socket

import pytest
from tests.support.processes import SLEEPS
from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads._core.process import identify
from workloads.errors import (
    CommandNotFoundError,
    InsecureStateError,
    PortInUseError,
    RunConfigError,
    StateError,
    WorkloadFailedError,
)
from workloads.model import Capability, Isolation
from workloads.runtimes.process.runtime import ProcessRuntime


def test_the_identity_is_the_server_which_leads_its_group(start):
    replica = start(*SLEEPS)
    assert replica.identity == identify(replica.identity.pid)
    assert os.getpgid(replica.identity.pid) == replica.identity.pid
    assert replica.index == 0


def test_what_the_runtime_says_of_itself(runtime):
    assert runtime.name == "process"
    assert runtime.isolation is Isolation.NONE
    assert runtime.capabilities == {Capability.STDIO, Capability.SUSPEND}
    runtime.close()


def test_a_missing_program_is_found_out_before_the_start(runtime):
    runtime.preflight(RunConfig(name="a", command=("sh",)))
    with pytest.raises(CommandNotFoundError):
        runtime.preflight(RunConfig(name="a", command=("no-such-program",)))
    with pytest.raises(CommandNotFoundError):
        runtime.preflight(RunConfig(name="a", command=("sh",), env_vars={"PATH": "/no/such/folder"}))


def test_a_missing_program_is_told(start):
    with pytest.raises(CommandNotFoundError, match="no-such-program"):
        start("no-such-program")


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("#!/no/such/interpreter\n", 0o755, "the interpreter that it names is not"),
        ("no first line\n", 0o755, "a script needs a first line"),
        ("", 0o755, "a script needs a first line"),
    ],
    ids=["not executable", "interpreter missing", "no format", "empty"],
)
def test_a_program_that_cannot_be_run_is_told_with_the_reason(start, tmp_path, content, mode, reason):
    program = tmp_path / "program"
    program.write_text(content)
    program.chmod(mode)
    with pytest.raises(WorkloadFailedError, match=reason) as caught:
        start(str(program))
    assert caught.value.name == "server"


def test_too_long_an_argument_list_is_told(start):
    with pytest.raises(WorkloadFailedError, match="Argument list too long"):
        start("/bin/echo", *["x" * 100_000] * 60)


def test_a_secret_that_no_variable_can_hold_is_told_without_its_value(start):
    with pytest.raises(WorkloadFailedError, match="NUL") as caught:
        start(*SLEEPS, secrets={"TOKEN": "canary\0value"})
    assert "canary" not in str(caught.value)


def test_a_program_that_vanishes_after_it_was_found_is_told(start, monkeypatch):
    monkeypatch.setattr("workloads.runtimes.process.runtime.find_program", lambda program, path: "/no/such/program")
    with pytest.raises(CommandNotFoundError, match="/no/such/program"):
        start("program")


def test_a_refused_run_config_is_not_started_and_every_key_is_listed(start, tmp_path):
    with pytest.raises(RunConfigError) as caught:
        start(*SLEEPS, isolate_network=True, memory="1g")
    assert [problem.path for problem in caught.value.problems] == ["isolate_network", "memory"]
    assert not (tmp_path / "servers").exists()


def test_an_interpreter_that_does_not_exist_is_told(log, tmp_path):
    runtime = ProcessRuntime(python=str(tmp_path / "python"))
    with pytest.raises(WorkloadFailedError, match=r"cannot start .*python"):
        runtime.start_replica(RunConfig(name="a", command=SLEEPS), 0, secrets={}, log=log, folder=tmp_path / "0")


def test_an_interpreter_that_does_not_work_is_told_with_what_it_said(log, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho I am broken >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(WorkloadFailedError, match="I am broken") as caught:
        ProcessRuntime(python=str(broken)).start_replica(
            RunConfig(name="a", command=SLEEPS), 0, secrets={"TOKEN": "x" * 500_000}, log=log, folder=tmp_path / "0"
        )
    assert caught.value.logs == ("I am broken",)


def test_a_working_folder_that_others_can_write_is_refused(start, tmp_path):
    (tmp_path / "servers" / "0").mkdir(parents=True)
    (tmp_path / "servers" / "0").chmod(0o777)
    with pytest.raises(InsecureStateError):
        start(*SLEEPS)


def test_a_log_that_cannot_be_opened_is_told(start, log):
    log.mkdir(parents=True)
    with pytest.raises(StateError, match="cannot be opened"):
        start(*SLEEPS)


@pytest.mark.parametrize(("host", "expected"), [("", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_an_http_server_listens_where_its_replica_says(python, host, expected):
    replica = python(
        "import os, socket, time\n"
        "s = socket.create_server((os.environ['MCP_HOST'], int(os.environ['MCP_PORT'])))\n"
        "s.accept()[0].sendall(b'hello')",
        target_host=host,
    )
    assert replica.address[0] == expected

    def connected():
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(replica.address) as connection:
            return connection.recv(5) == b"hello"

    wait_until(connected)


def test_the_port_of_the_run_config_is_taken(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert start(*SLEEPS, target_port=port).address == ("127.0.0.1", port)


def test_a_port_that_somebody_else_listens_on_is_an_error(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            start(*SLEEPS, target_port=port)
    assert caught.value.port == port


@pytest.mark.parametrize("port", [0, 8123])
@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_of_this_machine_is_an_error(start, host, port):
    with pytest.raises(WorkloadFailedError, match=f"cannot listen on target_host '{host}'"):
        start(*SLEEPS, target_host=host, target_port=port)


def test_a_stdio_server_has_no_address(start):
    assert start("/bin/cat", transport="stdio").address is None
