"""In which order workloads start that depend on each other."""

from __future__ import annotations

import pytest

from workloads import RunConfig, RunConfigError
from workloads.managers.dependencies import start_order


def order(**dependencies: str) -> list[str]:
    """The order for ``top``; each word names those that a workload depends on by a letter."""
    configs = {name: RunConfig(name=name, image="x", depends_on=list(needed)) for name, needed in dependencies.items()}
    return start_order(configs["top"], configs.get)


def test_those_that_others_depend_on_come_first_and_each_comes_once():
    assert order(top="") == []
    assert order(top="ba", a="", b="c", c="a") == ["a", "c", "b"]
    assert order(top="bc", b="a", c="a", a="") == ["a", "b", "c"]


def test_every_circle_and_everything_absent_is_told_with_its_place():
    with pytest.raises(RunConfigError) as caught:
        order(top="abx", a="b", b="a")
    assert [str(problem) for problem in caught.value.problems] == [
        "depends_on[0]: workloads cannot depend on each other in a circle: a -> b -> a",
        "depends_on[2]: there is no workload 'x', which 'top' depends on; run it",
    ]
