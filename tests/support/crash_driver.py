"""A program that changes one workload, for tests that end it anywhere: ``crash_driver.py STATE_DIR VERB``."""

from __future__ import annotations

import sys
from pathlib import Path

from workloads import LocalManager, RunConfig, Settings
from workloads.testing import crashes

QUICK = str(Path(__file__).parents[1] / "servers" / "quick_stdio.py")


def config(**fields) -> RunConfig:
    return RunConfig(name="one", command=[sys.executable, QUICK], backend_replicas=0, **fields)


def main(folder: str, verb: str) -> None:
    with LocalManager(settings=Settings(state_dir=Path(folder))) as manager:
        # What is loaded late is loaded first: it is not what is tested, and takes its time at every point.
        manager.list_workloads(all=True)
        match verb:
            case "create":
                with crashes.watched():
                    manager.run_workload_detached(config(env_vars={"NEW": "yes"}))
            case "update":
                with crashes.watched():
                    manager.update_workload("one", config(env_vars={"NEW": "yes"})).wait(30)
            case "move":
                with crashes.watched():
                    manager.move_to_group(["one"], "default", "blue")
            case "delete":
                with crashes.watched():
                    manager.delete_workloads(["one"]).wait(30)
            case "start-and-update":
                manager.start_workloads(["one"]).wait(30)
                with crashes.watched():
                    manager.update_workload("one", config(env_vars={"NEW": "yes"})).wait(30)
            case "start-and-delete":
                manager.start_workloads(["one"]).wait(30)
                with crashes.watched():
                    manager.delete_workloads(["one"]).wait(30)
            case _:
                raise SystemExit(f"no such verb: {verb}")


if __name__ == "__main__":
    main(*sys.argv[1:])
