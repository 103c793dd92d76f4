"""Every example in the documentation runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("story", stories())
def test_the_python_blocks_of_a_page_run_in_order(story, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for block in story:
        if block.mark == "not run":
            continue
        # The line numbers of a failure are those of the page.
        exec(compile("\n" * block.line + block.code, block.page, "exec"), names)
