"""Whoever stops a workload says how long its server may take to end, and the runner goes by that."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
from tests.support.aio import run

from workloads import RunConfig
from workloads._core.paths import Paths
from workloads._core.process import identify
from workloads.managers.containers import Containers
from workloads.managers.ending import end
from workloads.managers.handshake import Reporter
from workloads.managers.owner import Ownership, run_owned
from workloads.model import WorkloadStatus
from workloads.runtimes.registry import load_runtime
from workloads.state import RuntimeRecord, RuntimeRecordStore

# A stdio server that takes a while to end after it was asked to, and says when it did.
SLOW_TO_END = """
import json, signal, sys, time
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
for line in sys.stdin:
    if "id" in (request := json.loads(line)):
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"protocolVersion": "2025-11-25"}}
        print(json.dumps(answer), flush=True)
while not ending:
    time.sleep(0.01)
time.sleep(2)
open(sys.argv[1], "w").write("ended by itself")
"""


@pytest.fixture
def paths(state_dir):
    return Paths.locate(state_dir=state_dir)


@pytest.mark.parametrize(("grace", "well"), [(20.0, True), (None, False)])
def test_a_server_gets_the_time_that_was_asked_for(paths, tmp_path, monkeypatch, grace, well):
    monkeypatch.setattr("workloads.proxyrunner.supervisor._INPUT_GRACE", 0.05)
    monkeypatch.setattr("workloads.proxyrunner.supervisor.STOP_GRACE", 0.1)
    records, said = RuntimeRecordStore(paths), tmp_path / "said"
    config = RunConfig(name="a", command=[sys.executable, "-c", SLOW_TO_END, str(said)])
    running = asyncio.Event()

    class Watched(Ownership):
        def status(self, status: WorkloadStatus, context: str) -> None:
            super().status(status, context)
            if status is WorkloadStatus.RUNNING:
                running.set()

    async def body(ownership: Ownership) -> None:
        shutdown = asyncio.Event()
        served = asyncio.create_task(
            run_owned(config, load_runtime("process"), ownership, paths=paths, secrets={}, shutdown=shutdown)
        )
        await running.wait()
        shutdown.set()
        await served

    with Watched("a", "process", paths=paths, reporter=Reporter(None)) as ownership:
        if grace is not None:
            runner = records.read("a").runner
            records.ask_to_end("a", runner, grace)
        run(body(ownership))
    assert said.exists() is well


def test_a_manager_tells_the_runner_before_it_signals_it(paths):
    records = RuntimeRecordStore(paths)
    runner = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    with runner:
        runner.stdout.readline()
        identity = identify(runner.pid)
        records.write(RuntimeRecord(name="a", runtime="process", runner=identity))
        assert end(records, Containers(paths), "a", 25.0, runtime="process") == ""
        assert runner.wait(30) == -signal.SIGTERM
    assert records.asked_to_end("a", identity) == 25.0


def test_what_was_asked_of_another_runner_or_is_damaged_does_not_count(paths):
    records = RuntimeRecordStore(paths)
    current = identify(1) or identify(2)
    assert records.asked_to_end("a", current) is None
    with subprocess.Popen(["sleep", "60"]) as other:
        records.ask_to_end("a", identify(other.pid), 25.0)
        other.kill()
    assert records.asked_to_end("a", current) is None
    for damaged in ("{", "[]", '{"runner": 1, "grace": 2}', '{"grace": 2}'):
        (paths.runtimes / "a+end.json").write_text(damaged)
        assert records.asked_to_end("a", current) is None
    assert records.names() == []
    records.delete("a")
    assert not list(paths.runtimes.glob("*end*"))
