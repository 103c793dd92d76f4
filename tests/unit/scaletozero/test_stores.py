"""Names in files: kept, forgotten, damaged, over."""

from __future__ import annotations

import time

import pytest

from workloads.errors import InsecureStateError
from workloads.scaletozero import FileDisableStore, StoredDisable


@pytest.fixture
def store(tmp_path):
    return FileDisableStore(tmp_path / "disables")


def test_names_are_kept_in_files_of_their_own_and_forgotten(store, tmp_path):
    assert store.load() == []
    disables = [StoredDisable(name="a", since=1.5), StoredDisable(name="b.c", since=2.0, expires=time.time() + 100)]
    for each in reversed(disables):
        store.put(each)
    assert store.load() == disables
    assert FileDisableStore(tmp_path / "disables").load() == disables
    for _ in range(2):
        store.remove("a")
    assert store.load() == disables[1:]


def test_what_has_ended_by_itself_is_removed(store, tmp_path):
    store.put(StoredDisable(name="over", since=1.0, expires=2.0))
    assert store.load() == []
    assert list((tmp_path / "disables").glob("*.json")) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"since": "x"}', '{"since": true}', '{"since": 1, "expires": "y"}']
)
def test_a_damaged_file_counts_for_ever(store, tmp_path, caplog, content):
    store.put(StoredDisable(name="a", since=1.0))
    (tmp_path / "disables" / "a.json").write_text(content)
    assert store.load() == [StoredDisable(name="a", since=0.0)]
    assert "it counts as a disable for ever" in caplog.text
    store.remove("a")
    assert store.load() == []


def test_a_folder_that_others_can_change_is_refused(store, tmp_path):
    store.put(StoredDisable(name="a", since=1.0))
    (tmp_path / "disables").chmod(0o777)
    with pytest.raises(InsecureStateError):
        store.load()
