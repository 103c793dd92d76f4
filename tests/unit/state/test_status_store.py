from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core.locks import FileLock
from workloads._core.paths import Paths
from workloads.errors import CorruptStateError, InvalidNameError, StateError, WorkloadBusyError
from workloads.model import WorkloadStatus
from workloads.state import StatusRecord, StatusStore
from workloads.state.statuses import _changed

RUNNING, STOPPED, STARTING = WorkloadStatus.RUNNING, WorkloadStatus.STOPPED, WorkloadStatus.STARTING

# As ToolHive writes it.
TOOLHIVE = {
    "status": "running",
    "status_context": "optional text",
    "created_at": "2026-01-05T09:12:44.123456789Z",
    "updated_at": "2026-01-05T09:12:51.5Z",
    "process_id": 48213,
}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_OURS = {"status", "status_context", "created_at", "updated_at", "process_id", "started_at"}


@st.composite
def instants(draw):
    """A moment, and a way to write it down to the nanosecond."""
    moment = datetime(1970, 1, 2, tzinfo=UTC) + draw(st.timedeltas(timedelta(), timedelta(days=2_000_000)))
    digits = f"{moment.microsecond:06}" + draw(st.text("0123456789", max_size=3))
    minutes = draw(st.sampled_from([0, 0, 60, -330, 14 * 60]))
    zone = "Z" if not minutes else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return (
        moment - timedelta(minutes=minutes),
        f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}{zone}",
    )


@pytest.fixture
def paths(tmp_path):
    return Paths.locate(state_dir=tmp_path / "state")


@pytest.fixture
def store(paths):
    return StatusStore(paths)


def put(paths, document, name="a"):
    paths.statuses.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = paths.statuses / f"{name}.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def on_disk(paths, name="a"):
    return json.loads((paths.statuses / f"{name}.json").read_bytes())


def test_what_toolhive_wrote_is_read(store, paths):
    put(paths, TOOLHIVE)
    assert store.read("a") == StatusRecord(
        status=RUNNING,
        status_context="optional text",
        created_at=datetime(2026, 1, 5, 9, 12, 44, 123456, UTC),
        updated_at=datetime(2026, 1, 5, 9, 12, 51, 500000, UTC),
        process_id=48213,
    )


def test_what_is_written_has_the_shape_of_toolhive(store, paths):
    store.set("a", STARTING)
    document = on_disk(paths)
    assert set(document) == {"status", "created_at", "updated_at", "process_id"}
    assert (document["status"], document["process_id"]) == ("starting", 0)
    assert document["created_at"] == document["updated_at"]
    assert document["created_at"].endswith("Z")


def test_a_workload_without_a_status_has_none_and_reading_it_writes_nothing(store, paths):
    assert store.read("a") is None
    assert store.names() == []
    assert not store.delete("a")
    assert not paths.statuses.exists()


def test_creation_time_and_pid_are_kept_to_the_last_digit(store, paths):
    put(paths, TOOLHIVE)
    store.set("a", STOPPED)
    document = on_disk(paths)
    assert document["created_at"] == TOOLHIVE["created_at"]
    assert document["process_id"] == TOOLHIVE["process_id"]
    assert document["updated_at"] > TOOLHIVE["updated_at"]
    assert "status_context" not in document


@pytest.mark.parametrize("pid", [0, 77])
def test_a_pid_that_is_given_is_written(store, pid):
    store.set("a", RUNNING, process_id=5)
    store.set("a", RUNNING, "why", process_id=pid)
    record = store.read("a")
    assert (record.process_id, record.status_context) == (pid, "why")


def test_started_at_is_when_it_last_became_running(store):
    store.set("a", STARTING)
    assert store.read("a").started_at is None
    store.set("a", RUNNING)
    first = store.read("a")
    assert first.started_at == first.updated_at
    store.set("a", WorkloadStatus.AUTH_RETRYING)
    store.set("a", RUNNING, "asleep")
    store.set("a", STOPPED)
    assert store.read("a").started_at == first.started_at
    store.set("a", RUNNING)
    assert store.read("a").started_at > first.started_at


def test_a_status_of_a_later_version_is_unknown_and_named(store, paths):
    put(paths, TOOLHIVE | {"status": "hibernating"})
    record = store.read("a")
    assert record.status is WorkloadStatus.UNKNOWN
    assert "'hibernating'" in record.status_context


@pytest.mark.parametrize("key", ["status_context", "updated_at", "process_id", "started_at"])
@pytest.mark.parametrize("null", [False, True])
def test_only_status_and_creation_time_are_required(store, paths, key, null):
    document = {name: value for name, value in TOOLHIVE.items() if name != key} | ({key: None} if null else {})
    put(paths, document)
    record = store.read("a")
    assert record.created_at <= record.updated_at
    store.set("a", STOPPED)
    assert store.read("a").status is STOPPED


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{", b"[]", b"null", b"\xff", TOOLHIVE | {"status": None}, TOOLHIVE | {"status": 1},
        TOOLHIVE | {"created_at": None}, TOOLHIVE | {"created_at": "yesterday"}, TOOLHIVE | {"created_at": 1.5},
        TOOLHIVE | {"created_at": "2026-01-05T09:12:44"}, TOOLHIVE | {"updated_at": ""},
        TOOLHIVE | {"created_at": "0001-01-01T00:00:00+14:00"}, TOOLHIVE | {"process_id": "1"},
        TOOLHIVE | {"process_id": -1}, TOOLHIVE | {"process_id": True}, {"status": "running"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_file_is_named_and_left_as_it_is(store, paths, document):
    path = put(paths, document)
    data = path.read_bytes()
    with pytest.raises(CorruptStateError) as caught:
        store.read("a")
    assert caught.value.path == path
    assert path.read_bytes() == data
    assert store.names() == ["a"]


def test_a_damaged_file_is_kept_under_another_name_when_a_status_is_set(store, paths, caplog):
    put(paths, b"{damaged")
    with caplog.at_level(logging.WARNING, "workloads.state"):
        store.set("a", STOPPED)
    assert store.read("a").status is STOPPED
    assert (paths.statuses / "a.json.corrupted").read_bytes() == b"{damaged"
    assert [record.kept for record in caplog.records] == [str(paths.statuses / "a.json.corrupted")]
    assert store.names() == ["a"]


def test_what_is_no_file_of_ours_is_not_moved(store, paths):
    path = put(paths, b"")
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(StateError):
        store.set("a", STOPPED)
    assert path.is_symlink()


def test_delete_removes_the_status_and_leaves_the_lock(store, paths):
    store.set("a", STOPPED)
    assert store.delete("a")
    assert not store.delete("a")
    assert store.read("a") is None
    assert [path.name for path in paths.statuses.iterdir()] == ["a.lock"]


def test_whoever_holds_the_lock_is_waited_for_but_not_for_ever(store, paths, monkeypatch):
    monkeypatch.setattr("workloads.state.statuses._LOCK_TIMEOUT", 0.1)
    store.set("a", STOPPED)
    with FileLock(paths.statuses / "a.lock").held(0):
        with pytest.raises(WorkloadBusyError) as caught:
            store.set("a", RUNNING)
        assert caught.value.waited == 0.1
        with pytest.raises(WorkloadBusyError):
            store.delete("a")
        assert store.read("a").status is STOPPED, "reads need no lock"
    with FileLock(paths.statuses / "a.lock").held(0):
        pass


def test_names_are_sorted_and_nothing_else_is_listed(store, paths):
    for name in ("b", "a"):
        store.set(name, STOPPED)
    (paths.statuses / ".b.json.tmp-123").touch()
    assert store.names() == ["a", "b"]


@pytest.mark.parametrize("name", ["../a", "a/b", "", "..", "/a"])
def test_no_name_leads_out_of_the_folder(store, name):
    for operation in (store.read, store.delete, lambda name: store.set(name, STOPPED)):
        with pytest.raises(InvalidNameError):
            operation(name)


@given(
    st.sampled_from(WorkloadStatus), st.text(max_size=20), instants(), instants(), st.integers(0, 2**31 - 1),
    st.none() | instants(), st.dictionaries(st.text().filter(lambda key: key not in _OURS), _JSON, max_size=3),
)  # fmt: skip
def test_any_status_file_is_read_and_keeps_what_is_not_changed(
    tmp_path_factory, status, context, created, updated, pid, started, unknown
):
    paths = Paths.locate(state_dir=tmp_path_factory.mktemp("any"))
    store = StatusStore(paths)
    document = {
        **unknown,
        "status": status.value,
        "status_context": context,
        "created_at": created[1],
        "updated_at": updated[1],
        "process_id": pid,
        **({} if started is None else {"started_at": started[1]}),
    }
    put(paths, document)
    record = store.read("a")
    assert record == StatusRecord(
        status=status,
        status_context=context,
        created_at=created[0],
        updated_at=updated[0],
        process_id=pid,
        started_at=None if started is None else started[0],
        extra=unknown,
    )
    store.set("a", WorkloadStatus.STOPPING, "why")
    changed = {"status": "stopping", "status_context": "why"}
    written = on_disk(paths)
    assert {**document, **changed, "updated_at": written["updated_at"]} == written
    assert list(written) == list(document), "the order stays too"
    assert store.read("a").created_at == created[0]


def test_a_transition_changes_no_document_in_place():
    document = dict(TOOLHIVE)
    _changed(document, STOPPED, "", 0, "2026-01-06T00:00:00Z")
    assert document == TOOLHIVE


def test_a_record_can_be_hashed_and_does_not_change():
    record = StatusRecord.from_dict(TOOLHIVE | {"unknown": [1]})
    assert hash(record) == hash(StatusRecord.from_dict(TOOLHIVE | {"unknown": [1]}))
    with pytest.raises(TypeError):
        record.extra["unknown"] = 2
