from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core.records import RecordFolder, dump_object, parse_object
from workloads.config.names import check_workload_name
from workloads.errors import CorruptStateError, InsecureStateError, InvalidNameError, StateError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_BAD_NAMES = ["", ".", "..", "../a", "/etc/passwd", "a/b", "a\0b", "a b", "é", "\udcff", "x" * 101, "a\n"]


@pytest.fixture
def records(tmp_path):
    return RecordFolder(tmp_path / "state" / "things", tmp_path / "state", check_workload_name)


@pytest.mark.parametrize("name", _BAD_NAMES)
def test_no_name_reaches_a_path_unchecked(records, name):
    operations = [
        records.path, records.exists, records.read, records.remove, records.lock, records.set_aside,
        lambda name: records.write(name, b""), lambda name: records.create(name, b""),
    ]  # fmt: skip
    for operation in operations:
        with pytest.raises(InvalidNameError):
            operation(name)
    assert not records.root.exists()


def test_reading_a_folder_that_is_missing_creates_nothing(records):
    assert records.names() == []
    assert records.read("a") is None
    assert not records.exists("a")
    assert not records.remove("a")
    assert not records.root.exists()


def test_names_are_sorted(records):
    for name in ("b", "a-1", "A", "a"):
        records.write(name, b"")
    assert records.names() == ["A", "a", "a-1", "b"]


def test_only_records_are_listed(records):
    records.write("a", b"")
    foreign = [
        b".a.json.tmp-1",
        b".tmp-12.json",
        b"a.lock",
        b"a.json.corrupted",
        b"b",
        b"a b.json",
        b"\xff.json",
        b".json",
    ]
    for file in foreign:
        (records.folder / os.fsdecode(file)).touch()
    assert records.names() == ["a"]


def test_only_what_is_not_known_as_it_is_now_is_read(records):
    for name in ("a", "b", "c"):
        records.write(name, name.encode())
    known = {name: stamp for name, stamp, _ in records.look({})}
    records.write("b", b"changed")
    records.remove("c")
    known["gone"] = known["c"]
    assert {name: content for name, _, content in records.look(known)} == {"a": None, "b": b"changed"}


def test_what_is_no_file_is_told_without_waiting_for_it(records, tmp_path):
    records.write("a", b"")
    os.mkfifo(records.path("pipe"))
    records.path("folder").mkdir()
    records.path("link").symlink_to(tmp_path / "elsewhere")
    found = {name: (stamp, content) for name, stamp, content in records.look({})}
    assert found.pop("a")[1] == b""
    assert {name: str(error).partition(": ")[2] for name, (_, error) in found.items()} == {
        "pipe": "is not a regular file; move it away",
        "folder": "is not a regular file; move it away",
        "link": "is a symbolic link, which is not followed; replace it by the file",
    }
    assert {stamp for stamp, _ in found.values()} == {None}


def test_a_folder_that_is_exchanged_while_it_is_read_is_the_one_that_was_checked(records, monkeypatch):
    records.write("a", b"checked")
    listed = os.listdir

    def exchange(fd):
        names = listed(fd)
        records.folder.rename(records.root / "former")
        records.folder.mkdir(mode=0o777)
        (records.folder / "a.json").write_bytes(b"not checked")
        return names

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", exchange)
        assert [content for _, _, content in records.look({})] == [b"checked"]


def test_a_folder_that_goes_while_it_is_looked_at_is_an_empty_one(records, monkeypatch):
    records.write("a", b"")
    checked = os.open

    def gone(path, flags, *args, **options):
        if path == records.folder:
            raise FileNotFoundError(2, "No such file or directory", path)
        return checked(path, flags, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", gone)
        assert records.look({}) == []
        assert records.names() == []


@pytest.mark.parametrize("call", ["open", "listdir"])
def test_a_folder_that_the_system_does_not_show_is_an_error(records, monkeypatch, call):
    records.write("a", b"")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StateError, match="Permission denied") as caught:
            records.names()
    assert caught.value.path == records.folder


def test_a_file_that_goes_while_it_is_looked_at_is_passed_over(records, monkeypatch):
    records.write("a", b"")
    records.write("b", b"")
    listed = os.listdir

    def remove(fd):
        names = listed(fd)
        records.path("b").unlink()
        return names

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", remove)
        assert [name for name, _, _ in records.look({})] == ["a"]


def test_a_name_that_would_not_be_listed_is_refused(records):
    with pytest.raises(InvalidNameError, match="tmp"):
        records.write(".a.tmp-b", b"")


def test_a_record_that_is_set_aside_is_kept_and_not_listed(records):
    records.write("a", b"damaged")
    kept = records.set_aside("a")
    assert kept.read_bytes() == b"damaged"
    assert records.names() == []
    with pytest.raises(StateError):
        records.set_aside("a")


@pytest.mark.parametrize("folder", ["root", "folder"])
def test_a_folder_that_others_can_write_is_not_used_at_all(records, folder):
    records.write("a", b"")
    getattr(records, folder).chmod(0o777)
    operations = [
        records.names, lambda: records.read("a"), lambda: records.exists("a"), lambda: records.write("a", b""),
        lambda: records.create("b", b""), lambda: records.remove("a"), lambda: records.lock("a"),
    ]  # fmt: skip
    for operation in operations:
        with pytest.raises(InsecureStateError):
            operation()


def test_a_lock_lies_beside_the_record(records):
    assert records.lock("a").path == records.folder / "a.lock"
    assert records.lock("a", ".x.lock").path == records.folder / "a.x.lock"


@given(st.dictionaries(st.text(), _JSON, max_size=4))
def test_any_object_comes_back_in_its_order(document):
    again = parse_object(None, dump_object(document))
    assert again == document
    assert list(again) == list(document)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'"a"', b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b"[" * 100_000,
     b'{"a":' + b"9" * 5000 + b"}", b"{} {}", b"\xef\xbb\xbf{}", b"\0" * 100],
    ids=lambda data: data[:12],
)  # fmt: skip
def test_what_is_no_object_is_damage(tmp_path, data):
    with pytest.raises(CorruptStateError) as caught:
        parse_object(tmp_path / "a.json", data)
    assert caught.value.path == tmp_path / "a.json"
    assert str(caught.value).startswith(str(tmp_path / "a.json"))
