"""Cases that are numbered elsewhere: each number has a test whose docstring begins with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NUMBER = re.compile(r"[A-Z0-9]+(?:-[A-Z]?[0-9.]*[0-9])+(?=:)")


def numbered() -> dict[str, list[str]]:
    """The numbers, each with the tests that carry it."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (number := NUMBER.match(ast.get_docstring(node) or "")):
                found.setdefault(number[0], []).append(f"{path.name}::{node.name}")
    return found


@pytest.fixture(scope="module")
def numbers():
    return numbered()


@pytest.mark.parametrize("defect", range(13, 42))
def test_every_defect_of_managers_run_configs_containers_proxies_and_sessions_has_a_test(numbers, defect):
    """The list is that of what ToolHive does, of which this library does none."""
    assert numbers.get(f"TH-13.{defect}"), sorted(numbers)


@pytest.mark.parametrize("case", range(1, 48))
def test_every_case_of_the_protocol_has_a_test(numbers, case):
    """The list is that of proxies and bridges of the Model Context Protocol; what follows it is of aggregators."""
    assert numbers.get(f"MCP-T{case}"), sorted(numbers)
