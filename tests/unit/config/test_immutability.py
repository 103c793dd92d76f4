"""Run configs do not change, and what they hold does not either."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict
from workloads.config import MiddlewareConfig, RunConfig, ToolOverride


def test_no_field_can_be_set():
    config = RunConfig(name="x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.name = "y"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del config.name
    with pytest.raises((AttributeError, attrs.exceptions.FrozenInstanceError)):
        config.other = 1


def test_collections_are_read_only_at_every_depth():
    config = RunConfig.from_dict(
        {
            "name": "x",
            "env_vars": {"A": "b"},
            "authz_config": {"a": {"b": [{"c": 1}]}},
            "tools_override": {"a": {"name": "b"}},
            "middleware_configs": [{"type": "x", "parameters": {"a": []}}],
        }
    )
    assert isinstance(config.cmd_args, tuple)
    assert config.authz_config == {"a": {"b": ({"c": 1},)}}
    parameters = config.middleware_configs[0].parameters
    for mapping in (config.env_vars, config.authz_config, config.authz_config["a"], config.tools_override, parameters):
        with pytest.raises(TypeError, match="read-only"):
            mapping["A"] = "c"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("a", 2),
        lambda d: d.__delitem__("a"),
        lambda d: d.clear(),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.setdefault("b", 1),
        lambda d: d.update(b=1),
        lambda d: d.__ior__({"b": 1}),
    ],
)
def test_a_read_only_dict_refuses_every_change(change):
    mapping = ReadOnlyDict({"a": 1})
    with pytest.raises(TypeError, match="read-only"):
        change(mapping)
    assert mapping == {"a": 1}


@pytest.mark.parametrize("mapping", [ReadOnlyDict({"a": (1, ReadOnlyDict({"b": 2}))}), EMPTY_DICT])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_read_only_dict_stays_one_when_copied(mapping, duplicate):
    copied = duplicate(mapping)
    assert type(copied) is ReadOnlyDict
    assert copied == mapping
    assert hash(copied) == hash(mapping)


def test_a_read_only_dict_gives_plain_copies_that_can_be_changed():
    mapping = ReadOnlyDict({"a": 1})
    for copied in (dict(mapping), mapping.copy(), mapping | {"b": 2}, {**mapping}):
        assert type(copied) is dict
        copied["c"] = 3
    assert mapping == {"a": 1}
    assert list(mapping) == ["a"]


def test_a_read_only_dict_of_unhashable_values_cannot_be_hashed():
    with pytest.raises(TypeError, match="unhashable"):
        hash(ReadOnlyDict({"a": []}))


def test_equal_run_configs_have_equal_hashes():
    one = RunConfig(name="x", env_vars={"A": "1", "B": "2"}, authz_config={"a": [1, {"b": None}]})
    two = RunConfig.from_dict(
        {
            "authz_config": {"a": [1, {"b": None}]},
            "env_vars": {"B": "2", "A": "1"},
            "name": "x",
            "debug": False,
            "port": 0,
        }
    )
    assert one == two
    assert hash(one) == hash(two)
    assert len({one, two, one.evolve(debug=True)}) == 2


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("true", "1", False),
        ("null", "false", False),
        ("1", "1.0", True),
        ("1.10", "1.1", True),
        ("1e400", "1e500", False),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', True),
        ("[1, 2]", "[2, 1]", False),
        ("[]", "{}", False),
        ('"1"', "1", False),
        ("[true]", "[1]", False),
    ],
)
@pytest.mark.parametrize("place", ['{{"name": "x", "later": {}}}', '{{"name": "x", "authz_config": {{"a": {}}}}}'])
def test_values_without_a_field_are_compared_as_json(one, other, equal, place):
    assert (RunConfig.from_json(place.format(one)) == RunConfig.from_json(place.format(other))) is equal


def test_a_run_config_is_not_equal_to_other_things():
    assert RunConfig(name="x") != "x"
    assert RunConfig(name="x") != {"name": "x"}
    assert ToolOverride(name="a") != MiddlewareConfig(type="a")
