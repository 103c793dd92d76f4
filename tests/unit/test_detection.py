"""Which runtime is chosen, in which surroundings, and why."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from tests.support.fake_engine import DOCKER, PODMAN, serving, short_folder

import workloads.managers
from workloads.errors import MissingDependencyError, RuntimeNotFoundError, RuntimeUnavailableError
from workloads.factory import Settings, detect_runtime, new_manager
from workloads.runtimes import detection
from workloads.runtimes.registry import RuntimeSpec, Usability

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
DOCKER_SOCKET, PODMAN_SOCKET = "var/run/docker.sock", "var/run/podman/podman.sock"

FIRST = RuntimeSpec(name="first", priority=1, load="somewhere:make")
CLOSE = RuntimeSpec(name="close", priority=99, load="somewhere:make")
AWAY = RuntimeSpec(name="away", priority=1, detect=lambda environ: Usability(usable=False, reason="it is away"))
ASKS = RuntimeSpec(name="asks", priority=1, load="x:y", detect=lambda environ: Usability("ASK" in environ, "because"))


def _explode(environ):
    raise RuntimeError("boom")


FAILS = RuntimeSpec(name="fails", priority=1, load="somewhere:make", detect=_explode)


@pytest.fixture
def root():
    with short_folder() as folder:
        yield folder


@pytest.fixture
def detect(root, monkeypatch):
    """Detection in surroundings that the test makes: this folder as the file system, and no packages."""

    def detect(runtime=None, environ=None, *, plugins=(), extras=()):
        monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value])
        entry_points = [EntryPoint(spec.name, key, "") for key in plugins for spec in [globals()[key]]]
        return detect_runtime(
            runtime, environ=environ or {}, root=root, entry_points=entry_points, installed=lambda name: name in extras
        )

    return detect


def candidate(found, name):
    return next(candidate for candidate in found.candidates if candidate.name == name)


# Nothing to find


def test_where_there_is_nothing_process_is_chosen_without_a_warning(detect):
    found = detect()
    assert found.runtime == "process"
    assert found.chosen.usable
    assert found.warnings == ()


def test_every_candidate_is_explained_in_the_order_of_the_choice(detect):
    found = detect()
    assert [(candidate.name, candidate.priority, candidate.usable) for candidate in found.candidates] == [
        ("kubernetes", 50, False),
        ("docker", 100, False),
        ("podman", 110, False),
        ("process", 1000, True),
    ]
    assert candidate(found, "kubernetes").reason == "this is not a pod (KUBERNETES_SERVICE_HOST is not set)"
    assert candidate(found, "docker").reason == "no socket of it was found"
    assert all(candidate.reason for candidate in found.candidates)


def test_where_not_even_processes_work_it_is_an_error(detect, monkeypatch):
    monkeypatch.setattr("workloads.runtimes.registry.os.name", "nt")
    with pytest.raises(RuntimeUnavailableError, match="Linux and macOS only"):
        detect()


# A runtime is asked for


@pytest.mark.parametrize(
    ("argument", "environ", "chosen", "by"),
    [
        ("process", {"WORKLOADS_RUNTIME": "docker", "TOOLHIVE_RUNTIME": "docker"}, "process", "the caller"),
        (None, {"WORKLOADS_RUNTIME": "process", "TOOLHIVE_RUNTIME": "docker"}, "process", "WORKLOADS_RUNTIME"),
        (None, {"TOOLHIVE_RUNTIME": "process"}, "process", "TOOLHIVE_RUNTIME"),
        (None, {"WORKLOADS_RUNTIME": "", "TOOLHIVE_RUNTIME": "process"}, "process", "TOOLHIVE_RUNTIME"),
        (None, {"WORKLOADS_RUNTIME": "process", **POD}, "process", "WORKLOADS_RUNTIME"),
    ],
    ids=["argument", "WORKLOADS_RUNTIME", "TOOLHIVE_RUNTIME", "an empty variable", "in a pod"],
)
def test_a_runtime_that_is_asked_for_is_chosen_before_anything_else(detect, argument, environ, chosen, by):
    found = detect(argument, environ)
    assert (found.runtime, found.reason) == (chosen, f"asked for by {by}")


@pytest.mark.parametrize("variable", [None, "WORKLOADS_RUNTIME", "TOOLHIVE_RUNTIME"])
def test_an_unknown_runtime_is_an_error_that_lists_the_usable_ones(detect, variable):
    with pytest.raises(RuntimeNotFoundError, match="'nope' not found; usable here: first, process") as caught:
        detect("nope" if variable is None else None, {variable: "nope"} if variable else {}, plugins=["FIRST"])
    assert caught.value.usable == ("first", "process")


def test_an_empty_name_is_unknown(detect):
    with pytest.raises(RuntimeNotFoundError):
        detect("")


@pytest.mark.parametrize("name", ["kubernetes", "docker", "podman"])
def test_a_known_runtime_that_is_unusable_is_an_error_and_never_another_runtime(detect, name):
    with pytest.raises(RuntimeUnavailableError) as caught:
        detect(None, {"WORKLOADS_RUNTIME": name})
    assert caught.value.runtime == name
    assert caught.value.usable == ("process",)


def test_a_live_engine_that_is_asked_for_says_where_it_is_and_why_it_cannot_be_used(detect, root):
    with (
        serving(DOCKER, path=root / DOCKER_SOCKET) as served,
        pytest.raises(RuntimeUnavailableError, match="extra is not installed") as caught,
    ):
        detect("docker")
    lacks = "its extra is not installed (pip install 'workloads[docker]')"
    assert caught.value.reason == f"answers at {served.url}, but {lacks}"


# In a pod


@pytest.mark.parametrize("extras", [[], ["kubernetes"]], ids=["without the extra", "with it"])
def test_in_a_pod_kubernetes_is_chosen_and_its_candidate_tells_what_is_missing(detect, root, extras):
    with serving(DOCKER, path=root / DOCKER_SOCKET):
        found = detect(environ=POD, extras=extras)
    assert found.runtime == "kubernetes"
    assert not found.chosen.usable
    assert "no support for it yet" in found.chosen.reason
    assert ("pip install 'workloads[kubernetes]'" in found.chosen.reason) is (not extras)
    assert found.chosen.missing_extra == ("" if extras else "kubernetes")


# An engine answers


@pytest.mark.parametrize(
    ("name", "answer", "place"),
    [("docker", DOCKER, DOCKER_SOCKET), ("podman", PODMAN, PODMAN_SOCKET), ("podman", PODMAN, DOCKER_SOCKET)],
    ids=["docker", "podman", "podman in docker's place"],
)
def test_a_live_engine_is_chosen_or_warned_of_where_its_extra_is_missing(detect, root, name, answer, place):
    with serving(answer, path=root / place) as served:
        found, without_extra = detect(extras=["docker"]), detect()
    assert (found.runtime, found.chosen.endpoint, found.warnings) == (name, served.url, ())
    assert without_extra.runtime == "process"
    (warning,) = without_extra.warnings
    assert warning.startswith(f"{name}: answers at {served.url}, but its extra is not installed")
    assert warning.endswith("new workloads run as local processes, which are not isolated")


def test_a_live_engine_whose_extra_is_missing_is_named_with_the_extra(detect, root):
    with serving(DOCKER, path=root / DOCKER_SOCKET):
        found = detect()
    assert candidate(found, "docker").missing_extra == "docker"
    assert "pip install 'workloads[docker]'" in found.warnings[0]


def test_two_live_engines_are_both_named_docker_first(detect, root):
    with serving(DOCKER, path=root / DOCKER_SOCKET), serving(PODMAN, path=root / PODMAN_SOCKET):
        found = detect()
    assert [warning.partition(":")[0] for warning in found.warnings] == ["docker", "podman"]


@pytest.mark.parametrize("variable", ["CONTAINER_HOST", "TOOLHIVE_PODMAN_SOCKET", "WORKLOADS_PODMAN_SOCKET"])
def test_podman_comes_first_when_a_variable_names_it(detect, root, variable):
    with serving(PODMAN, path=root / "my.sock") as served:
        found = detect(environ={variable: served.url})
    assert [candidate.name for candidate in found.candidates] == ["kubernetes", "podman", "docker", "process"]
    assert candidate(found, "podman").endpoint == served.url


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "TOOLHIVE_DOCKER_SOCKET", "TOOLHIVE_COLIMA_SOCKET"])
def test_docker_is_found_where_a_variable_names_it(detect, root, variable):
    """TH-13.34: `DOCKER_HOST` is ignored by the socket search."""
    with serving(DOCKER, path=root / "my.sock") as served:
        assert candidate(detect(environ={variable: served.url}), "docker").endpoint == served.url


@pytest.mark.parametrize("place", ["docker.sock", "podman/podman.sock"], ids=["docker", "podman"])
def test_a_rootless_engine_is_found(detect, root, place):
    """TH-13.34: the socket search finds no rootless Docker."""
    with serving(PODMAN if "podman" in place else DOCKER, path=root / "run" / place) as served:
        found = detect(environ={"XDG_RUNTIME_DIR": str(root / "run")})
    assert candidate(found, "podman" if "podman" in place else "docker").endpoint == served.url


def test_a_dead_socket_is_told_and_no_warning(detect, root):
    (root / DOCKER_SOCKET).parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / DOCKER_SOCKET))
    found = detect()
    assert "connection refused" in candidate(found, "docker").reason
    assert found.warnings == ()


@pytest.mark.needs("root")
def test_a_forbidden_socket_is_told_with_its_group(root):
    root.chmod(0o755)
    script = (
        "import os, sys, pathlib, socket; import workloads.runtimes.engines as e, workloads.runtimes.registry as r;"
        "from workloads.runtimes.detection import detect_runtime; os.setuid(65534);"
        "found = detect_runtime(environ={}, root=pathlib.Path(sys.argv[1]), entry_points=[], installed=lambda _: True);"
        "print(found.runtime, found.candidates[1].reason)"
    )
    with serving(DOCKER, path=root / DOCKER_SOCKET):
        (root / DOCKER_SOCKET).chmod(0)
        for folder in (root / "var", root / "var/run"):
            folder.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", script, root], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"process unix://{root}/{DOCKER_SOCKET}: permission denied; join the group")


# Runtimes of other packages


def test_a_runtime_of_another_package_takes_its_place_by_priority(detect, root):
    found = detect(plugins=["CLOSE", "FIRST"])
    assert [candidate.name for candidate in found.candidates][:3] == ["first", "kubernetes", "close"]
    assert found.runtime == "first"


def test_a_runtime_of_another_package_that_is_away_is_passed_over(detect):
    found = detect(plugins=["AWAY"])
    assert found.runtime == "process"
    assert candidate(found, "away").reason == "it is away"


def test_a_runtime_of_another_package_can_be_asked_for(detect):
    assert detect("asks", {"ASK": "1"}, plugins=["ASKS"]).runtime == "asks"
    with pytest.raises(RuntimeUnavailableError, match="because"):
        detect("asks", plugins=["ASKS"])


def test_a_runtime_whose_detection_fails_is_reported_and_not_fatal(detect):
    found = detect(plugins=["FAILS"])
    assert found.runtime == "process"
    assert candidate(found, "fails").reason == "looking for it failed: RuntimeError: boom"


def test_a_broken_registration_is_reported_and_not_fatal(root):
    broken = EntryPoint("gone", "workloads.no_such_module:SPEC", "workloads.runtimes")
    found = detect_runtime(environ={}, root=root, entry_points=[broken])
    assert found.runtime == "process"
    assert "ModuleNotFoundError" in candidate(found, "gone").reason
    assert found.warnings[0].startswith("runtime 'gone' cannot be used: workloads.no_such_module:SPEC cannot be loaded")
    with pytest.raises(RuntimeUnavailableError, match="ModuleNotFoundError"):
        detect_runtime("gone", environ={}, root=root, entry_points=[broken])


# Extras


def test_an_extra_is_there_when_its_module_is():
    assert detection.has_extra("attrs")
    assert not detection.has_extra("no_such_module")


def test_a_folder_that_happens_to_have_its_name_is_no_extra(tmp_path, monkeypatch):
    (tmp_path / "some_extra").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not detection.has_extra("some_extra")


# Making a manager


@pytest.fixture
def made(monkeypatch):
    """The arguments of every manager that is made."""
    made = []
    monkeypatch.setattr(workloads.managers, "LocalManager", lambda name, *, settings: made.append((name, settings)))
    return made


@pytest.fixture
def here(root, monkeypatch):
    """Have a manager look around in a folder instead of this machine."""

    def detect(runtime=None, *, environ=None):
        return detect_runtime(runtime, environ=environ, root=root, entry_points=[], installed=lambda extra: False)

    monkeypatch.setattr(detection, "detect_runtime", detect)


def test_a_manager_gets_the_runtime_and_the_settings(made, here, tmp_path):
    settings = Settings(state_dir=tmp_path)
    new_manager("process", settings=settings)
    new_manager()
    assert made == [("process", settings), ("process", None)]


def test_nothing_is_looked_for_when_process_is_asked_for(made, monkeypatch):
    monkeypatch.setattr(detection, "detect_runtime", lambda *_, **__: pytest.fail("looked"))
    new_manager("process")
    monkeypatch.setenv("WORKLOADS_RUNTIME", "process")
    new_manager()
    assert [name for name, _ in made] == ["process", "process"]


def test_a_manager_made_beside_a_live_engine_logs_a_warning(made, here, root, caplog):
    with serving(DOCKER, path=root / DOCKER_SOCKET), caplog.at_level(logging.WARNING, "workloads"):
        new_manager()
    (record,) = caplog.records
    assert record.message.startswith("docker: answers at")
    assert record.runtime == "process"


@pytest.mark.parametrize(
    ("argument", "environ", "error"),
    [
        ("nope", {}, RuntimeNotFoundError),
        ("docker", {}, RuntimeUnavailableError),
        (None, {"WORKLOADS_RUNTIME": "nope"}, RuntimeNotFoundError),
        (None, {"TOOLHIVE_RUNTIME": "podman"}, RuntimeUnavailableError),
        (None, POD, MissingDependencyError),
    ],
    ids=["unknown", "unusable", "unknown by variable", "unusable by variable", "in a pod without the extra"],
)
def test_no_manager_is_made_with_a_runtime_that_cannot_be_used(made, here, monkeypatch, argument, environ, error):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error):
        new_manager(argument)
    assert made == []


def test_in_a_pod_without_the_extra_the_error_names_it(made, here, monkeypatch):
    monkeypatch.setenv(*next(iter(POD.items())))
    with pytest.raises(MissingDependencyError, match=r"pip install 'workloads\[kubernetes\]'") as caught:
        new_manager()
    assert caught.value.extra == "kubernetes"


def test_in_a_pod_with_the_extra_the_runtime_is_unavailable(made, here, root, monkeypatch):
    found = detect_runtime(environ=POD, root=root, entry_points=[], installed=lambda extra: True)
    monkeypatch.setattr(detection, "detect_runtime", lambda *_, **__: found)
    with pytest.raises(RuntimeUnavailableError, match="no support for it yet") as caught:
        new_manager()
    assert caught.value.usable == ("process",)


def test_choosing_process_loads_nothing_slow():
    script = (
        "import sys; before = set(sys.modules)\n"
        "from workloads.runtimes.detection import choose_runtime; choose_runtime('process')\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=_quiet())
    loaded = set(done.stdout.split())
    assert loaded & {"asyncio", "http.client", "importlib.metadata", "json", "logging", "socket", "subprocess"} == set()
    assert {name for name in loaded if name.startswith("workloads")} == {
        "workloads",
        "workloads._core",
        "workloads._core.variables",
        "workloads.errors",
        "workloads.runtimes",
        "workloads.runtimes.detection",
    }


def _quiet():
    # Measuring coverage loads much into every process.
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
