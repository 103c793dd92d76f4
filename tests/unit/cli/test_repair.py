"""``update``, ``recover`` and ``prune``, on a state folder in which nothing runs."""

from __future__ import annotations

import pytest

from workloads import RunConfig, WorkloadStatus
from workloads._core.paths import Paths
from workloads.cli.exit_codes import ExitCode
from workloads.cli.invocation import Invocation
from workloads.state import RunConfigStore, StatusStore

MANAGER = Invocation.manager  # which the fixture ``command`` replaces


@pytest.fixture
def state(state_dir):
    return Paths.locate(state_dir=state_dir)


@pytest.fixture
def real(command, state, monkeypatch):
    """The command on a real manager of that folder."""
    monkeypatch.setattr(Invocation, "manager", MANAGER)
    RunConfigStore(state).save(RunConfig(name="notes", image="uvx://notes"))
    StatusStore(state).set("notes", WorkloadStatus.STOPPED)
    return lambda *words: command("--runtime", "process", "--state-dir", str(state.state), *words)


def test_update_replaces_the_run_config_of_a_stopped_workload(real, state, tmp_path):
    file = tmp_path / "notes.yaml"
    file.write_text("name: notes\nimage: uvx://better-notes\n")
    assert real("update", "notes", "--from-config", str(file)).code == ExitCode.OK
    assert RunConfigStore(state).load("notes").image == "uvx://better-notes"


def test_update_of_an_unknown_workload_is_exit_code_3(real, tmp_path):
    file = tmp_path / "other.yaml"
    file.write_text("name: other\nimage: uvx://notes\n")
    outcome = real("update", "other", "--from-config", str(file))
    assert outcome.code == ExitCode.NOT_FOUND
    assert "other" in outcome.err


def test_recover_leaves_what_was_stopped(real, state):
    assert real("recover").code == ExitCode.OK
    assert StatusStore(state).read("notes").status is WorkloadStatus.STOPPED


def test_prune_names_what_it_removed(real, state):
    StatusStore(state).set("gone", WorkloadStatus.STOPPED)
    outcome = real("prune")
    assert (outcome.code, "gone" in outcome.out) == (ExitCode.OK, True)
    assert StatusStore(state).read("gone") is None
    again = real("prune")
    assert (again.code, "gone" in again.out) == (ExitCode.OK, False)
