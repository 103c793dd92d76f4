from __future__ import annotations

import json

import pytest

from workloads._core.paths import Paths
from workloads.config import RunConfig
from workloads.errors import CorruptStateError, InsecureStateError, InvalidNameError, RunConfigError
from workloads.state import RunConfigStore


@pytest.fixture
def paths(tmp_path):
    return Paths.locate(state_dir=tmp_path / "state")


@pytest.fixture
def store(paths):
    return RunConfigStore(paths)


def config(name="time", **values):
    return RunConfig(name=name, image="uvx://mcp-server-time", transport="stdio", **values)


def test_a_run_config_comes_back(store):
    store.save(config(env_vars={"A": "é"}))
    assert store.load("time") == config(env_vars={"A": "é"})


def test_what_could_not_be_read_again_is_not_written(store, paths):
    store.save(config(port=1))
    for write in (store.save, store.propose):
        with pytest.raises(RunConfigError, match="surrogate"):
            write(config(env_vars={"PATH_THAT_IS_NOT_UTF8": "/home/\udcff"}))
    assert store.load("time").port == 1


def test_the_file_is_named_after_the_base_name_as_toolhive_does(store, paths):
    store.save(config("My.Time", base_name="base"))
    assert json.loads((paths.runconfigs / "base.json").read_bytes())["name"] == "My.Time"
    assert store.names() == ["base"]


def test_saving_replaces(store):
    store.save(config(port=1))
    store.save(config(port=2))
    assert store.load("time").port == 2


def test_what_does_not_exist_is_none(store, paths):
    assert store.load("time") is None
    assert store.names() == []
    assert not store.delete("time")
    assert not paths.state.exists(), "reads never write"


def test_delete_tells_whether_there_was_one(store):
    store.save(config())
    assert store.delete("time")
    assert not store.delete("time")
    assert store.load("time") is None


def test_names_are_sorted_and_those_of_damaged_files_are_among_them(store, paths):
    for name in ("b", "a"):
        store.save(config(name))
    (paths.runconfigs / "damaged.json").write_bytes(b"{")
    assert store.names() == ["a", "b", "damaged"]


def test_keys_that_this_version_does_not_know_survive_a_save(store, paths):
    """TH-13.28: unknown keys are lost on re-save."""
    store.save(config())
    path = paths.runconfigs / "time.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"from_the_future": {"a": [1, None]}}))
    store.save(store.load("time").evolve(port=9))
    written = json.loads(path.read_bytes())
    assert written["from_the_future"] == {"a": [1, None]}
    assert written["port"] == 9


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"name": 1}', b'{"name": "time", "port": "x"}'])
def test_a_damaged_file_is_named_and_left_as_it_is(store, paths, data):
    store.save(config())
    path = paths.runconfigs / "time.json"
    path.write_bytes(data)
    with pytest.raises(CorruptStateError) as caught:
        store.load("time")
    assert caught.value.path == path
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["../time", "/etc/passwd", "a/b", "..", "", "a\0"])
def test_no_name_leads_out_of_the_folder(store, name):
    for operation in (store.load, store.delete):
        with pytest.raises(InvalidNameError):
            operation(name)


def test_run_configs_that_others_can_change_are_not_loaded(store, paths):
    store.save(config())
    paths.runconfigs.chmod(0o777)
    with pytest.raises(InsecureStateError):
        store.load("time")
