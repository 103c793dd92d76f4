"""Links lead somewhere, every docstring example does what it shows, and pages made from the code are what it gives."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest
from tests.support import reference

from workloads._core.variables import VARIABLES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "workloads"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.joinpath("docs").glob("**/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not page.parent.joinpath(link).exists()] == []


def modules_with_examples() -> list[str]:
    files = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    return [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__") for path in files]


@pytest.mark.parametrize("name", modules_with_examples())
def test_docstring_examples_do_what_they_show(name):
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    shown: list[str] = []
    for test in finder.find(importlib.import_module(name), name):
        runner.run(test, out=shown.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(shown)


def test_the_options_that_the_cli_page_names_exist():
    import click

    from workloads.cli.app import app

    known = {
        option
        for command in [
            app,
            *(app.get_command(click.Context(app), name) for name in app.list_commands(click.Context(app))),
        ]
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    named = set(
        re.findall(r"`(?:workloads [a-z]+ )?(--[a-z-]+)", ROOT.joinpath("docs", "cli.md").read_text(encoding="utf-8"))
    )
    assert named
    assert named <= known


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_the_pages_that_are_made_from_the_code_are_what_it_gives(page):
    made = reference.pages()[page]
    assert page.read_text(encoding="utf-8") == made, "make it anew: python -m tests.support.reference"


def test_no_variable_of_ours_or_of_toolhive_is_read_that_is_not_in_the_list():
    known = {name for variable in VARIABLES for name in variable.names}
    variable = re.compile(r"(?:WORKLOADS|TOOLHIVE|THV)_[A-Z_]+(?![A-Za-z_<*-])")
    found: dict[str, str] = {}
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        found |= {name: path.name for text in texts for name in variable.findall(text) if not name.endswith("_")}
    assert {name: where for name, where in found.items() if name not in known} == {}
    assert len(found) > 10


def test_the_page_of_errors_has_a_row_for_every_error():
    from workloads import errors

    page = ROOT.joinpath("docs", "errors.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+Error)` \|", page, re.MULTILINE))
    assert rows == {name for name in errors.__all__ if name.endswith("Error")} - {"WorkloadsError"}
