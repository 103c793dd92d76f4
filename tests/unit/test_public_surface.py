"""The names users import: complete, sorted, real, and nothing else."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from importlib.metadata import version
from pathlib import Path

import pytest

import workloads
from workloads import errors

SOURCE = Path(workloads.__file__)


def names_for_type_checkers() -> dict[str, str]:
    """What the TYPE_CHECKING block of the root imports: name to module."""
    block = next(
        node
        for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def modules() -> list[str]:
    found = pkgutil.walk_packages(workloads.__path__, "workloads.")
    return sorted(module.name for module in found)


def test_all_is_a_sorted_tuple_without_duplicates():
    assert isinstance(workloads.__all__, tuple)
    assert list(workloads.__all__) == sorted(set(workloads.__all__))


def test_all_is_what_type_checkers_see():
    assert set(workloads.__all__) == set(names_for_type_checkers())


@pytest.mark.parametrize("name", workloads.__all__)
def test_every_name_is_the_one_that_type_checkers_see(name):
    module = importlib.import_module(names_for_type_checkers()[name])
    assert getattr(workloads, name) is getattr(module, name)


def test_every_error_is_public():
    assert set(errors.__all__) <= set(workloads.__all__)


def test_an_unknown_name_is_an_attribute_error_that_says_so():
    with pytest.raises(AttributeError, match="module 'workloads' has no attribute 'Workloda'"):
        workloads.Workloda  # noqa: B018  # looking it up is the test


def test_dir_shows_every_name():
    assert {*workloads.__all__, "__version__"} <= set(dir(workloads))


def test_the_version_is_that_of_the_distribution():
    assert workloads.__version__ == version("workloads")


@pytest.mark.parametrize("name", modules())
def test_every_module_lists_only_names_it_has(name):
    if name.endswith(".__main__"):
        return
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", ())
    assert isinstance(listed, tuple)
    assert [each for each in listed if not hasattr(module, each)] == []


def test_every_public_error_inherits_the_root_and_a_builtin_that_callers_catch():
    leaves = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error") and name != "WorkloadsError"]
    assert leaves
    for leaf in leaves:
        builtins = [base for base in leaf.__mro__ if base.__module__ == "builtins"]
        assert issubclass(leaf, errors.WorkloadsError)
        assert set(builtins) - {object, BaseException, Exception}, f"{leaf.__name__} has no builtin of its own"
