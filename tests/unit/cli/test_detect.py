"""``workloads detect``."""

from __future__ import annotations

import json

import pytest

import workloads.factory
from workloads.runtimes.detection import Candidate, Detection

FOUND = Detection(
    runtime="process",
    reason="always usable",
    candidates=(
        Candidate(name="docker", priority=100, usable=False, reason="no socket", endpoint="", missing_extra="docker"),
        Candidate(name="process", priority=1000, usable=True, reason="always usable"),
    ),
    warnings=("an engine runs, \x1b[1m but its extra is missing",),
)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    asked: list[str | None] = []

    def detect(runtime=None):
        asked.append(runtime)
        return FOUND

    monkeypatch.setattr(workloads.factory, "detect_runtime", detect)
    return asked


def test_it_explains_every_candidate(command):
    outcome = command("detect")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "process: always usable",
        "",
        "RUNTIME  USABLE  WHERE  WHY",
        "docker   no      -      no socket",
        "process  yes     -      always usable",
    ]
    assert outcome.err == "warning: an engine runs, \\x1b[1m but its extra is missing\n"


def test_json_has_all_of_it(command):
    found = json.loads(command("detect", "--json").out)
    assert found["runtime"] == "process"
    assert found["candidates"][0]["missing_extra"] == "docker"


def test_the_runtime_asked_for_is_passed_on(command, asked):
    command("detect", "--runtime", "docker")
    assert asked == ["docker"]


def test_on_a_terminal_it_is_a_table(command):
    assert "\x1b[1m" in command.on_terminal("detect").out
