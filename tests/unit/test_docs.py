"""Every example in the documentation runs, and every docstring example does what it shows."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import reference

import workloads
from workloads._core.variables import VARIABLES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.joinpath("docs").glob("**/*.md"))]

# A comment right before a block, which readers do not see, says why a block is not run, or what it needs:
#   <!-- not run: the reason -->      <!-- needs: mcp-server-time -->
_BLOCK = re.compile(
    r"(?:^<!--[ ](?P<mark>not[ ]run|needs):[ ](?P<value>[^\n]+?)[ ]-->\n+)?^```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass
class Block:
    """One Python block of a page."""

    page: Path
    line: int
    code: str
    mark: str
    value: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text.count("\n", 0, match.start("code")), match["code"], match["mark"] or "", match["value"] or "")
        for match in _BLOCK.finditer(text)
    ]
    assert len(found) == len(re.findall(r"^ *```(?:python|py)\b", text, re.MULTILINE)), (
        "a block in a form not known here"
    )
    return found


def stories() -> list[object]:
    """The pages that have Python blocks; those of one page are one story and share their names."""
    stories = []
    for page in PAGES:
        found = blocks(page)
        needs = [name for block in found if block.mark == "needs" for name in block.value.split(", ")]
        if found:
            marks = [pytest.mark.needs(*needs)] if needs else []
            stories.append(pytest.param(found, id=str(page.relative_to(ROOT)), marks=marks))
    return stories


@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", stories())
def test_the_python_blocks_of_a_page_run_in_order(story, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for block in story:
        if block.mark == "not run":
            continue
        # The line numbers of a failure are those of the page.
        exec(compile("\n" * block.line + block.code, block.page, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not page.parent.joinpath(link).exists()] == []


def modules() -> list[str]:
    return ["workloads", *sorted(module.name for module in pkgutil.walk_packages(workloads.__path__, "workloads."))]


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("__main__")])
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
    for path in ROOT.joinpath("src").rglob("*.py"):
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
