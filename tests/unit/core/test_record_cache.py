"""Records in memory: read again where their files changed, and only there."""

from __future__ import annotations

import os
import time

import pytest

from workloads._core.cache import RecordCache
from workloads._core.records import RecordFolder
from workloads.config.names import check_workload_name
from workloads.errors import CorruptStateError, StateError


@pytest.fixture
def folder(tmp_path):
    return RecordFolder(tmp_path / "records", tmp_path, check_workload_name)


@pytest.fixture
def cache(folder):
    def parse(name: str, data: bytes) -> str:
        parsed.append(name)
        if data == b"bad":
            raise CorruptStateError(folder.path(name), "is bad")
        return data.decode()

    parsed: list[str] = []
    cache = RecordCache(folder, parse)
    cache.parsed = parsed
    return cache


def leave_alone(folder: RecordFolder, *names: str) -> None:
    """Make files look as if nobody had written them for a while."""
    past = time.time() - 10
    for name in names:
        os.utime(folder.path(name), (past, past))


def test_a_missing_folder_is_an_empty_one(cache):
    assert cache.read() == {}


def test_what_did_not_change_is_not_parsed_again(folder, cache):
    folder.write("a", b"1")
    folder.write("b", b"2")
    leave_alone(folder, "a", "b")
    assert cache.read() == cache.read() == {"a": "1", "b": "2"}
    assert sorted(cache.parsed) == ["a", "b"]
    folder.write("a", b"3")
    assert cache.read() == {"a": "3", "b": "2"}
    folder.remove("b")
    assert cache.read() == {"a": "3"}


def test_what_was_written_just_now_is_not_known_by_its_stamp(folder, cache):
    folder.write("a", b"1")
    cache.read()
    path = folder.path("a")
    stamp = path.stat()
    path.write_bytes(b"2")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert cache.read() == {"a": "2"}


def test_damage_is_told_in_the_place_of_the_record_and_the_others_are_there(folder, cache, tmp_path):
    folder.write("a", b"bad")
    folder.write("b", b"2")
    (tmp_path / "target").write_text("x")
    folder.path("c").symlink_to(tmp_path / "target")
    read = cache.read()
    assert isinstance(read["a"], CorruptStateError)
    assert read["b"] == "2"
    assert isinstance(read["c"], StateError)


def test_other_files_are_passed_over(folder, cache):
    folder.write("a", b"1")
    for name in (".a.json.tmp-1", "a.lock", "no name!.json", "a+proposed.json"):
        (folder.folder / name).write_text("x")
    assert cache.read() == {"a": "1"}
