from __future__ import annotations

import json
import logging
import threading

import pytest

from workloads._core.paths import Paths
from workloads.errors import (
    BatchError,
    CorruptStateError,
    GroupExistsError,
    GroupNotEmptyError,
    GroupNotFoundError,
    InvalidNameError,
    UnsupportedOperationError,
    WorkloadFailedError,
)
from workloads.groups import FileGroupManager, Group, GroupManager, GroupStore


class Members:
    """Which workload is in which group, in memory."""

    def __init__(self, **groups):
        self.groups = groups

    def members(self, group):
        return sorted(name for name, of in self.groups.items() if of == group)

    def move(self, names, source, target):
        for name in names:
            assert self.groups[name] == source
            self.groups[name] = target


@pytest.fixture
def paths(tmp_path):
    return Paths.locate(state_dir=tmp_path / "state")


@pytest.fixture
def members():
    return Members()


@pytest.fixture
def groups(paths, members) -> GroupManager:
    return FileGroupManager(paths, members)


def put(paths, name, document):
    paths.groups.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = paths.groups / f"{name}.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def test_a_group_that_was_created_is_there(groups):
    assert groups.create("engineering") == Group("engineering")
    assert groups.exists("engineering")
    assert groups.get("engineering") == Group("engineering")


def test_the_file_has_the_shape_of_toolhive(groups, paths):
    groups.create("a b")
    assert json.loads((paths.groups / "a b.json").read_bytes()) == {"name": "a b", "registered_clients": []}


def test_what_toolhive_wrote_is_read_and_nothing_of_it_is_lost(groups, paths):
    document = {"name": "g", "registered_clients": ["cursor", "claude-code"], "skills": ["x"], "plugins": [{"a": 1}]}
    put(paths, "g", document)
    group = groups.get("g")
    assert group.registered_clients == ("cursor", "claude-code")
    assert group.extra == {"skills": ["x"], "plugins": [{"a": 1}]}
    assert group.to_dict() == document


def test_groups_are_listed_by_name_with_the_default_among_them(groups):
    for name in ("zoo", "a b", "a-b"):
        groups.create(name)
    assert [group.name for group in groups.list()] == ["a b", "a-b", "default", "zoo"]


def test_without_any_file_there_is_the_default_group_and_nothing_is_written(groups, paths):
    assert groups.list() == [Group("default")]
    assert groups.exists("default")
    assert groups.get("default") == Group("default")
    assert not paths.state.exists()


def test_the_default_group_may_have_a_file_of_toolhive(groups, paths):
    put(paths, "default", {"name": "default", "registered_clients": ["cursor"]})
    assert groups.list() == [groups.get("default")] == [Group("default", ("cursor",))]


def test_the_default_group_is_neither_created_nor_deleted(groups, paths):
    put(paths, "default", {"name": "default"})
    with pytest.raises(GroupExistsError):
        groups.create("default")
    with pytest.raises(UnsupportedOperationError, match="always exists"):
        groups.delete("default", move_members_to="default")
    assert (paths.groups / "default.json").exists()


def test_a_group_is_created_once(groups):
    groups.create("a")
    with pytest.raises(GroupExistsError, match="'a'") as caught:
        groups.create("a")
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.group == "a"


def test_of_several_that_create_a_group_at_once_one_succeeds(groups):
    results = []

    def create():
        try:
            results.append(groups.create("a"))
        except GroupExistsError as error:
            results.append(error.group)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Group("a")) == 1
    assert results.count("a") == 7


def test_a_group_that_does_not_exist_is_an_error(groups):
    with pytest.raises(GroupNotFoundError):
        groups.get("a")
    with pytest.raises(GroupNotFoundError):
        groups.delete("a")
    assert not groups.exists("a")


def test_an_empty_group_is_deleted(groups):
    groups.create("a")
    groups.delete("a")
    assert not groups.exists("a")


def test_a_group_with_members_is_not_deleted(groups, members):
    groups.create("a")
    members.groups.update(two="a", one="a", other="default")
    with pytest.raises(GroupNotEmptyError, match="move_members_to") as caught:
        groups.delete("a")
    assert caught.value.members == ("one", "two")
    assert isinstance(caught.value, OSError)
    assert groups.exists("a")


@pytest.mark.parametrize("target", ["default", "b"])
def test_its_members_can_be_moved_to_another_group(groups, members, target):
    groups.create("a")
    groups.create("b")
    members.groups.update(one="a", two="a")
    groups.delete("a", move_members_to=target)
    assert members.groups == {"one": target, "two": target}
    assert not groups.exists("a")


@pytest.mark.parametrize(
    ("target", "error"), [("missing", GroupNotFoundError), ("a", InvalidNameError), ("../x", InvalidNameError)]
)
def test_everything_is_checked_before_anything_is_moved(groups, members, target, error):
    groups.create("a")
    members.groups.update(one="a")
    with pytest.raises(error):
        groups.delete("a", move_members_to=target)
    assert members.groups == {"one": "a"}
    assert groups.exists("a")


def test_a_move_that_fails_keeps_the_group(groups, members, monkeypatch):
    groups.create("a")
    members.groups.update(one="a")

    def fail(names, source, target):
        raise BatchError.of({"one": WorkloadFailedError("one", "broken")})

    monkeypatch.setattr(members, "move", fail)
    with pytest.raises(BatchError):
        groups.delete("a", move_members_to="default")
    assert groups.exists("a")


def test_a_member_that_joins_while_others_are_moved_keeps_the_group(groups, members, monkeypatch):
    groups.create("a")
    members.groups.update(one="a")
    move = members.move

    def join_meanwhile(names, source, target):
        move(names, source, target)
        members.groups["late"] = "a"

    monkeypatch.setattr(members, "move", join_meanwhile)
    with pytest.raises(GroupNotEmptyError) as caught:
        groups.delete("a", move_members_to="default")
    assert caught.value.members == ("late",)
    assert groups.exists("a")


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "..", "../a", " a", "a  b", "é", "a\0"])
def test_what_cannot_be_a_name_is_no_group(groups, name, paths):
    assert not groups.exists(name)
    for operation in (groups.create, groups.get, groups.delete):
        with pytest.raises(InvalidNameError, match="group"):
            operation(name)
    assert not paths.groups.exists()


def test_a_name_that_is_too_long_for_a_file_is_no_group(groups):
    name = "a" * 300
    assert not groups.exists(name)
    for operation in (groups.create, groups.get):
        with pytest.raises(InvalidNameError, match="bytes"):
            operation(name)
    with pytest.raises(GroupNotFoundError):
        groups.delete(name)


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", {"registered_clients": "x"}, {"registered_clients": [1]}], ids=str
)
def test_a_damaged_group_is_told_and_does_not_hide_the_others(groups, paths, caplog, document):
    groups.create("good")
    path = put(paths, "bad", document)
    with pytest.raises(CorruptStateError) as caught:
        groups.get("bad")
    assert caught.value.path == path
    with caplog.at_level(logging.WARNING, "workloads.groups"):
        assert groups.list() == [Group("bad"), Group("default"), Group("good")]
    assert [record.group for record in caplog.records] == ["bad"]
    assert groups.exists("bad")


@pytest.mark.parametrize("document", [{}, {"registered_clients": None}, {"name": "other"}], ids=str)
def test_the_name_of_a_group_is_that_of_its_file(groups, paths, document):
    put(paths, "a", document)
    assert groups.get("a") == Group("a")


def test_a_group_that_another_deletes_at_the_same_moment_is_not_found(groups, members, paths, monkeypatch):
    groups.create("a")

    def delete_meanwhile(group):
        (paths.groups / "a.json").unlink()
        return []

    monkeypatch.setattr(members, "members", delete_meanwhile)
    with pytest.raises(GroupNotFoundError):
        groups.delete("a")


def test_a_group_that_others_deleted_meanwhile_is_not_listed(groups, paths, monkeypatch):
    groups.create("a")
    monkeypatch.setattr(GroupStore, "names", lambda self: ["a", "default", "gone"])
    assert [group.name for group in groups.list()] == ["a", "default"]


def test_a_group_can_be_hashed_and_does_not_change():
    group = Group("a", ["x"], extra={"skills": []})
    assert hash(group) == hash(Group("a", ("x",), extra={"skills": []}))
    with pytest.raises(AttributeError):
        group.name = "b"
    with pytest.raises(TypeError):
        group.extra["skills"] = 1
