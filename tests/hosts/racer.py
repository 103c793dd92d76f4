"""A program that does to one workload what it is told, in several threads at once: ``racer.py NAME``.

Each line of its input is a JSON list of verbs, one for each thread: ``run``, ``start``, ``stop``, ``delete``. It
answers each with a line, the list of what became of them: ``ok`` or the name of an error. An error that is none of this
library ends it.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.quick import quick

from workloads import BatchError, LocalManager, WorkloadsError


def attempt(manager: LocalManager, verb: str, name: str) -> str:
    try:
        match verb:
            case "run":
                manager.run_workload_detached(quick(name))
            case "start":
                manager.start_workloads([name]).wait(120)
            case "stop":
                manager.stop_workloads([name], grace=5).wait(120)
            case "delete":
                manager.delete_workloads([name], grace=5).wait(120)
    except BatchError as error:
        return type(error.exceptions[0]).__name__
    except WorkloadsError as error:
        return type(error).__name__
    return "ok"


def main() -> None:
    [name] = sys.argv[1:]
    with LocalManager() as manager, ThreadPoolExecutor(8) as threads:
        for line in sys.stdin:
            verbs = json.loads(line)
            together = threading.Barrier(len(verbs))

            def one(verb: str, together: threading.Barrier = together) -> str:
                together.wait(120)
                return attempt(manager, verb, name)

            print(json.dumps(list(threads.map(one, verbs))), flush=True)


if __name__ == "__main__":
    main()
