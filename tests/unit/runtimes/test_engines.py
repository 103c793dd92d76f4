"""Where engines are looked for."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path

import pytest
from tests.support.fake_engine import DOCKER, PODMAN, serving, short_folder

from workloads.runtimes.engines import Endpoint, Engines, endpoints, prefers_podman


@pytest.fixture
def root():
    with short_folder() as folder:
        yield folder


def urls(environ, engine, root=Path("/")):
    return [endpoint.url for endpoint in endpoints(environ, root=root) if endpoint.engine == engine]


def test_s6_docker_is_looked_for_in_its_well_known_places_and_as_a_rootless_one():
    assert urls({"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/7"}, "docker") == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///home/me/.docker/run/docker.sock",
        "unix:///home/me/.docker/desktop/docker.sock",
        "unix:///home/me/.rd/docker.sock",
        "unix:///home/me/.orbstack/run/docker.sock",
        "unix:///home/me/.colima/default/docker.sock",
    ]


def test_s6_podman_is_looked_for_in_its_well_known_places(tmp_path):
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "machine-api.sock").touch()
    environ = {"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/7", "TMPDIR": str(tmp_path)}
    assert urls(environ, "podman") == [
        "unix:///var/run/podman/podman.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///home/me/.local/share/containers/podman/machine/podman.sock",
        f"unix://{tmp_path}/podman/machine-api.sock",
    ]


@pytest.mark.needs("root")
def test_a_socket_of_another_user_in_a_temporary_folder_is_passed_over(tmp_path):
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "x-api.sock").touch()
    os.chown(tmp_path / "podman" / "x-api.sock", 65534, 65534)
    assert not any("x-api" in url for url in urls({"TMPDIR": str(tmp_path)}, "podman"))


def test_no_place_depends_on_the_working_folder():
    """TH-13.34: socket search: no rootless Docker, `DOCKER_HOST` ignored, relative Colima path."""
    environ = {"HOME": "home", "XDG_RUNTIME_DIR": "run", "TMPDIR": "tmp"}
    assert all(endpoint.url.startswith("unix:///") for endpoint in endpoints(environ))
    assert f"unix:///run/user/{os.geteuid()}/docker.sock" in urls(environ, "docker")


def test_well_known_places_can_be_looked_for_below_another_root(root):
    assert urls({}, "docker", root)[0] == f"unix://{root}/var/run/docker.sock"


def test_s13_34_docker_host_stands_for_dockers_places_only():
    found = endpoints({"DOCKER_HOST": "tcp://10.0.0.1:2375", "HOME": "/home/me"})
    assert [endpoint for endpoint in found if endpoint.engine == "docker"] == [
        Endpoint("tcp://10.0.0.1:2375", "docker", "DOCKER_HOST")
    ]
    assert len([endpoint for endpoint in found if endpoint.engine == "podman"]) > 1


def test_container_host_stands_for_podmans_places_only():
    environ = {"CONTAINER_HOST": "unix:///x.sock"}
    assert urls(environ, "podman") == ["unix:///x.sock"]
    assert len(urls(environ, "docker")) > 1


@pytest.mark.parametrize(
    ("kind", "engine"), [("PODMAN", "podman"), ("DOCKER", "docker"), ("COLIMA", "docker")], ids=str.lower
)
@pytest.mark.parametrize("system", ["WORKLOADS", "TOOLHIVE"], ids=str.lower)
def test_s6_a_socket_variable_excludes_everything_else(system, kind, engine):
    name = f"{system}_{kind}_SOCKET"
    environ = {name: "/my.sock", "DOCKER_HOST": "tcp://h", "CONTAINER_HOST": "tcp://h", "HOME": "/home/me"}
    assert endpoints(environ) == [Endpoint("unix:///my.sock", engine, name)]


def test_our_variable_wins_over_the_other_of_the_same_kind():
    environ = {"TOOLHIVE_DOCKER_SOCKET": "/theirs.sock", "WORKLOADS_DOCKER_SOCKET": "/ours.sock"}
    assert [endpoint.url for endpoint in endpoints(environ)] == ["unix:///ours.sock"]


def test_s6_socket_variables_are_taken_in_the_order_podman_docker_colima():
    environ = {f"TOOLHIVE_{kind}_SOCKET": f"unix:///{kind}" for kind in ("COLIMA", "DOCKER", "PODMAN")}
    assert [endpoint.url for endpoint in endpoints(environ)] == ["unix:///PODMAN", "unix:///DOCKER", "unix:///COLIMA"]


@pytest.mark.parametrize(
    ("environ", "preferred"),
    [
        ({}, False),
        ({"CONTAINER_HOST": ""}, False),
        ({"DOCKER_HOST": "x"}, False),
        ({"CONTAINER_HOST": "x"}, True),
        ({"TOOLHIVE_PODMAN_SOCKET": "x"}, True),
        ({"WORKLOADS_PODMAN_SOCKET": "x"}, True),
    ],
    ids=str,
)
def test_what_names_podman_puts_it_first(environ, preferred):
    assert prefers_podman(environ) is preferred


def test_an_engine_is_known_by_who_answers_and_not_by_the_name_of_the_socket(root):
    with serving(PODMAN, path=root / "var/run/docker.sock") as served:
        engines = Engines(root=root)
        docker, podman = engines.docker({}), engines.podman({})
    assert podman.endpoint == served.url
    assert podman.usable
    assert not docker.usable


def test_every_engine_is_asked_once(root):
    # /var/run is a link to /run on most machines, and both can be searched.
    (root / "run").mkdir()
    (root / "var").mkdir()
    (root / "var/run").symlink_to("../run")
    with serving(DOCKER, path=root / "run/docker.sock") as served:
        engines = Engines(root=root)
        environ = {"XDG_RUNTIME_DIR": str(root / "run")}
        assert engines.docker(environ).usable
        assert not engines.podman(environ).usable
    assert served.requests == ["GET /_ping HTTP/1.1"]


def test_where_nothing_is_the_reason_is_short(root):
    assert Engines(root=root).docker({}).reason == "no socket of it was found"


def test_a_dead_socket_and_a_named_one_that_is_absent_are_told(root):
    (root / "var/run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "var/run/docker.sock"))
    environ = {"CONTAINER_HOST": f"unix://{root}/none.sock"}
    engines = Engines(root=root)
    assert engines.docker(environ).reason.startswith(f"unix://{root}/var/run/docker.sock: connection refused")
    assert (
        engines.podman(environ).reason == f"unix://{root}/none.sock (CONTAINER_HOST): no such socket; start the engine"
    )


def put_context(folder, name, host):
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_s13_34_docker_is_where_its_context_says(tmp_path):
    """TH-13.34: no rootless Docker, `DOCKER_HOST` ignored, relative Colima path."""
    folder = tmp_path / ".docker"
    put_context(folder, "colima", "unix:///colima.sock")
    put_context(folder, "other", "unix:///other.sock")
    home = {"HOME": str(tmp_path)}
    assert urls(home, "docker")[0] == "unix:///var/run/docker.sock"
    (folder / "config.json").write_text('{"currentContext": "colima"}')
    assert urls(home, "docker") == ["unix:///colima.sock"]
    assert urls({"DOCKER_CONFIG": str(folder)}, "docker") == ["unix:///colima.sock"]
    assert urls({**home, "DOCKER_HOST": "unix:///mine.sock"}, "docker") == ["unix:///mine.sock"]
    both = {**home, "DOCKER_HOST": "unix:///mine.sock", "DOCKER_CONTEXT": "other"}
    assert urls(both, "docker") == ["unix:///mine.sock"]
    assert urls({**home, "DOCKER_CONTEXT": "other"}, "docker") == ["unix:///other.sock"]
    assert urls({**home, "DOCKER_CONTEXT": "default"}, "docker")[0] == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"currentContext": 1}', '{"currentContext": ""}'])
def test_a_configuration_of_docker_that_says_nothing_is_passed_over(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert urls({"DOCKER_CONFIG": str(tmp_path)}, "docker")[0] == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Endpoints": []}', '{"Endpoints": {"docker": 1}}'])
def test_a_context_that_is_missing_or_damaged_is_told_and_not_another_engine_taken(tmp_path, text):
    put_context(tmp_path, "broken", "")
    for file in tmp_path.rglob("meta.json"):
        file.write_text(text)
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "broken"}
    found = Engines().docker(environ)
    assert not found.usable
    assert found.reason.startswith("the Docker context 'broken': there is no such context, or it has no address")
