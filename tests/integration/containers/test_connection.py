"""Where engines are found, and what is told of those that cannot be used."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest
from tests.support import fake_engine
from tests.support.forwarder import forwarding

from workloads import RuntimeUnavailableError, detect_runtime
from workloads.runtimes.container.engine import Engine

# It looks twice: once as root, so that all it imports is loaded, for the user may not be allowed to read that.
_LOOK = """
import contextlib, os, sys
from workloads import WorkloadsError, detect_runtime
from workloads.runtimes.container.engine import Engine

def look():
    with contextlib.closing(Engine("docker", os.environ["DOCKER_HOST"])) as engine:
        for ask in (lambda: detect_runtime("docker"), lambda: engine.client("cannot list containers").__enter__()):
            try:
                ask()
                yield "fine"
            except WorkloadsError as error:
                yield str(error)

list(look())
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print("\\n".join(look()))
"""


@pytest.fixture
def docker(docker_engine, monkeypatch, tmp_path):
    """The command of Docker, with a configuration of the test's own."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return lambda *words: subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def asked(name="docker"):
    """The id of the engine that is found."""
    with contextlib.closing(Engine(name)) as engine, engine.client("cannot ask it") as client:
        return client.info()["ID"]


@pytest.mark.needs("docker", "docker-cli")
@pytest.mark.parametrize("scheme", ["unix", "tcp"])
def test_the_engine_of_a_docker_context_is_used(docker_engine, docker, monkeypatch, scheme):
    """TH-13.34: socket search: no rootless Docker, `DOCKER_HOST` ignored, relative Colima path."""
    with forwarding(docker_engine.socket) as address, contextlib.closing(docker_engine.client()) as client:
        url = docker_engine.url if scheme == "unix" else f"tcp://{address}"
        docker("context", "create", "mine", "--docker", f"host={url}")
        monkeypatch.setenv("DOCKER_CONTEXT", "mine")
        assert detect_runtime("docker").chosen.endpoint == url
        assert asked() == client.info()["ID"]
        monkeypatch.delenv("DOCKER_CONTEXT")
        docker("context", "use", "mine")
        assert detect_runtime("docker").chosen.endpoint == url
        assert asked() == docker("info", "--format", "{{.ID}}").strip()
        monkeypatch.setenv("DOCKER_CONTEXT", "none-such")
        monkeypatch.setenv("DOCKER_HOST", docker_engine.url)  # goes before any context, as it does with that command
        assert detect_runtime("docker").chosen.endpoint == docker_engine.url
        assert docker("info", "--format", "{{.ID}}").strip() == client.info()["ID"]


@pytest.mark.needs("docker", "docker-cli")
def test_a_docker_context_that_is_no_more_is_an_error_and_not_another_engine(docker_engine, docker, monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(RuntimeUnavailableError, match="the Docker context 'gone': there is no such context"):
        detect_runtime("docker")
    with pytest.raises(RuntimeUnavailableError, match="docker context ls"):
        asked()


_PLACES = {
    "docker": (
        "var/run/docker.sock",
        "run/user/docker.sock",
        "home/.docker/run/docker.sock",
        "home/.docker/desktop/docker.sock",
        "home/.rd/docker.sock",
        "home/.orbstack/run/docker.sock",
        "home/.colima/default/docker.sock",
    ),
    "podman": (
        "var/run/podman/podman.sock",
        "run/user/podman/podman.sock",
        "home/.local/share/containers/podman/machine/podman.sock",
        "tmp/podman/podman-machine-default-api.sock",
    ),
}


def test_an_engine_is_found_in_each_well_known_place(each_engine):
    """Of root, without root, in virtual machines, and of Docker Desktop, Rancher Desktop, OrbStack and Colima."""
    for place in _PLACES[each_engine.name]:
        with fake_engine.short_folder() as root:
            (root / place).parent.mkdir(parents=True)
            (root / place).symlink_to(each_engine.socket)
            environ = {"HOME": f"{root}/home", "XDG_RUNTIME_DIR": f"{root}/run/user", "TMPDIR": f"{root}/tmp"}
            found = detect_runtime(environ=environ, root=root)
            assert (found.runtime, found.chosen.endpoint) == (each_engine.name, f"unix://{root / place}")


@pytest.mark.needs("docker")
def test_a_socket_that_is_not_for_this_user_is_named_with_cause_and_remedy(docker_engine):
    mode = docker_engine.place.folder.stat().st_mode
    docker_engine.place.folder.chmod(0o711)  # the folder may be entered, so that the socket itself forbids it
    try:
        environment = {**os.environ, "DOCKER_HOST": docker_engine.url}
        argv = [sys.executable, "-c", _LOOK]
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    finally:
        docker_engine.place.folder.chmod(mode)
    detected, verb = done.stdout.splitlines()
    for told in (detected, verb):
        assert docker_engine.url in told
        assert "permission denied; join the group that owns the socket" in told
    assert "(DOCKER_HOST)" in detected
    assert "cannot list containers" in verb


@pytest.mark.parametrize(
    ("name", "answer", "variable"),
    [("docker", fake_engine.DOCKER, "DOCKER_HOST"), ("podman", fake_engine.PODMAN, "CONTAINER_HOST")],
)
def test_an_engine_that_is_too_old_is_told_before_anything_is_asked_of_it(monkeypatch, name, answer, variable):
    """No such engine can be had any more; this one answers as they did."""
    old = answer.replace(b"1.45", b"1.24").replace(b"1.41", b"1.24")
    with fake_engine.serving(old) as served:
        monkeypatch.setenv(variable, served.url)
        for ask in (lambda: detect_runtime(name), lambda: asked(name)):
            with pytest.raises(RuntimeUnavailableError) as caught:
                ask()
            assert f"{served.url} ({variable}): too old: it speaks version 1.24 of its API" in caught.value.reason
            assert "update the engine" in caught.value.reason
        assert {request.split()[1] for request in served.requests} == {"/_ping"}


def test_an_engine_that_is_much_newer_is_asked_in_a_version_that_is_known(monkeypatch):
    """No such engine can be had yet; this one answers as they will."""

    def answer(request: str) -> bytes:
        if request.split()[1] == "/_ping":
            return fake_engine.DOCKER.replace(b"1.45", b"1.99")
        body = json.dumps({"ApiVersion": "1.99", "MinAPIVersion": "1.44", "ID": "new"}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    with fake_engine.serving(answer) as served:
        monkeypatch.setenv("DOCKER_HOST", served.url)
        assert asked() == "new"
        assert served.requests[-1] == "GET /v1.44/info HTTP/1.1"
