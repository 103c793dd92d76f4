"""What it takes to list workloads, beside reading the same files with orjson."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from bench.harness import ROUNDS, Figure, fresh_interpreter, interleaved, report, timed
from workloads import RunConfig, WorkloadStatus, new_manager
from workloads._core import process
from workloads._core.paths import Paths
from workloads.factory import Settings
from workloads.state import RunConfigStore, RuntimeRecord, RuntimeRecordStore, StatusStore

COUNT = 500
MANY = 5_000
COLD_GOAL = 2.0
WARM_GOAL = 25.0
GROWTH_GOAL = 1.5
COMMAND_GOAL = 300.0


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure lists of 500 and 5,000 workloads that run, as far as their files say."""
    with tempfile.TemporaryDirectory(prefix="workloads-bench-") as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        _fill(few, COUNT)
        _fill(many, MANY)
        managers = {place: new_manager("process", settings=Settings(state_dir=place)) for place in (few, many)}
        for manager in managers.values():
            assert manager.list_workloads()
        command = (
            "from workloads.cli import main; import sys;"
            f"sys.stdout = open('/dev/null', 'w'); main(['--state-dir', {str(few)!r}, 'list', '--json'])"
        )
        taken = interleaved(
            {
                "orjson alone": lambda: timed(lambda: _read(few)),
                "a new manager": lambda: timed(lambda: _cold(few)),
                "the same manager again": lambda: timed(managers[few].list_workloads),
                "the same manager again, 5,000": lambda: timed(managers[many].list_workloads),
                "workloads list --json": lambda: fresh_interpreter(command),
            },
            rounds,
        )
    ms = {name: sample.wall * 1000 for name, sample in taken.items()}
    cpu = {name: sample.cpu * 1000 for name, sample in taken.items()}
    cold = taken["a new manager"].cpu / taken["orjson alone"].cpu
    growth = taken["the same manager again, 5,000"].cpu / taken["the same manager again"].cpu / (MANY / COUNT)
    return report(
        "listing",
        [
            Figure("CPU, a new manager to orjson alone", cold, "x", COLD_GOAL, steady=False),
            Figure("CPU, the same manager again", cpu["the same manager again"], "ms", WARM_GOAL, steady=False),
            Figure("CPU, workloads list --json", cpu["workloads list --json"], "ms", COMMAND_GOAL, steady=False),
            Figure("CPU, 5,000 to ten times 500", growth, "x", GROWTH_GOAL, steady=False),
            *(Figure(f"wall, {name}", value, "ms", steady=False) for name, value in ms.items()),
        ],
        plot={"title": "A list of 500 workloads", "unit": "ms", "values": ms},
    )


def _cold(place: Path) -> None:
    with new_manager("process", settings=Settings(state_dir=place)) as manager:
        manager.list_workloads()


def _read(place: Path) -> None:
    for folder in ("runconfigs", "statuses", "runtimes"):
        with os.scandir(place / folder) as files:
            for file in files:
                if file.name.endswith(".json"):
                    with open(file.path, "rb") as content:  # noqa: PTH123  # the leanest there is
                        orjson.loads(content.read())


def _fill(place: Path, count: int) -> None:
    """Write one workload as the library does, and the others after its pattern."""
    paths, me = Paths.locate(state_dir=place), process.current()
    config = RunConfig(
        name="w00000", command=[sys.executable], port=10000, env_vars={"A": "b"}, container_labels={"team": "a"}
    )
    RunConfigStore(paths).save(config)
    StatusStore(paths).set(config.name, WorkloadStatus.RUNNING, process_id=me.pid)
    RuntimeRecordStore(paths).write(
        RuntimeRecord(name=config.name, runtime="process", port=10000, runner=me, replicas=(me,), ready_replicas=1)
    )
    past = time.time() - 10
    for folder in (paths.runconfigs, paths.statuses, paths.runtimes):
        pattern = (folder / "w00000.json").read_text()
        for index in range(count):
            file = folder / f"w{index:05}.json"
            file.write_text(pattern.replace("w00000", file.stem))
            file.chmod(0o600)
            os.utime(file, (past, past))
