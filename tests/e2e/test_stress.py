"""Many processes that update the same workloads at once.

``STRESS=full pytest tests/e2e/test_stress.py`` is twenty processes with fifty updates each of twenty workloads that
run, which takes some ten minutes; ``STRESS_SEED`` chooses another order. Otherwise those that run are fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import attrs
import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import quick
from tests.support.stress_driver import name_of

from workloads import LocalManager, Settings, WorkloadStatus
from workloads._core.locks import FileLock

FULL = os.environ.get("STRESS") == "full"
SEED = os.environ.get("STRESS_SEED", "1")
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(3600 if FULL else 300)]


@attrs.frozen
class Size:
    """How much is done."""

    processes: int
    updates: int
    workloads: int

    @property
    def names(self) -> list[str]:
        return [name_of(number) for number in range(self.workloads)]


WHOLE = Size(20, 50, 20)
SMALL = Size(6, 3, 4)


@attrs.frozen
class Acknowledged:
    """An update that was said to be done."""

    name: str
    token: str
    called: float
    told: float


def prepared(manager: LocalManager, size: Size) -> None:
    """Store workloads that have never run."""
    for name in size.names:
        manager._inventory.configs.save(quick(name, env_vars={"TOKEN": "first"}, port=0))


def stress(state: Path, size: Size) -> list[Acknowledged]:
    """Let all processes do all their updates."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.stress_driver", state, str(worker), str(size.updates),
             str(size.workloads), SEED],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for worker in range(size.processes)
    ]  # fmt: skip
    lines: list[str] = []
    try:
        for process in processes:
            out, err = process.communicate()
            assert process.returncode == 0, err
            lines += out.splitlines()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    told = (line.split() for line in lines)
    return [Acknowledged(name, token, float(called), float(then)) for name, token, called, then in told]


def assert_none_lost(manager: LocalManager, state: Path, size: Size, acknowledged: list[Acknowledged]) -> None:
    """What was acknowledged was stored, during its call and once; what was stored last is what there is."""
    stored: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for line in state.with_name("journal").read_text().splitlines():
        name, token, at = line.split()
        stored[name].append((token, float(at)))
    assert len(acknowledged) == size.processes * size.updates
    for update in acknowledged:
        times = [at for token, at in stored[update.name] if token == update.token]
        assert len(times) == 1, (update, times)
        assert update.called <= times[0] <= update.told, (update, times)
    for name, history in stored.items():
        assert manager.get_run_config(name).env_vars == {"TOKEN": history[-1][0]}, name


def assert_nothing_leaked(state: Path, *, running: bool) -> None:
    """No temporary file and no lock; only runners that live hold theirs."""
    assert not list(state.rglob(".*.tmp-*"))
    assert not list(state.rglob("*+proposed*"))
    locks = [*state.glob("statuses/*.lock"), *state.glob("runtimes/*+op.lock")]
    assert locks
    owned = list({*state.glob("runtimes/*.lock")} - {*locks})
    for lock in locks if running else locks + owned:
        with FileLock(lock).held(1):
            pass


def test_updates_of_workloads_that_do_not_run_are_all_stored(tmp_path):
    state = tmp_path / "state"
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        prepared(manager, WHOLE)
        acknowledged = stress(state, WHOLE)
        assert_none_lost(manager, state, WHOLE, acknowledged)
        manager.prune()
        assert not list(state.rglob(".*.tmp-*"))
        for lock in state.rglob("*.lock"):
            with FileLock(lock).held(0):
                pass


def test_updates_of_workloads_that_run_are_all_stored_and_what_runs_is_what_is_stored(tmp_path):
    state, size = tmp_path / "state", WHOLE if FULL else SMALL
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        try:
            prepared(manager, size)
            manager.start_workloads(size.names).wait()
            acknowledged = stress(state, size)
            assert_none_lost(manager, state, size, acknowledged)
            for name in size.names:
                workload = manager.get_workload(name)
                assert workload.status is WorkloadStatus.RUNNING, workload
                assert json.loads(call_tool(workload.url, "env"))["TOKEN"] == stored_token(manager, name)
            assert_nothing_leaked(state, running=True)
        finally:
            manager.delete_workloads(size.names, grace=10).wait()
        assert_nothing_leaked(state, running=False)


def stored_token(manager: LocalManager, name: str) -> str:
    return manager.get_run_config(name).env_vars["TOKEN"]
