"""The two fields that scaling needs, in both formats."""

from __future__ import annotations

import json

import pytest
import yaml

from workloads.config import RunConfig, ScalingConfig
from workloads.errors import RunConfigError

FORMATS = pytest.mark.parametrize(
    ("load", "dump", "parse", "write"),
    [
        (RunConfig.from_json, RunConfig.to_json, json.loads, json.dumps),
        (RunConfig.from_yaml, RunConfig.to_yaml, yaml.safe_load, yaml.safe_dump),
    ],
    ids=["json", "yaml"],
)


@FORMATS
def test_three_replicas_and_a_cache_of_500_survive_a_round_trip(load, dump, parse, write):
    config = RunConfig(name="x", backend_replicas=3, session_cache_size=500)
    again = load(dump(config))
    assert (again.backend_replicas, again.session_cache_size) == (3, 500)
    assert again == config
    assert parse(dump(again)) == parse(dump(config))


@FORMATS
def test_a_bare_run_config_writes_neither_key(load, dump, parse, write):
    assert {"backend_replicas", "session_cache_size"}.isdisjoint(parse(dump(RunConfig(name="x"))))


@FORMATS
def test_a_document_without_them_gives_none_and_zero(load, dump, parse, write):
    config = load(write({"name": "x"}))
    assert config.backend_replicas is None
    assert config.session_cache_size == 0
    assert parse(dump(config)) == {"name": "x"}


@FORMATS
def test_two_replicas_are_two(load, dump, parse, write):
    assert load(write({"name": "x", "backend_replicas": 2})).backend_replicas == 2


@FORMATS
def test_zero_replicas_are_zero_and_not_none_and_are_written(load, dump, parse, write):
    loaded = load(write({"name": "x", "backend_replicas": 0}))
    assert loaded.backend_replicas == 0
    assert loaded.backend_replicas is not None
    assert parse(dump(loaded))["backend_replicas"] == 0
    assert parse(dump(RunConfig(name="x", backend_replicas=0)))["backend_replicas"] == 0


@FORMATS
def test_nulls_and_zeros_that_were_loaded_are_kept(load, dump, parse, write):
    document = {"name": "x", "backend_replicas": None, "session_cache_size": 0}
    config = load(write(document))
    assert (config.backend_replicas, config.session_cache_size) == (None, 0)
    assert parse(dump(config)) == document


@FORMATS
@pytest.mark.parametrize("count", [-(2**31), -1, 2**31 - 1])
def test_any_32_bit_integer_is_accepted_because_consumers_judge_it(load, dump, parse, write, count):
    config = load(write({"name": "x", "backend_replicas": count, "session_cache_size": count}))
    assert (config.backend_replicas, config.session_cache_size) == (count, count)


@FORMATS
@pytest.mark.parametrize("key", ["backend_replicas", "session_cache_size"])
@pytest.mark.parametrize("count", [-(2**31) - 1, 2**31])
def test_outside_of_32_bits_is_a_problem(load, dump, parse, write, key, count):
    with pytest.raises(RunConfigError) as caught:
        load(write({"name": "x", key: count}))
    assert [problem.path for problem in caught.value.problems] == [key]
    with pytest.raises(RunConfigError):
        RunConfig(name="x", **{key: count})


def test_the_top_level_goes_before_the_scaling_config():
    assert RunConfig(name="x").effective_backend_replicas is None
    assert RunConfig(name="x", scaling_config=ScalingConfig(backend_replicas=3)).effective_backend_replicas == 3
    assert RunConfig(name="x", backend_replicas=0).effective_backend_replicas == 0
    both = RunConfig(name="x", backend_replicas=2, scaling_config=ScalingConfig(backend_replicas=2))
    assert both.effective_backend_replicas == 2


def test_different_numbers_under_both_keys_are_a_problem():
    with pytest.raises(RunConfigError, match=r"backend_replicas: is 2 and scaling_config\.backend_replicas is 0"):
        RunConfig(name="x", backend_replicas=2, scaling_config=ScalingConfig(backend_replicas=0))
    with pytest.raises(RunConfigError, match="backend_replicas"):
        RunConfig.from_dict({"name": "x", "backend_replicas": 2, "scaling_config": {"backend_replicas": 3}})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": "x"}, {"name": "x", "backend_replicas": 5}),
        ({"name": "x", "backend_replicas": 1}, {"name": "x", "backend_replicas": 5}),
        (
            {"name": "x", "scaling_config": {"backend_replicas": 1}},
            {"name": "x", "scaling_config": {"backend_replicas": 5}},
        ),
        (
            {"name": "x", "scaling_config": {"session_redis": {}}},
            {"name": "x", "scaling_config": {"session_redis": {}}, "backend_replicas": 5},
        ),
        (
            {"name": "x", "scaling_config": {"backend_replicas": None}},
            {"name": "x", "scaling_config": {"backend_replicas": 5}},
        ),
        (
            {"name": "x", "backend_replicas": 1, "scaling_config": {"backend_replicas": 1}},
            {"name": "x", "backend_replicas": 5, "scaling_config": {"backend_replicas": 5}},
        ),
    ],
)
def test_a_new_number_of_replicas_goes_under_the_key_that_is_used(document, expected):
    config = RunConfig.from_dict(document).with_backend_replicas(5)
    assert config.effective_backend_replicas == 5
    assert config.to_dict() == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": "x"}, {"name": "x"}),
        ({"name": "x", "backend_replicas": 1}, {"name": "x"}),
        (
            {"name": "x", "scaling_config": {"backend_replicas": 1, "zone": "a"}},
            {"name": "x", "scaling_config": {"zone": "a"}},
        ),
    ],
)
def test_no_number_of_replicas_removes_it(document, expected):
    config = RunConfig.from_dict(document).with_backend_replicas(None)
    assert config.effective_backend_replicas is None
    assert config.to_dict() == expected
