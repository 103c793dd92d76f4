"""Two processes with two threads each do things to one workload at once: one wins, nothing is left of the others."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.leaks import strays
from tests.support.quick import quick, record_of
from tests.support.surroundings import parent_of

from workloads import WorkloadFailedError, WorkloadStatus
from workloads._core.process import is_alive
from workloads.managers.lifecycle import Lifecycle

RACER = Path(__file__).parents[1] / "hosts" / "racer.py"
NAME = "raced"

# What else than "ok" may become of a verb, when others do theirs at the same time.
DOCUMENTED = {
    "run": {"WorkloadExistsError", "WorkloadFailedError"},
    "start": {"WorkloadNotFoundError", "WorkloadFailedError"},
    "stop": {"WorkloadNotFoundError"},
    "delete": set[str](),
}


class Racers:
    """Two processes that do what they are told at the same time."""

    def __init__(self, stack: ExitStack) -> None:
        self._processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(RACER), NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        self.pids = {process.pid for process in self._processes}

    def do(self, *verbs: list[str]) -> list[str]:
        """Let each process do its verbs, in a thread each; what became of all of them."""
        for process, each in zip(self._processes, verbs, strict=True):
            process.stdin.write(json.dumps(each) + "\n")
            process.stdin.flush()
        return [outcome for process in self._processes for outcome in json.loads(process.stdout.readline() or "[]")]

    def end(self) -> None:
        for process in self._processes:
            process.stdin.close()
            assert process.wait(20) == 0


@pytest.fixture
def racers(manager, tmp_path):
    with ExitStack() as stack:
        racers = Racers(stack)
        yield racers
        racers.end()


@pytest.fixture
def processes(racers, tmp_path):
    """Tells the processes of workloads, whoever started them."""
    return lambda: strays(tmp_path) - racers.pids


def one_family() -> set[int]:
    """The processes of the one workload that is on record."""
    record = record_of(NAME)
    [server] = record.replicas
    return {record.runner.pid, server.pid, parent_of(server.pid)}


def test_of_four_that_run_one_name_one_wins_and_the_others_are_told_that_it_exists(manager, racers, processes):
    for _ in range(3):
        outcomes = racers.do(["run", "run"], ["run", "run"])

        assert sorted(outcomes) == ["WorkloadExistsError"] * 3 + ["ok"]
        manager.restart_workloads([NAME]).wait(30)  # ends when it is ready: then its server is on record
        assert processes() <= one_family()
        assert racers.do(["delete"], []) == ["ok"]
        assert processes() == set()


def test_four_may_stop_start_and_delete_one_workload_and_each_succeeds(manager, racers, processes):
    assert racers.do(["run"], []) == ["ok"]

    assert racers.do(["stop", "stop"], ["stop", "stop"]) == ["ok"] * 4
    assert manager.get_workload(NAME).status is WorkloadStatus.STOPPED
    assert processes() == set()
    assert racers.do(["start", "start"], ["start", "start"]) == ["ok"] * 4
    assert manager.get_workload(NAME).status is WorkloadStatus.RUNNING
    assert processes() <= one_family()
    assert racers.do(["delete", "delete"], ["delete", "delete"]) == ["ok"] * 4
    assert (manager.list_workloads(all=True), processes()) == ([], set())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_at_once_ends_with_what_is_documented_and_one_workload_at_most(
    manager, racers, processes, seed
):
    chance = random.Random(seed)
    for _ in range(4):
        verbs = [chance.choices(list(DOCUMENTED), k=2) for _ in range(2)]
        outcomes = racers.do(*verbs)

        told = list(zip([verb for each in verbs for verb in each], outcomes, strict=True))
        assert all(outcome == "ok" or outcome in DOCUMENTED[verb] for verb, outcome in told), told
        for workload in manager.list_workloads(all=True):
            record = record_of(NAME)
            lives = record.runner is not None and is_alive(record.runner)
            assert lives is (workload.status is not WorkloadStatus.STOPPED), (told, workload, record)
    manager.delete_workloads([NAME], grace=5).wait(30)
    assert (manager.list_workloads(all=True), processes()) == ([], set())


def test_running_a_workload_that_others_delete_at_once_is_an_error_that_says_so(manager, monkeypatch, tmp_path):
    run_detached = Lifecycle.run_detached

    def raced(self, config, *, wait):
        run_detached(self, config, wait=wait)
        self.delete(config.name, grace=5)

    monkeypatch.setattr(Lifecycle, "run_detached", raced)

    with pytest.raises(WorkloadFailedError, match="somebody deleted it"):
        manager.run_workload_detached(quick(NAME))
    assert strays(tmp_path) == set()
