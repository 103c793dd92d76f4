"""Asking a socket whether an engine answers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from tests.support.fake_engine import DOCKER, PODMAN, serving, short_folder

from workloads.runtimes.ping import Pong, ping


@pytest.fixture
def folder():
    with short_folder() as folder:
        yield folder


@pytest.mark.parametrize(("answer", "engine"), [(DOCKER, "docker"), (PODMAN, "podman")], ids=["docker", "podman"])
def test_an_engine_is_told_by_its_headers(folder, answer, engine):
    with serving(answer, path=folder / "s") as served:
        assert ping(served.url) == Pong(engine, api="1.45" if engine == "docker" else "1.41")
    assert served.requests == ["GET /_ping HTTP/1.1"]


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_an_engine_is_asked_over_tcp(scheme):
    with serving(DOCKER) as served:
        assert ping(served.url.replace("tcp", scheme)) == Pong("docker", api="1.45")


def test_an_answer_in_pieces_is_read_to_its_end(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        script = (
            "import socket, sys, time\n"
            "s = socket.socket(fileno=int(sys.argv[1])).accept()[0]\n"
            "for byte in sys.argv[2].encode(): s.send(bytes([byte]))\n"
            "s.recv(9999)\n"
        )
        argv = [sys.executable, "-c", script, str(server.fileno()), PODMAN.decode()]
        with subprocess.Popen(argv, pass_fds=[server.fileno()]):
            assert ping(f"unix://{folder}/s", timeout=10) == Pong("podman", api="1.41")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nOK", "not a container engine: it does not tell its API version"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "not a container engine, or not healthy: it answers with status 404"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "it answers with status 400: perhaps it wants TLS"),
        (b"HTTP/1.1 500 Oops\r\nApi-Version: 1\r\n\r\n", "not a container engine, or not healthy: it answers with "),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a container engine: it does not speak HTTP"),
        (b"", "not a container engine: it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "not a container engine"),
        (None, "no answer within 0.05 s"),
    ],
    ids=["web server", "404", "TLS", "500", "ssh", "nothing", "endless", "silence"],
)
def test_what_is_no_live_engine_is_told_with_the_reason(folder, answer, reason):
    with serving(answer, path=folder / "s") as served:
        pong = ping(served.url, timeout=0.05 if answer is None else 5.0)
    assert pong.engine == ""
    assert pong.reason.startswith(reason)
    assert not pong.absent


def test_an_answer_that_trickles_is_not_waited_for_beyond_the_time(folder):
    def trickle():
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            while not done.wait(0.01):
                connection.sendall(b"H")

    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        thread = threading.Thread(target=trickle)
        thread.start()
        begun = time.monotonic()
        assert ping(f"unix://{folder}/s", timeout=0.1).reason == "no answer within 0.1 s"
        assert time.monotonic() - begun < 5
        done.set()
        thread.join()


@pytest.mark.parametrize("version", ["1.24", "1.39", "0", "x"])
@pytest.mark.parametrize(
    "answer", [DOCKER.replace(b"1.45", b"%s"), PODMAN.replace(b"1.41", b"%s")], ids=["docker", "podman"]
)
def test_an_engine_that_is_too_old_is_told_with_both_versions(folder, answer, version):
    with serving(answer % version.encode(), path=folder / "s") as served:
        pong = ping(served.url)
    assert pong.engine == ""
    assert pong.reason == f"too old: it speaks version {version} of its API, 1.40 is needed; update the engine"


def test_an_engine_of_the_oldest_version_is_taken(folder):
    with serving(DOCKER.replace(b"1.45", b"1.40"), path=folder / "s") as served:
        assert ping(served.url) == Pong("docker", api="1.40")


def test_a_socket_that_is_not_there_is_absent(folder):
    assert ping(f"unix://{folder}/s") == Pong("", "no such socket; start the engine", absent=True)


def test_a_socket_whose_engine_is_dead_is_refused(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
    pong = ping(f"unix://{folder}/s")
    assert pong.reason.startswith("connection refused")
    assert not pong.absent


def test_a_file_that_is_no_socket_is_refused(folder):
    (folder / "s").write_text("")
    assert ping(f"unix://{folder}/s").reason.startswith("connection refused")


@pytest.mark.needs("user")
def test_a_forbidden_socket_names_the_group(folder):
    with serving(DOCKER, path=folder / "s"):
        (folder / "s").chmod(0)
        reason = ping(f"unix://{folder}/s").reason
        (folder / "s").chmod(0o700)  # its server ends by a last connection
    assert "group" in reason


@pytest.mark.needs("root")
def test_a_socket_forbidden_to_an_ordinary_user_names_the_group(folder):
    folder.chmod(0o755)
    script = (
        "import os, sys; os.setuid(65534); from workloads.runtimes.ping import ping; print(ping(sys.argv[1]).reason)"
    )
    with serving(DOCKER, path=folder / "s"):
        (folder / "s").chmod(0)
        # What it imports is loaded before it becomes somebody who may not read this environment.
        script = f"import socket, workloads.runtimes.ping; {script}"
        argv = [sys.executable, "-c", script, f"unix://{folder}/s"]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.startswith("permission denied; join the group")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ssh://user@host", "addresses of kind ssh:// cannot be asked"),
        ("npipe:////./pipe/docker_engine", "addresses of kind npipe:// cannot be asked"),
        ("tcp://host:port", "not an address"),
        ("tcp://[::1", "not an address"),
        ("unix:///" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_an_address_that_cannot_be_asked_is_told(url, reason):
    assert ping(url).reason.startswith(reason)
