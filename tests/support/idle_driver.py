"""A program that forbids and allows sleeping once, for tests that end it anywhere: ``idle_driver.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from workloads.scaletozero.togglers import UnikraftToggler
from workloads.testing import crashes


def main(folder: str) -> None:
    path = Path(folder)
    with crashes.watched():
        toggler = UnikraftToggler(path / "control", mode="append", journal=path / "journal")
        toggler.disable()
        toggler.enable()


if __name__ == "__main__":
    main(*sys.argv[1:])
