"""What the checks of this project install is pinned: a release of something else cannot make them fail."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HOME = Path(__file__).parents[2]


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, that is not this project itself."""
    document = tomllib.loads((HOME / "pyproject.toml").read_text())
    project = document["project"]
    extras, groups = project["optional-dependencies"].values(), document["dependency-groups"].values()
    asked = [Requirement(line) for one in (project["dependencies"], *extras, *groups) for line in one]
    return [each for each in asked if each.name != project["name"]]


def name_of(requirement: Requirement) -> str:
    return requirement.name.lower().replace("_", "-").replace(".", "-")


@pytest.fixture(scope="module")
def pinned() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (HOME / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(name_of(requirement), []).append(requirement)
    return found


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_is_asked_for_is_pinned_within_its_bounds(
    requirement: Requirement, pinned: dict[str, list[Requirement]]
) -> None:
    versions = [
        one.version for line in pinned.get(name_of(requirement), []) for one in line.specifier if one.operator == "=="
    ]
    assert versions, "run scripts/pin"
    assert all(requirement.specifier.contains(version) for version in versions), versions
