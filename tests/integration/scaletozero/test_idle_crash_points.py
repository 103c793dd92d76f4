"""A process killed anywhere while it forbids sleeping leaves a count that the next one brings back to where it was."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

from workloads.scaletozero.togglers import UnikraftToggler
from workloads.scaletozero.togglers.control_file import parse_reading
from workloads.testing import crashes

DRIVER = str(Path(__file__).parents[2] / "support" / "idle_driver.py")
# So many points, the same each time; CRASH_POINTS=100 takes all of them.
SAMPLE = int(os.environ.get("CRASH_POINTS", "6"))


def test_a_kill_anywhere_leaves_nothing_in_the_count_after_the_next_start(tmp_path):
    """S2Z-T49 SIGKILL simulation: at every step, also while what an earlier one left is taken back."""
    place, kept = tmp_path / "place", tmp_path / "kept"
    place.mkdir()
    control, journal = place / "control", place / "journal"
    command = [sys.executable, DRIVER, str(place)]
    control.write_text("=3")
    points = crashes.survey(command, within=place)
    assert parse_reading(control.read_bytes()) == (3, 3)
    assert len(points) > 10, points
    chance = random.Random("idle")
    for point in sorted(chance.sample(points, min(SAMPLE, len(points)))):
        shutil.rmtree(journal, ignore_errors=True)
        control.write_text("=3")
        crashes.crash(command, point, within=place)
        # The next one is killed too, somewhere while it takes back what was left, or later.
        shutil.copytree(place, kept)
        second = chance.choice(crashes.survey(command, within=place))
        shutil.rmtree(place)
        kept.rename(place)
        crashes.crash(command, second, within=place)

        toggler = UnikraftToggler(control, mode="append", journal=journal)
        assert parse_reading(control.read_bytes()).pending == 3, (point, second)
        toggler.disable()
        assert parse_reading(control.read_bytes()).pending == 4, (point, second)
        toggler.enable()
        assert parse_reading(control.read_bytes()).pending == 3, (point, second)
        assert list(journal.glob("*.json")) == []
