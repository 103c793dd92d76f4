"""What a server gets of its surroundings, and what not."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest
from tests.support.processes import SLEEPS, shim_of, words

from workloads.runtimes.protocol import Exit

TELL = """
import json, os, signal, sys
print(json.dumps({
    "environ": dict(os.environ),
    "cwd": os.getcwd(),
    "umask": os.umask(0),
    "argv": sys.argv[1:],
    "session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "ignored": next(line for line in open("/proc/self/status") if line.startswith("SigIgn")).split()[1],
    "files": {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
              if os.path.exists(f"/proc/self/fd/{name}")},
}))
"""


@pytest.fixture
def told(start, log):
    """What a server says of itself."""

    def told(*arguments, **fields):
        # Without -I an interpreter would set variables that it was not given; -S starts faster.
        replica = start(sys.executable, "-I", "-S", "-c", TELL, *arguments, **fields)
        assert replica.wait(30) == Exit(code=0, signal=None), log.read_text()
        return json.loads(log.read_text()), replica

    return told


@pytest.mark.needs("linux")
def test_the_environment_is_what_the_run_config_says_and_nothing_else(told, monkeypatch):
    monkeypatch.setenv("CANARY", "of the caller")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found, replica = told(env_vars={"PLAIN": "p", "BOTH": "plain"}, secrets={"TOKEN": "t", "BOTH": "secret"})
    host, port = replica.address
    environ = {name: value for name, value in found["environ"].items() if name != "LC_CTYPE"}
    inherited = ("HOME", "USER", "LANG", "TZ", "TMPDIR")
    prefixes = ("LC_", "XDG_", "SSL_CERT_")
    assert environ == {
        **{name: value for name, value in os.environ.items() if name in inherited or name.startswith(prefixes)},
        **{name: value for name, value in os.environ.items() if name.upper().endswith("_PROXY")},
        "PATH": "/usr/bin:/bin",
        "MCP_TRANSPORT": "streamable-http",
        "MCP_HOST": host,
        "MCP_PORT": str(port),
        "FASTMCP_PORT": str(port),
        "PLAIN": "p",
        "TOKEN": "t",
        "BOTH": "secret",
    }


def test_the_callers_default_timeout_of_sockets_is_of_no_account(start):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.001)
    try:
        replica = start(*SLEEPS)
    finally:
        socket.setdefaulttimeout(before)
    assert replica.wait(0.1) is None
    assert replica.stop(5) == Exit(code=None, signal=signal.SIGTERM)


@pytest.mark.needs("linux")
def test_folder_umask_session_signals_and_descriptors_are_a_servers_own(told, tmp_path):
    held = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    for number in held:
        os.set_inheritable(number, True)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN), signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    umask = os.umask(0)
    result = []

    def start_with_blocked_signals():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD])
        result.append(told("an argument", "with \n and ünicode", ""))

    try:
        thread = threading.Thread(target=start_with_blocked_signals)
        thread.start()
        thread.join(20)
    finally:
        os.umask(umask)
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGCHLD, before[1])
        for number in held:
            os.close(number)
    found = result[0][0]
    folder = tmp_path / "servers" / "0"
    assert found["cwd"] == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert found["umask"] == 0o077
    assert found["argv"] == ["an argument", "with \n and ünicode", ""]
    assert found["session"]
    assert found["blocked"] == []
    # Python itself ignores SIGPIPE and SIGXFSZ.
    ignored = {number for number in range(1, 65) if int(found["ignored"], 16) >> (number - 1) & 1}
    assert ignored <= {signal.SIGPIPE, signal.SIGXFSZ}
    assert sorted(found["files"]) == ["0", "1", "2"]
    assert found["files"]["0"] == "/dev/null"


@pytest.mark.needs("linux")
def test_signals_that_python_ignores_are_at_their_default(start, log):
    assert start("/bin/grep", "SigIgn", "/proc/self/status").wait(30) == Exit(code=0, signal=None)
    assert int(words(log, 2)[1], 16) == 0


@pytest.mark.needs("linux")
def test_no_secret_is_in_the_arguments_or_the_environment_of_any_other_process(start):
    canary = "canary-9b1d"
    replica = start(*SLEEPS, secrets={"TOKEN": canary})
    server, shim = replica.identity.pid, shim_of(replica)
    for pid in (shim, os.getpid()):
        for part in ("cmdline", "environ"):
            assert canary.encode() not in Path(f"/proc/{pid}/{part}").read_bytes()
    assert canary.encode() not in Path(f"/proc/{server}/cmdline").read_bytes()
    assert b"TOKEN=" + canary.encode() in Path(f"/proc/{server}/environ").read_bytes()
    assert canary not in repr(replica)


def test_a_large_environment_arrives(start, log):
    replica = start("/bin/sh", "-c", 'echo "${#V0}" "${#V9}"', secrets={f"V{n}": "x" * 100_000 for n in range(10)})
    assert replica.wait(30) == Exit(code=0, signal=None)
    assert words(log, 2) == ["100000", "100000"]


def test_a_server_finds_its_program_on_its_own_path(start, log, tmp_path):
    program = tmp_path / "bin" / "my-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho it runs\n")
    program.chmod(0o755)
    start("my-server", env_vars={"PATH": f"{program.parent}:/bin"}).wait(30)
    assert log.read_text() == "it runs\n"
