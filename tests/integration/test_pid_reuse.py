"""A pid on record may mean somebody else's process by now: that is never signalled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from tests.support.quick import quick
from tests.support.reuse_driver import BYSTANDER

from workloads import LocalManager, Settings, WorkloadStatus
from workloads._core.process import ProcessIdentity, identify
from workloads.runtimes.process.ports import free_port
from workloads.state import RuntimeRecord

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manager(state_dir):
    with LocalManager(settings=Settings(state_dir=state_dir)) as manager:
        yield manager
        manager.delete_workloads(["quick"]).wait(20)


@pytest.fixture
def bystander():
    """Somebody else's process, which leads a group and says which signals it gets."""
    with subprocess.Popen(
        [sys.executable, "-c", BYSTANDER], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
        assert process.poll() is None, "it was killed"
        process.kill()
        assert process.stdout.read() == "", "it was signalled"


def looks_alike(bystander: subprocess.Popen[str], **differs: object) -> ProcessIdentity:
    identity = identify(bystander.pid)
    assert identity is not None
    if "start_ticks" in differs:
        differs["start_ticks"] = identity.start_ticks - 1
    return attrs.evolve(identity, **differs)


@pytest.mark.parametrize("differs", [{"start_ticks": -1}, {"boot_id": "b"}, {"pid_namespace": "n"}, {"host": "h"}])
@pytest.mark.parametrize("verb", ["stop", "delete", "update", "prune"])
def test_a_pid_that_means_another_process_is_not_signalled(manager, bystander, verb, differs):
    """TH-13.15: the recorded PID is killed without checking that it is still our process (PID reuse)."""
    identity = looks_alike(bystander, **differs)
    inventory = manager._inventory
    inventory.configs.save(quick(port=4711))
    inventory.records.write(
        RuntimeRecord(name="quick", runtime="process", runner=identity, replicas=(identity,), ready_replicas=1)
    )
    inventory.statuses.set("quick", WorkloadStatus.RUNNING, process_id=identity.pid)
    assert manager.get_workload("quick").status is WorkloadStatus.UNHEALTHY
    match verb:
        case "stop":
            manager.stop_workloads(["quick"]).wait(20)
        case "delete":
            manager.delete_workloads(["quick"]).wait(20)
        case "update":
            manager.update_workload("quick", quick(port=4712)).wait(20)
        case "prune":
            inventory.configs.delete("quick")
            assert manager.prune() == ["quick"]
    assert inventory.stored("quick") is None or not inventory.has_runner("quick")


@pytest.mark.parametrize("verb", ["restart", "recover"])
def test_a_workload_whose_pids_mean_other_processes_is_started_beside_them(manager, bystander, verb):
    """TH-13.15: "supervisor alive" means PID > 0."""
    identity = looks_alike(bystander, start_ticks=-1)
    inventory = manager._inventory
    inventory.configs.save(quick(port=free_port()))
    inventory.records.write(
        RuntimeRecord(name="quick", runtime="process", runner=identity, replicas=(identity,), ready_replicas=1)
    )
    inventory.statuses.set("quick", WorkloadStatus.RUNNING, process_id=identity.pid)
    (manager.restart_workloads(["quick"]) if verb == "restart" else manager.recover()).wait(30)
    assert manager.get_workload("quick").status is WorkloadStatus.RUNNING


@pytest.mark.needs("pid-namespaces")
def test_pids_that_were_really_given_to_others_are_not_signalled(state_dir):
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "tests.support.reuse_driver", state_dir],
        cwd=ROOT, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert done.stdout.endswith("untouched\n"), done.stdout + done.stderr
