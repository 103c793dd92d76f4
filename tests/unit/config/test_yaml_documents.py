"""YAML is read by the core schema of version 1.2, and written so that readers of 1.1 agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from tests.unit.config.documents import exact, texts, values

from workloads.config import RunConfig, _yaml_read
from workloads.errors import RunConfigError


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def _parser(request, monkeypatch):
    loader = yaml.SafeLoader if request.param == "pure" else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    monkeypatch.setattr(_yaml_read, "_LOADER", loader)


def read(text: str) -> Any:
    return RunConfig.from_yaml(f"name: x\nlater: {text}\n").to_dict()["later"]


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_yaml(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "2222:22",
        "no",
        "yes",
        "on",
        "off",
        "y",
        "N",
        "Yes",
        "2001-01-01",
        "2001-12-14t21:59:43.10-05:00",
        "1_000",
        "0b11",
        "0X1F",
        "0o8",
        "1e",
        "e5",
        "-x",
        "+",
        "=",
        "<<",
        "nULL",
        "tRue",
        "1:30",
        "12e03x",
        "٣",
    ],
)
def test_what_only_yaml_1_1_takes_for_something_else_is_a_string(text):
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("'12'", "12"),
        ('"null"', "null"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!int '12'", 12),
        ("!!float 1.5", 1.5),
        ("!!bool true", True),
        ("!!null ~", None),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
        ("|\n  a\n  b", "a\nb\n"),
        (">\n  a\n  b", "a b\n"),
    ],
)
def test_the_core_schema_of_yaml_1_2(text, value):
    assert read(text) == value
    assert type(read(text)).__mro__[-2] is type(value) or isinstance(read(text), type(value))


def test_ports_and_switches_are_not_turned_into_other_things():
    config = RunConfig.from_yaml("name: no\npublish: [22:22]\nenv_vars: {A: on, B: 2001-01-01, C: '1'}\ngroup: off\n")
    assert (config.name, config.publish, config.group) == ("no", ("22:22",), "off")
    assert config.env_vars == {"A": "on", "B": "2001-01-01", "C": "1"}


def test_a_number_where_a_string_is_due_shows_how_to_quote_it():
    assert problems_of("name: x\nenv_vars:\n  PORT: 8080\n  DEBUG: true\n  HEX: 0x1F\n  RATE: 1.10\n  NONE: ~\n") == [
        'env_vars.PORT: expected str, got 8080; write "8080"',
        'env_vars.DEBUG: expected str, got true; write "true"',
        'env_vars.HEX: expected str, got 0x1F; write "0x1F"',
        'env_vars.RATE: expected str, got 1.10; write "1.10"',
        'env_vars.NONE: expected str, got null; write ""',
    ]
    assert problems_of("name: x\ndebug: yes\n") == ['debug: expected bool, got "yes"']
    assert problems_of("name: 12\n") == ['name: expected str, got 12; write "12"']


def test_a_merge_key_is_a_plain_key():
    config = RunConfig.from_yaml("name: x\nenv_vars:\n  <<: plain\nlater: {<<: {a: 1}}\n")
    assert config.env_vars == {"<<": "plain"}
    assert config.to_dict()["later"] == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no document"),
        ("# only a comment\n", "holds no document"),
        ("---\n", "expected object, got null"),
        ("name: x\n---\nname: y\n", "holds more than one document"),
        ("name: [x\n", "not YAML: line "),
        ("name: x\n\tdebug: true\n", "not YAML: line "),
        ("name: 'x\n", "not YAML: line "),
        ("a: b: c\n", "not YAML: line 1 column "),
        ("name: x\nlater: !vault secret\n", "later: the tag !vault is not supported"),
        ("name: x\nlater: !!binary aGk=\n", "later: the tag tag:yaml.org,2002:binary is not supported"),
        ("name: x\nlater: !!set {a}\n", "later: the tag tag:yaml.org,2002:set is not supported"),
        ("name: x\nlater: !!int x\n", "later: the tag tag:yaml.org,2002:int is not supported"),
        ("name: x\nlater: !!python/object/apply:os.system ['true']\n", "later: the tag tag:yaml.org,2002:python"),
        ("!custom {name: x}\n", "the tag !custom is not supported"),
        ("name: x\nname: y\n", "name: duplicate key"),
        ("name: x\nlater: {a: {b: 1, 'b': 2}}\n", "later.a.b: duplicate key"),
        ("name: x\nlater: .nan\n", "later: .nan is not a number that JSON knows"),
        ("name: x\nlater: [-.Inf]\n", "later[0]: -.Inf is not a number that JSON knows"),
        ("name: x\nlater: {1: a}\n", 'later: expected str, got 1; write "1"'),
        ("name: x\nlater: {~: a}\n", 'later: expected str, got null; write ""'),
        ("name: x\nlater: {[a]: b}\n", "later: expected str as key, got a list"),
        ("name: x\nlater: {{a: 1}: b}\n", "later: expected str as key, got an object"),
        ("name: x\nlater: *nothing\n", "line 2: an alias of nothing that was read before"),
        ("name: x\nlater: &a [*a]\n", "line 2: an alias of nothing that was read before"),
        ("\ufeffname: x\n", "begins with a byte order mark; save it without one"),
        (b"name: \xff\n", "not UTF-8: byte 6 cannot be read"),
        ("name: \x01\n", "not YAML: character "),
        (f"name: x\nlater: 0x{'f' * 4000}\n", "later: an integer of more than 4300 digits cannot be written"),
    ],
)
def test_what_is_no_document_says_why_and_where(text, message):
    assert problems_of(text)[0].startswith(message)


def test_an_alias_repeats_what_its_anchor_names():
    config = RunConfig.from_yaml("name: &n x\nbase_name: *n\nlater: &l {a: [1]}\nmore: [*l, *l]\n")
    assert config.base_name == "x"
    assert config.to_dict()["more"] == [{"a": [1]}, {"a": [1]}]
    assert "&" not in config.to_yaml()


def test_a_bomb_of_aliases_is_a_problem():
    lines = ["name: x", "l0: &l0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert problems_of("\n".join(lines)) == [f"its aliases repeat more than {_yaml_read.MAX_ALIASED} values"]


@pytest.mark.parametrize("depth", [200, 20_000])
def test_a_bomb_of_nested_values_is_a_problem(depth):
    assert problems_of(f"name: x\nlater: {'[' * depth}{']' * depth}\n") == ["nested more than 100 levels deep"]


def test_a_bomb_of_nested_blocks_is_a_problem():
    lines = [f"{' ' * level}later:" for level in range(2_000)]
    assert problems_of("\n".join(["name: x", *lines])) == ["nested more than 100 levels deep"]


def test_aliases_cannot_hide_a_depth():
    lines = ["name: x", f"l0: &l0 {'[' * 60}{']' * 60}", f"l1: {'[' * 60}*l0{']' * 60}"]
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith("nested more than 100 levels deep")


@given(texts)
def test_any_string_is_written_so_that_both_versions_of_yaml_read_it(text):
    config = RunConfig.from_dict({"name": "x", "later": [text], "env_vars": {text: text}})
    written = config.to_yaml()
    assert RunConfig.from_yaml(written).to_dict() == config.to_dict()
    assert yaml.safe_load(written) == config.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "y",
        "N",
        "2222:22",
        "2001-01-01",
        "1_000",
        "012",
        "0o14",
        "1E5",
        "1e5",
        "12e03",
        ".5e3",
        "~",
        "",
        " a",
        "a ",
        "a: b",
        "# a",
        "- a",
        "<<",
        "=",
        "!a",
        "&a",
        "*a",
        "a\nb",
        "a\n",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x7f",
        "😀",
        "null",
        "true",
        ".nan",
        "'",
        '"',
        "\\",
        "%a",
        "@a",
        "`a",
        "a" * 300,
        "? a",
        ",",
        "[",
        "}",
    ],
)
def test_strings_that_look_like_something_else_stay_strings(text):
    config = RunConfig.from_dict({"name": "x", "later": [text, {text: text}]})
    assert RunConfig.from_yaml(config.to_yaml()).to_dict() == config.to_dict()
    assert yaml.safe_load(config.to_yaml()) == config.to_dict()


@given(values)
def test_any_value_comes_back_from_yaml(value):
    config = RunConfig.from_json(json.dumps({"name": "x", "later": value}))
    assert exact(RunConfig.from_yaml(config.to_yaml()).to_json()) == exact(config.to_json())


def test_json_is_yaml():
    text = '{"name": "x", "later": [1, 1.10, null, true, "a\\u00e9\\n"], "cmd_args": []}'
    assert RunConfig.from_yaml(text) == RunConfig.from_json(text)
    assert exact(RunConfig.from_yaml(text).to_json()) == exact(text)
