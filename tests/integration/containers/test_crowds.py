"""Many operations on few names at once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import workloads
from workloads import RunConfig
from workloads.errors import WorkloadsError

pytestmark = pytest.mark.timeout(300)


def test_runs_and_deletes_of_the_same_names_at_once_leave_nothing(engine):
    """Each succeeds or says why; the fixture sees that no container or network is left."""
    config = RunConfig(name="a", image=engine.python, command=["python3", "-I", "-S", "/servers/quick_stdio.py"])
    chooser = random.Random(7)
    errors: list[BaseException] = []

    def work(name: str, verb: str) -> None:
        try:
            with workloads.new_manager(engine.name) as manager:
                if verb == "run":
                    manager.run_workload_detached(config.evolve(name=name))
                elif verb == "delete":
                    manager.delete_workloads([name], grace=1).wait(200)
                else:
                    manager.stop_workloads([name], grace=1).wait(200)
        except WorkloadsError as error:
            errors.append(error)

    count = 50 if engine.name == "docker" else 10
    with ThreadPoolExecutor(count) as pool:
        jobs = [(f"w{chooser.randrange(3)}", chooser.choice(["run", "run", "delete", "stop"])) for _ in range(count)]
        for outcome in [pool.submit(work, *job) for job in jobs]:
            outcome.result()
    with workloads.new_manager(engine.name) as manager:
        manager.delete_workloads([f"w{number}" for number in range(3)], grace=1).wait(200)
        assert manager.list_workloads(all=True) == []
    odd = [error for error in errors if "exists" not in str(error) and "not found" not in str(error)]
    assert odd == []
