"""A manager to be killed: says when it begins, does one thing, and says so.

``python -m tests.support.kill_driver STATE_DIR VERB TOKEN``"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.quick import quick

from workloads import LocalManager, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "one"


def doing(manager: LocalManager, verb: str, token: str) -> Callable[[], object]:
    """What a verb does to the workload; ``token`` is the mark of the run config that it gives."""
    config = quick(NAME, env_vars={"TOKEN": token})
    match verb:
        case "run":
            return lambda: manager.run_workload_detached(config, wait=30)
        case "update":
            return lambda: manager.update_workload(NAME, config).wait(60)
        case "stop":
            return lambda: manager.stop_workloads([NAME]).wait(60)
        case "idle":
            return lambda: time.sleep(0.2)
        case _:
            raise ValueError(f"no such verb: {verb}")


def main(state: str, verb: str, token: str) -> None:
    with LocalManager(settings=Settings(state_dir=Path(state))) as manager:
        manager.list_workloads(all=True)
        work = doing(manager, verb, token)
        print("begins", flush=True)
        work()
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
