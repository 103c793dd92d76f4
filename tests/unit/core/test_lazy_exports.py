"""Packages import their names when they are first used."""

from __future__ import annotations

import sys
import types

import pytest

from workloads._core.lazy import exports


@pytest.fixture
def package(monkeypatch):
    made = types.ModuleType("a_package")
    inner = types.ModuleType("a_package.inner")
    inner.Name = object()
    monkeypatch.setitem(sys.modules, "a_package", made)
    monkeypatch.setitem(sys.modules, "a_package.inner", inner)
    made.__getattr__, made.__dir__ = exports("a_package", {"inner": ["Name"]})
    return made


def test_a_name_is_looked_up_once(package, monkeypatch):
    found = package.Name
    monkeypatch.delitem(sys.modules, "a_package.inner")
    assert package.Name is found


def test_dir_shows_what_was_not_used_yet(package):
    assert "Name" in dir(package)
    assert "Name" not in vars(package)


def test_another_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="module 'a_package' has no attribute 'Nmae'"):
        package.Nmae  # noqa: B018  # looking it up is the test
