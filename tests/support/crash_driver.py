"""A program that changes one workload, for tests that end it anywhere: ``crash_driver.py STATE_DIR VERB``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workloads import LocalManager, RunConfig, Settings, WorkloadStatus
from workloads._core.process import wait_gone
from workloads.testing import crashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.secrets import EncryptedProvider

QUICK = str(Path(__file__).parents[1] / "servers" / "quick_stdio.py")
STARTED = "start-and-"
"""Begins the verbs that are done to a workload which runs."""


def config(**fields: Any) -> RunConfig:
    """The workload, without a server unless ``backend_replicas`` says so."""
    return RunConfig(**{"name": "one", "command": [sys.executable, QUICK], "backend_replicas": 0, **fields})


def vault(folder: Path) -> EncryptedProvider:
    """Encrypted secrets in the state folder."""
    from workloads.secrets import EncryptedProvider

    return EncryptedProvider(folder / "secrets_encrypted", lambda: "a password", cost=10)


def main(folder: str, verb: str) -> None:
    state = Path(folder)
    with LocalManager(settings=Settings(state_dir=state)) as manager:
        # What is loaded late is loaded first: it is not what is tested, and takes its time at every point.
        manager.list_workloads(all=True)
        if verb.startswith(STARTED):
            manager.start_workloads(["one"]).wait(30)
        work = VERBS[verb.removeprefix(STARTED)](manager, state)
        with crashes.watched():
            work()


def create(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.run_workload_detached(config(env_vars={"NEW": "yes"}))


def start(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.start_workloads(["one"]).wait(30)


def stop(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.stop_workloads(["one"]).wait(30)


def restart(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.restart_workloads(["one"]).wait(30)


def update(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.update_workload("one", config(env_vars={"NEW": "yes"})).wait(30)


def delete(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.delete_workloads(["one"]).wait(30)


def move(manager: LocalManager, _: Path) -> Callable[[], object]:
    return lambda: manager.move_to_group(["one"], "default", "blue")


def recover(manager: LocalManager, _: Path) -> Callable[[], object]:
    """Of a workload whose runner was killed."""
    record = manager._inventory.records.read("one")
    assert record is not None
    assert record.runner is not None
    os.kill(record.runner.pid, signal.SIGKILL)
    wait_gone(record.runner)
    return lambda: manager.recover().wait(30)


def prune(manager: LocalManager, _: Path) -> Callable[[], object]:
    """Of a workload whose run config was removed."""
    manager._inventory.configs.delete("one")
    return manager.prune


def set_secret(_: LocalManager, state: Path) -> Callable[[], object]:
    provider = vault(state)
    provider.set("kept", "kept value")
    return lambda: provider.set("new", "new value")


def runner(manager: LocalManager, state: Path) -> Callable[[], object]:
    """The whole life of a proxy runner with a server, in this process; a signal ends it once its server is ready."""
    from workloads.cli.entry import run as command
    from workloads.managers.handshake import Start

    manager.update_workload("one", config(backend_replicas=1)).wait(30)
    read, write = os.pipe()
    os.write(write, Start({}).encode())
    os.close(write)
    os.dup2(read, 0)

    def end_when_ready() -> None:
        with manager.watch_workloads() as changes:
            for change in changes:
                if change.workload is not None and change.workload.status is WorkloadStatus.RUNNING:
                    os.kill(os.getpid(), signal.SIGTERM)
                    return

    def run() -> None:
        threading.Thread(target=end_when_ready, daemon=True).start()
        command(["--state-dir", str(state), "proxyrunner", "--name", "one"])

    return run


VERBS: dict[str, Callable[[LocalManager, Path], Callable[[], object]]] = {
    "create": create, "start": start, "stop": stop, "restart": restart, "update": update, "delete": delete,
    "move": move, "recover": recover, "prune": prune, "set-secret": set_secret, "runner": runner,
}  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
