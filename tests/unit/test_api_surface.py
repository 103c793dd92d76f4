"""The public names and signatures change only on purpose."""

from __future__ import annotations

import difflib
from pathlib import Path

from tests.support.api_surface import render

WRITTEN_DOWN = Path(__file__).with_name("api_surface.txt")


def test_the_public_surface_is_the_one_written_down():
    known, now = WRITTEN_DOWN.read_text(encoding="utf-8").splitlines(), render().splitlines()
    changes = "\n".join(difflib.unified_diff(known, now, "written down", "now", lineterm="", n=1))
    again = "python -m tests.support.api_surface > tests/unit/api_surface.txt"
    assert not changes, f"the public interface changed; if that is meant, run `{again}`:\n{changes}"
