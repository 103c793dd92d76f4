"""One of many managers that update the same workloads: ``stress_driver.py STATE_DIR WORKER UPDATES WORKLOADS SEED``.

It writes a line for each update that was acknowledged: workload, token, and the times of call and acknowledgement. A
line for each run config that is stored goes to ``journal`` beside the state folder, in the order in which that
happened.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.quick import quick

from workloads import LocalManager, Settings


def name_of(number: int) -> str:
    return f"w{number}"


def watch_stores(journal: Path) -> None:
    """Write down every run config just before it becomes the stored one."""
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename":
            target = Path(os.fsdecode(arguments[1]))
            if target.parent.name == "runconfigs" and "+" not in target.name:
                token = json.loads(Path(os.fsdecode(arguments[0])).read_bytes())["env_vars"]["TOKEN"]
                os.write(out, f"{target.stem} {token} {time.monotonic()}\n".encode())

    sys.addaudithook(hook)


def main(state: str, worker: str, updates: str, workloads: str, seed: str) -> None:
    chance = random.Random(f"{seed} {worker}")
    watch_stores(Path(state).with_name("journal"))
    # Nobody is turned away here, however long the queue is.
    with LocalManager(settings=Settings(state_dir=Path(state), busy_timeout=3600)) as manager:
        for number in range(int(updates)):
            name, token = name_of(chance.randrange(int(workloads))), f"{worker}-{number}"
            called = time.monotonic()
            manager.update_workload(name, quick(name, env_vars={"TOKEN": token})).wait()
            print(name, token, called, time.monotonic(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
