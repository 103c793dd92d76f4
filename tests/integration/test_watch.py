"""Changes are told as they happen: by files, by processes that end, coalesced for who is slow."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time

import attrs
import pytest
from tests.support.waiting import wait_until

from workloads._core import changes, process
from workloads._core.paths import Paths
from workloads.config import RunConfig
from workloads.errors import GroupNotFoundError, InsecureStateError
from workloads.groups import Group
from workloads.managers.feeds import Feeds
from workloads.managers.inventory import Inventory
from workloads.managers.watch import WorkloadWatch
from workloads.model import EventType, WorkloadStatus
from workloads.state import RuntimeRecord

ADDED, MODIFIED, DELETED, SYNCED = EventType.ADDED, EventType.MODIFIED, EventType.DELETED, EventType.SYNCED


@pytest.fixture
def inventory(tmp_path):
    return Inventory(Paths.locate(state_dir=tmp_path / "app"))


def save(inventory: Inventory, name: str, **fields) -> None:
    inventory.configs.save(RunConfig(name=name, command=["x"], **fields))


def told(watch: WorkloadWatch, count: int) -> list[tuple[EventType, str]]:
    events = [next(watch) for _ in range(count)]
    return [(event.type, event.workload.name if event.workload else "") for event in events]


def test_all_present_are_added_then_synced_then_changes_come(inventory):
    save(inventory, "b")
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        assert told(watch, 3) == [(ADDED, "a"), (ADDED, "b"), (SYNCED, "")]
        save(inventory, "c")
        assert told(watch, 1) == [(ADDED, "c")]
        inventory.statuses.set("a", WorkloadStatus.ERROR, "broken")
        assert told(watch, 1) == [(MODIFIED, "a")]
        inventory.configs.delete("b")
        assert told(watch, 1) == [(DELETED, "b")]


def test_folders_that_do_not_exist_yet_are_seen_when_they_come(inventory):
    with WorkloadWatch(inventory) as watch:
        assert told(watch, 1) == [(SYNCED, "")]
        save(inventory, "a")
        assert told(watch, 1) == [(ADDED, "a")]


def test_a_file_that_cannot_be_read_is_told_as_in_lists_and_ends_no_watch(inventory):
    for name in ("a", "b"):
        save(inventory, name)
    with WorkloadWatch(inventory) as watch:
        told(watch, 3)
        file = inventory.paths.runconfigs / "a.json"
        kept = file.rename(file.with_name("kept"))
        file.symlink_to(kept)
        event = next(watch)
        assert (event.type, event.workload) == (MODIFIED, inventory.everything()[0])
        assert event.workload.status is WorkloadStatus.ERROR
        assert "is a symbolic link" in event.workload.status_context
        kept.replace(file)
        assert told(watch, 1) == [(MODIFIED, "a")]


@pytest.mark.needs("linux")
def test_a_change_that_could_not_be_looked_at_is_told_later(inventory):
    save(inventory, "a")
    folder = inventory.paths.runconfigs
    with WorkloadWatch(inventory) as watch:
        told(watch, 2)
        inventory.configs.delete("a")
        folder.chmod(0o722)
        for _ in range(2):
            with pytest.raises(InsecureStateError):
                next(watch)
        folder.chmod(0o700)
        assert told(watch, 1) == [(DELETED, "a")]


def test_a_slow_reader_gets_the_last_state_once(inventory):
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        told(watch, 2)
        for index in range(50):
            inventory.statuses.set("a", WorkloadStatus.ERROR, f"try {index}")
        save(inventory, "z")
        events = [next(watch), next(watch)]
        assert [event.type for event in events] == [MODIFIED, ADDED]
        assert events[0].workload.status_context == "try 49"


def test_what_is_written_without_a_change_is_not_told(inventory):
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        told(watch, 2)
        save(inventory, "a")
        save(inventory, "b")
        assert told(watch, 1) == [(ADDED, "b")]


def test_the_end_of_a_runner_is_told_though_no_file_changes(inventory):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        save(inventory, "a")
        inventory.statuses.set("a", WorkloadStatus.RUNNING)
        inventory.records.write(RuntimeRecord(name="a", runtime="process", runner=process.identify(child.pid)))
        with WorkloadWatch(inventory) as watch:
            assert told(watch, 2) == [(ADDED, "a"), (SYNCED, "")]
            child.kill()
            event = next(watch)
            assert (event.type, event.workload.status) == (MODIFIED, WorkloadStatus.UNHEALTHY)
    finally:
        child.kill()
        child.communicate()


def test_a_group_is_watched_alone(inventory):
    inventory.groups.create(Group("blue"))
    save(inventory, "a", group="blue")
    save(inventory, "b")
    with WorkloadWatch(inventory, group="blue") as watch:
        assert told(watch, 2) == [(ADDED, "a"), (SYNCED, "")]
        save(inventory, "b", group="blue")
        assert told(watch, 1) == [(ADDED, "b")]
        save(inventory, "a")
        assert told(watch, 1) == [(DELETED, "a")]
    with pytest.raises(GroupNotFoundError):
        WorkloadWatch(inventory, group="red")


def test_after_changes_were_missed_everything_is_looked_at_again_and_synced(inventory):
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        told(watch, 2)
        inventory.paths.runconfigs.joinpath("a.json").unlink()
        inventory.paths.runconfigs.rename(inventory.paths.runconfigs.with_name("gone"))
        save(inventory, "b")
        seen = set()
        while (SYNCED, "") not in seen:
            seen |= set(told(watch, 1))
        assert seen >= {(DELETED, "a"), (ADDED, "b"), (SYNCED, "")}


def test_closing_from_another_thread_ends_a_blocked_next_within_a_tenth_of_a_second(inventory):
    took = []
    for _ in range(5):
        watch = WorkloadWatch(inventory)
        told(watch, 1)
        reader = threading.Thread(target=list, args=(watch,))
        reader.start()
        wait_until(watch._lock.locked)
        closed = time.monotonic()
        watch.close()
        reader.join(30)
        assert not reader.is_alive()
        took.append(time.monotonic() - closed)
        watch.close()
        assert list(watch) == []
    assert statistics.median(took) < 0.1  # the machine may hold up some


@pytest.mark.parametrize(("where", "call"), [(Feeds, "__init__"), (changes, "is_alive"), (Feeds, "close")])
def test_a_watch_that_is_interrupted_as_it_begins_looks_or_ends_leaves_no_descriptor(
    inventory, monkeypatch, where, call
):
    save(inventory, "a")
    inventory.records.write(RuntimeRecord(name="a", runtime="process", runner=process.identify(os.getpid())))
    looks = []

    def interrupted(*args: object) -> bool:
        looks.append(args)
        if call == "is_alive" and len(looks) == 1:  # the second look is when there is a descriptor of the process
            return True
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, call, interrupted)
        with pytest.raises(KeyboardInterrupt), WorkloadWatch(inventory) as watch:
            told(watch, 2)
    assert looks


def test_files_of_others_in_the_folder_do_no_harm(inventory):
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        told(watch, 2)
        (inventory.paths.runconfigs / "not a name!.json").write_text("x")
        (inventory.paths.runconfigs / ".a.json.tmp-1").write_text("x")
        save(inventory, "b")
        assert told(watch, 1) == [(ADDED, "b")]


def test_where_nobody_tells_the_folders_are_looked_at(inventory, monkeypatch):
    from workloads._core import changes

    monkeypatch.setattr(changes, "_InotifyFolders", changes._PolledFolders)
    save(inventory, "a")
    with WorkloadWatch(inventory) as watch:
        assert told(watch, 2) == [(ADDED, "a"), (SYNCED, "")]
        save(inventory, "b")
        assert told(watch, 1) == [(ADDED, "b")]
        inventory.configs.delete("b")
        assert told(watch, 1) == [(DELETED, "b")]


def test_a_frozen_event_can_be_kept(inventory):
    with WorkloadWatch(inventory) as watch:
        event = next(watch)
    assert attrs.asdict(event) == {"type": SYNCED, "workload": None}
