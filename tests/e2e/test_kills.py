"""``kill -9`` of a manager, a proxy runner or a server, at random moments of what is being done to a workload.

``KILL_ROUNDS=200 KILL_SEED=7 pytest tests/e2e/test_kills.py`` does more rounds, at other moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import psutil
import pytest
from tests.support.kill_driver import NAME, doing
from tests.support.leaks import strays
from tests.support.mcp_client import call_tool
from tests.support.waiting import ORPHANS_END, wait_until

from workloads import LocalManager, Settings, WorkloadsError, WorkloadStatus
from workloads._core import process

if TYPE_CHECKING:
    from workloads._core.process import ProcessIdentity

ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
SEED = os.environ.get("KILL_SEED", "1")
ROOT = Path(__file__).parents[2]
# How long each takes, so that kills fall into all of it.
VERBS = {"run": 0.9, "update": 1.1, "stop": 0.25, "idle": 0.1}
pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(300 + 10 * ROUNDS)]


@attrs.define
class Scene:
    """One workload, and what is known of it.

    Attributes:
        manager: A manager that is never killed.
        state: Its state folder.
        stored: The token of the run config that was acknowledged last; None when there is no workload.
        pending: The token that was given and not acknowledged; None when there is none.
        failed: Whether what was done last was cut or has failed.
    """

    manager: LocalManager
    state: Path
    stored: str | None = None
    pending: str | None = None
    failed: bool = False

    def prepare(self, verb: str) -> None:
        """Bring about what a verb needs: no workload, or one that runs."""
        if verb == "run":
            self.manager.delete_workloads([NAME], grace=5).wait(30)
            self.stored = None
        elif self.stored is None:
            doing(self.manager, "run", "first")()
            self.stored = "first"
        elif self.manager.get_workload(NAME).status in (WorkloadStatus.STOPPED, WorkloadStatus.ERROR):
            self.manager.start_workloads([NAME]).wait(30)

    def acknowledge(self, verb: str, token: str, *, done: bool) -> None:
        """A verb was begun, and has ended well or been cut."""
        self.pending = None
        self.failed = not done
        if verb in ("run", "update"):
            if done:
                self.stored = token
            else:
                self.pending = token

    def check(self, place: str) -> None:
        """Nothing is torn, lost or astray; afterwards the workload is as it is told."""
        wait_until(lambda: strays(self.state) <= self.family(), timeout=ORPHANS_END)
        for file in self.state.rglob("[!.]*.json"):
            assert isinstance(json.loads(file.read_text()), dict), (place, file)
        token = self.token()
        assert token in {self.stored, self.pending}, (place, token, self)
        seen = self.manager.get_workload(NAME).status if token else None
        assert seen is not WorkloadStatus.ERROR or self.failed, (place, self)
        self.manager.recover().wait(30)
        wait_until(lambda: not list(self.state.rglob(".*.tmp-*")))  # a runner that lives may be writing
        assert self.token() == token, place
        self.stored, self.pending = token, None
        if token and (workload := self.manager.get_workload(NAME)).status is WorkloadStatus.RUNNING:
            assert json.loads(call_tool(workload.url, "env"))["TOKEN"] == token, place
        wait_until(lambda: strays(self.state) <= self.family(), timeout=ORPHANS_END)

    def token(self) -> str | None:
        if not self.manager.does_workload_exist(NAME):
            return None
        return self.manager.get_run_config(NAME).env_vars["TOKEN"]

    def family(self) -> set[int]:
        """The proxy runner on record, and what descends from it."""
        record = self.manager._inventory.records.read(NAME)
        if record is None or record.runner is None or not process.is_alive(record.runner):
            return set()
        try:
            runner = psutil.Process(record.runner.pid)
            return {runner.pid, *(child.pid for child in runner.children(recursive=True))}
        except psutil.NoSuchProcess:
            return set()

    def victim(self, kind: str) -> ProcessIdentity | None:
        record = self.manager._inventory.records.read(NAME)
        if record is None:
            return None
        return record.runner if kind == "runner" else next(iter(record.replicas), None)


@pytest.fixture
def scene(tmp_path):
    state = tmp_path / "state"
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        yield Scene(manager, state)
        manager.delete_workloads([NAME], grace=5).wait(30)
        manager.prune()
        wait_until(lambda: not strays(state), timeout=ORPHANS_END)


def rounds(kind: str):
    """What is done in each round, the moment of the kill, and what to call it; the same for a seed."""
    chance = random.Random(f"{SEED} {kind}")
    for number in range(ROUNDS):
        verb = list(VERBS)[number % len(VERBS)]
        moment = chance.uniform(0, VERBS[verb])
        yield verb, f"{kind}-{number}", moment, f"seed {SEED}, {kind} {number}: {verb} after {moment:.3f} s"


def test_a_killed_manager_leaves_nothing_torn_lost_or_astray(scene):
    for verb, token, moment, place in rounds("manager"):
        scene.prepare(verb)
        command = [sys.executable, "-m", "tests.support.kill_driver", str(scene.state), verb, token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as driver:
            assert driver.stdout is not None
            assert driver.stdout.readline() == b"begins\n"
            time.sleep(moment)
            driver.kill()
            scene.acknowledge(verb, token, done=driver.stdout.read() == b"done\n")
        scene.check(place)


@pytest.mark.parametrize("kind", ["runner", "server"])
def test_a_killed_runner_or_server_leaves_nothing_torn_lost_or_astray(scene, kind):
    for verb, token, moment, place in rounds(kind):
        scene.prepare(verb)
        outcome: list[bool] = []

        def work(verb: str = verb, token: str = token, outcome: list[bool] = outcome) -> None:
            try:
                doing(scene.manager, verb, token)()
                outcome.append(True)
            except WorkloadsError:
                outcome.append(False)

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(moment)
        killed = False
        while not killed and worker.is_alive():
            victim = scene.victim(kind)
            killed = victim is not None and process.send_signal(victim, signal.SIGKILL)
            time.sleep(0.001)
        if killed:
            assert process.wait_gone(victim, 30)  # while it still ends, it looks like one that lives
        worker.join(60)
        assert outcome, f"{place}: it does not end"
        scene.acknowledge(verb, token, done=outcome[0])
        scene.check(place)
