"""The backends of a group, of whatever lists workloads."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.views import a_workload

from workloads import (
    BackendDiscoverer,
    Capability,
    EventType,
    GroupNotFoundError,
    RunConfig,
    UnsupportedOperationError,
    WorkloadStatus,
    new_backend_discoverer,
    new_group_manager,
)
from workloads.testing import InMemoryManager


@pytest.fixture
def manager():
    manager = InMemoryManager()
    for group in ("engineering", "empty"):
        new_group_manager(manager).create(group)
    for name, group in (("zeta", "engineering"), ("alpha", "engineering"), ("other", "")):
        manager.run_workload_detached(RunConfig(name=name, image="uvx://server", transport="stdio", group=group))
    return manager


@pytest.fixture
def discoverer(manager):
    return new_backend_discoverer(manager)


class OnlyReads:
    """A reader that is nothing else."""

    def __init__(self, *workloads):
        self.workloads = list(workloads)

    def list_workloads(self, **filters):
        return self.workloads

    def list_workloads_in_group(self, group):
        return [workload for workload in self.workloads if workload.group == group]


def told(event):
    return event.type, event.backend and event.backend.name


def test_the_backends_of_a_group_are_sorted_by_name(manager, discoverer):
    assert isinstance(discoverer, BackendDiscoverer)
    found = discoverer.discover("engineering")
    assert [backend.name for backend in found] == ["alpha", "zeta"]
    assert [backend.url for backend in found] == [manager.get_workload(name).url for name in ("alpha", "zeta")]
    assert {backend.metadata["group"] for backend in found} == {"engineering"}
    assert [backend.name for backend in discoverer.discover("default")] == ["other"]


def test_a_group_that_does_not_exist_is_an_error_and_an_empty_one_is_empty(discoverer):
    assert discoverer.discover("empty") == []
    for ask in (discoverer.discover, discoverer.watch):
        with pytest.raises(GroupNotFoundError):
            ask("nowhere")


def test_a_backend_that_does_not_run_is_found_with_its_health(manager, discoverer):
    manager.set_status("zeta", WorkloadStatus.ERROR, "exited with code 137")
    manager.stop_workloads(["alpha"]).wait()
    assert [(each.name, each.health) for each in discoverer.discover("engineering")] == [
        ("alpha", "unhealthy"),
        ("zeta", "unhealthy"),
    ]


def test_a_workload_that_is_too_damaged_to_be_in_a_group_is_warned_of(caplog):
    lost = a_workload("lost", group="", status=WorkloadStatus.ERROR, status_context="lost.json is not a run config")
    discoverer = new_backend_discoverer(OnlyReads(lost, a_workload()))
    with caplog.at_level(logging.WARNING, "workloads.discovery"):
        assert [backend.name for backend in discoverer.discover("default")] == ["time"]
    (warning,) = caplog.records
    assert (warning.workload, warning.reason) == ("lost", "lost.json is not a run config")


def test_changes_are_told_as_they_happen(manager, discoverer):
    with discoverer.watch("engineering") as watch:
        assert [told(next(watch)) for _ in range(3)] == [
            (EventType.ADDED, "alpha"),
            (EventType.ADDED, "zeta"),
            (EventType.SYNCED, None),
        ]
        manager.set_status("alpha", WorkloadStatus.UNHEALTHY, "no answer")
        event = next(watch)
        assert (told(event), event.backend.health) == ((EventType.MODIFIED, "alpha"), "unhealthy")
        manager.move_to_group(["other"], "default", "engineering")
        assert told(next(watch)) == (EventType.ADDED, "other")
        manager.delete_workloads(["zeta"]).wait()
        while (event := next(watch)).type is EventType.MODIFIED:
            assert event.backend.name == "zeta"
        assert told(event) == (EventType.DELETED, "zeta")


def test_what_does_not_change_a_backend_is_not_told(manager, discoverer):
    with discoverer.watch("engineering") as watch:
        while next(watch).type is not EventType.SYNCED:
            pass
        manager.set_status("alpha", WorkloadStatus.RUNNING, asleep=True)
        manager.set_status("zeta", WorkloadStatus.UNHEALTHY)
        assert told(next(watch)) == (EventType.MODIFIED, "zeta")


def test_closing_ends_a_watch_that_waits(discoverer):
    watch = discoverer.watch("empty")
    assert next(watch).type is EventType.SYNCED
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, watch, "closed")
        watch.close()
        assert waiting.result(60) == "closed"
    watch.close()
    assert list(watch) == []


def test_what_does_not_tell_of_changes_cannot_be_watched():
    reader = OnlyReads(a_workload())
    assert [backend.name for backend in new_backend_discoverer(reader).discover("default")] == ["time"]
    with pytest.raises(UnsupportedOperationError, match="OnlyReads does not tell of changes"):
        new_backend_discoverer(reader).watch("default")
    silent = InMemoryManager(capabilities=set(Capability) - {Capability.WATCH})
    with pytest.raises(UnsupportedOperationError):
        new_backend_discoverer(silent).watch("default")
