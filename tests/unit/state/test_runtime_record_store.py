from __future__ import annotations

import json
from importlib.metadata import version

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core import process
from workloads._core.paths import Paths
from workloads._core.process import ProcessIdentity
from workloads.errors import CorruptStateError, InvalidNameError
from workloads.state import RuntimeRecord, RuntimeRecordStore

ONE = ProcessIdentity(11, 100, "boot", "pid:[1]", "host")
TWO = ProcessIdentity(22, 200, "boot", "pid:[1]", "host")
RECORD = RuntimeRecord(
    name="a",
    runtime="process",
    library_version="0.1.0",
    host="127.0.0.1",
    port=4000,
    runner=ONE,
    replicas=(ONE, TWO),
    ready_replicas=1,
    extra={"from_the_future": [1]},
)

_identities = st.builds(
    ProcessIdentity, st.integers(1, 2**31 - 1), st.integers(0, 2**63 - 1), st.text(), st.text(), st.text()
)
_records = st.builds(
    RuntimeRecord,
    name=st.just("a"),
    runtime=st.text(),
    library_version=st.text(),
    host=st.text(),
    port=st.integers(0, 65535),
    proxy_url=st.text(),
    launcher=st.none() | _identities,
    runner=st.none() | _identities,
    replicas=st.lists(_identities, max_size=3),
    ready_replicas=st.integers(0, 9),
    extra=st.dictionaries(st.sampled_from(["x", "y"]), st.none() | st.integers() | st.lists(st.text()), max_size=2),
)


@pytest.fixture
def paths(tmp_path):
    return Paths.locate(state_dir=tmp_path / "state")


@pytest.fixture
def store(paths):
    return RuntimeRecordStore(paths)


def test_a_record_comes_back(store):
    store.write(RECORD)
    assert store.read("a") == RECORD
    assert store.names() == ["a"]


@given(_records)
def test_any_record_comes_back_from_its_document(record):
    assert RuntimeRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_workload_without_a_record_has_none_and_reading_it_writes_nothing(store, paths):
    assert store.read("a") is None
    assert store.names() == []
    assert not store.delete("a")
    assert not paths.state.exists()


def test_only_name_and_runtime_are_required():
    record = RuntimeRecord.from_dict({"name": "a", "runtime": "docker", "replicas": None, "runner": None})
    assert record == RuntimeRecord(name="a", runtime="docker")


def test_a_released_record_has_no_processes_and_keeps_the_rest():
    released = attrs.evolve(RECORD, launcher=TWO).released()
    assert released == attrs.evolve(RECORD, runner=None, replicas=(), ready_replicas=0)


def test_launching_writes_down_who_starts_it_and_keeps_what_else_is_known(store):
    store.write(RECORD)
    record = store.launch("a", "podman")
    assert record == store.read("a")
    assert record == attrs.evolve(
        RECORD.released(),
        runtime="podman",
        library_version=version("workloads"),
        launcher=process.current(),
        launch_id=record.launch_id,
    )
    assert record.launch_id not in ("", store.launch("a", "podman").launch_id)


def test_launching_a_new_workload_makes_a_record(store):
    store.launch("new", "process")
    assert store.read("new").launcher == process.current()


@pytest.mark.parametrize(
    "change",
    [
        {"name": None}, {"runtime": 1}, {"port": "1"}, {"port": -1}, {"runner": []}, {"runner": {"pid": 1}},
        {"replicas": {}}, {"replicas": [{}]}, {"replicas": ["1"]}, {"ready_replicas": 1.5}, {"name": "b"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_file_is_named_and_left_as_it_is(store, paths, change):
    store.write(RECORD)
    path = paths.runtimes / "a.json"
    path.write_text(json.dumps(RECORD.to_dict() | change))
    data = path.read_bytes()
    with pytest.raises(CorruptStateError) as caught:
        store.read("a")
    assert caught.value.path == path
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\0\0"])
def test_a_file_that_is_no_document_is_damage(store, paths, data):
    store.write(RECORD)
    (paths.runtimes / "a.json").write_bytes(data)
    with pytest.raises(CorruptStateError):
        store.read("a")


def test_a_pid_that_is_damaged_says_where():
    with pytest.raises(ValueError, match=r"^replicas\[1\]\.pid: "):
        RuntimeRecord.from_dict(RECORD.to_dict() | {"replicas": [ONE.to_dict(), TWO.to_dict() | {"pid": 0}]})


def test_delete_removes_the_record_and_leaves_the_locks(store, paths):
    store.write(RECORD)
    with store.owner_lock("a").held(0), store.operation_lock("a").held(0):
        assert store.delete("a")
    assert store.names() == []
    assert store.owner_lock("a").path.exists()


def test_the_two_locks_of_a_workload_do_not_touch(store):
    with store.owner_lock("a").held(0), store.operation_lock("a").held(0):
        assert not store.owner_lock("a").acquire(0)
        assert not store.operation_lock("a").acquire(0)


@pytest.mark.parametrize("other", ["a.op", "a.lock", "a.json", "aop", "a-op"])
def test_the_locks_of_no_other_workload_are_in_the_way(store, other):
    files = {store.owner_lock(name).path for name in ("a", other)} | {
        store.operation_lock(name).path for name in ("a", other)
    }
    assert len(files) == 4
    assert store.names() == []


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".."])
def test_no_name_leads_out_of_the_folder(store, name):
    for operation in (store.read, store.delete, store.owner_lock, store.operation_lock):
        with pytest.raises(InvalidNameError):
            operation(name)
    with pytest.raises(InvalidNameError):
        store.write(attrs.evolve(RECORD, name=name))


def test_containers_are_kept_with_the_port_when_nothing_runs(store):
    ids = ("0" * 64, "a" * 64)
    store.write(RuntimeRecord(name="a", runtime="docker", port=4000, containers=ids))
    assert store.read("a").containers == ids
    assert store.read("a").released().containers == ids
    assert "containers" not in RuntimeRecord(name="a", runtime="process").to_dict()


@pytest.mark.parametrize("value", ["x", ["x"], [1], ["A" * 64], {"a": 1}])
def test_what_cannot_be_the_id_of_a_container_is_damage(value):
    with pytest.raises(ValueError, match="containers: expected a list of ids"):
        RuntimeRecord.from_dict({"name": "a", "runtime": "docker", "containers": value})
