"""``workloads validate`` and ``workloads completion``: nothing is run, nothing is written."""

from __future__ import annotations

import json

import pytest


def test_a_good_run_config_is_ok(command, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nimage: uvx://mcp-server-time\n")
    outcome = command("--runtime", "process", "validate", str(file))
    assert (outcome.code, outcome.out) == (0, f"{file}: ok\n")


def test_every_problem_of_every_file_is_told_with_its_path(command, tmp_path):
    broken, refused = tmp_path / "broken.json", tmp_path / "refused.yaml"
    broken.write_text('{"name": "a", "port": "80", "transport": "pigeon"}')
    refused.write_text("name: b\nimage: nginx:1\nisolate_network: true\n")
    outcome = command("validate", str(broken), str(refused), "--runtime", "process", "--json")
    assert outcome.code == 2
    found = json.loads(outcome.out)
    assert [(problem["file"], problem["path"]) for problem in found] == [
        (str(broken), "transport"),
        (str(broken), "port"),
        (str(refused), "image"),
        (str(refused), "isolate_network"),
    ]
    assert all(problem["message"] for problem in found)


def test_a_file_that_is_no_document_is_a_problem_not_a_crash(command, tmp_path):
    file = tmp_path / "a.json"
    file.write_text("{")
    outcome = command("validate", str(file), "--runtime", "process")
    assert outcome.code == 2
    assert outcome.out.startswith(f"{file}: ")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_needs(command, shell):
    outcome = command("completion", shell)
    assert outcome.code == 0
    assert "_WORKLOADS_COMPLETE" in outcome.out
