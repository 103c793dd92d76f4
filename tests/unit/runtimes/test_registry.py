"""Which runtimes there are."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from workloads.errors import RuntimeNotFoundError, RuntimeUnavailableError
from workloads.runtimes import registry
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.runtimes.process.runtime import ProcessRuntime
from workloads.runtimes.registry import RuntimeSpec, always_usable, builtin_specs, installed_specs, load_runtime

NOMAD = RuntimeSpec(name="nomad", priority=60, load=f"{__name__}:make_nomad")
LOST = RuntimeSpec(name="lost", priority=60, load="workloads.no_such_module:make")
PARTIAL = RuntimeSpec(name="partial", priority=60, load="workloads.model:no_such_attribute")
MIMIC = RuntimeSpec(name="docker", priority=1, load=f"{__name__}:make_nomad")
NOT_A_SPEC = "nomad"


def make_nomad():
    return "the nomad runtime"


def entry_point(name, value):
    return EntryPoint(name=name, value=value, group=registry.ENTRY_POINT_GROUP)


@pytest.fixture
def plugins(monkeypatch):
    """Register these specs of this module."""
    # The module is imported by path, so that an entry point cannot import it by name.
    found: list[EntryPoint] = []
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: found)

    def register(*names):
        found.extend(entry_point(globals()[name].name, name) for name in names)

    return register


def test_the_builtin_runtimes_have_these_priorities():
    assert {spec.name: spec.priority for spec in builtin_specs()} == {
        "kubernetes": 50,
        "docker": 100,
        "podman": 110,
        "process": 1000,
    }


def test_a_runtime_can_be_loaded_by_name():
    assert isinstance(load_runtime("process"), ProcessRuntime)


def test_a_runtime_of_another_package_can_be_loaded_by_name(plugins, monkeypatch):
    plugins("NOMAD")
    monkeypatch.setattr(f"{registry.__name__}.import_module", None, raising=False)
    monkeypatch.setattr("importlib.import_module", lambda name: type("module", (), {"make_nomad": make_nomad}))
    assert load_runtime("nomad") == "the nomad runtime"


def test_no_package_is_looked_at_for_a_builtin_runtime(monkeypatch):
    monkeypatch.setattr(registry, "installed_specs", lambda: pytest.fail("looked at"))
    load_runtime("process")


def test_an_unknown_runtime_lists_those_that_can_be_loaded(plugins):
    plugins("NOMAD", "MIMIC")
    with pytest.raises(RuntimeNotFoundError) as caught:
        load_runtime("nope")
    assert caught.value.usable == ("docker", "podman", "process", "nomad")


def test_a_runtime_without_support_says_so():
    with pytest.raises(RuntimeUnavailableError, match="no support for it yet") as caught:
        load_runtime("kubernetes")
    assert caught.value.usable == ("docker", "podman", "process")


@pytest.mark.parametrize("name", ["docker", "podman", "process"])
def test_a_builtin_runtime_has_the_name_it_is_registered_by(name):
    assert load_runtime(name).name == name


@pytest.mark.parametrize(("plugin", "reason"), [("LOST", "no_such_module"), ("PARTIAL", "no_such_attribute")])
def test_a_runtime_whose_code_is_missing_is_unavailable(plugins, plugin, reason):
    plugins(plugin)
    with pytest.raises(RuntimeUnavailableError, match=reason):
        load_runtime(plugin.lower())


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "gone",
            "workloads.no_such_module:SPEC",
            "workloads.no_such_module:SPEC cannot be loaded: ModuleNotFoundError",
        ),
        ("odd", "workloads.model:DEFAULT_GROUP", "workloads.model:DEFAULT_GROUP is not a RuntimeSpec named 'odd'"),
        ("docker", "workloads.model:DEFAULT_GROUP", "registers a runtime 'docker', a name that is taken"),
    ],
    ids=["no such module", "no spec", "a builtin name"],
)
def test_a_broken_registration_is_listed_with_its_problem(name, value, problem):
    (spec,) = installed_specs([entry_point(name, value)])
    assert spec.name == name
    assert problem in spec.problem
    assert spec.priority > 1000


def test_of_two_packages_with_one_name_the_second_is_the_problem(plugins):
    plugins("NOMAD", "NOMAD")
    first, second = installed_specs()
    assert first == NOMAD
    assert "taken" in second.problem


def test_a_builtin_name_cannot_be_taken_over(plugins):
    plugins("MIMIC")
    assert isinstance(load_runtime("docker"), ContainerRuntime)


def test_a_runtime_that_does_not_look_is_usable_everywhere():
    assert NOMAD.detect is always_usable
    assert always_usable({}).usable
