"""JSON texts that are not as they should be."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.config.documents import EXPORTED

from workloads.config import RunConfig
from workloads.errors import RunConfigError


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_json(text)
    return [str(problem) for problem in caught.value.problems]


def assert_read_or_refused(text: str | bytes) -> None:
    for load in (RunConfig.from_json, RunConfig.from_yaml):
        refused = None
        try:
            config = load(text)
        except RunConfigError as error:
            refused = error
        assert load(config.to_json()) == config if refused is None else refused.problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: line 1 column 1: Expecting value"),
        ('{"name": "x",}', "not JSON: line 1 column 1"),  # of the comma, or of what follows it
        ('{\n  "name": "x"\n', "not JSON: line 3 column 1"),
        ("{'name': 'x'}", "not JSON: line 1 column 2"),
        ('{"name": "x"} {}', "not JSON: line 1 column 15: Extra data"),
        ('{"name": "a\nb"}', "not JSON: line 1 column 12"),
        ('{"name": 01}', "not JSON: line 1 column 11"),
        ('{"name": "\\x"}', "not JSON: line 1 column 11"),
        (b'{"name": "\xff"}', "not UTF-8: byte 10 cannot be read"),
        ('{"name": "x"}'.encode("utf-16"), "not UTF-8: byte 0 cannot be read"),
        ('\ufeff{"name": "x"}', "begins with a byte order mark; save it without one"),
        ('\ufeff{"name": "x"}'.encode(), "begins with a byte order mark; save it without one"),
        ('{"name": "\ud800"}', "not Unicode text: character 10 is half of a surrogate pair"),
        ("null", "expected object, got null"),
        ("[]", "expected object, got a list"),
    ],
)
def test_what_is_no_document_says_why_and_where(text, message):
    (problem,) = problems_of(text)
    assert problem.startswith(message)


@pytest.mark.parametrize("text", [' {"name":"x"}', '{"name":"x"}\n', '\r\n\t{"name":"x"} \n'])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_space_around_a_document_is_allowed(text, kind):
    assert RunConfig.from_json(kind(text)) == RunConfig(name="x")


def test_duplicate_keys_are_problems_with_their_paths():
    text = """{"name": "x", "name": "y", "debug": "a", "later": [{"a": 1, "b": 2, "a": 3}],
        "env_vars": {"A": "1", "A": "2", "A": "3"}, "scaling_config": {"session_redis": {"db": 1, "db": 1}}}"""
    assert problems_of(text) == [
        "name: duplicate key",
        "later[0].a: duplicate key",
        "env_vars.A: duplicate key",
        "scaling_config.session_redis.db: duplicate key",
        'debug: expected bool, got "a"',
    ]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_problems(literal):
    text = f'{{"name": "x", "port": {literal}, "later": {{"a": [{literal}]}}, "debug": 1}}'
    assert problems_of(text) == [
        f"port: {literal} is not a number that JSON knows",
        f"later.a[0]: {literal} is not a number that JSON knows",
        "debug: expected bool, got 1",
    ]


def test_half_a_surrogate_pair_in_an_escape_is_a_problem():
    assert problems_of(r'{"name": "x", "image": "\ud83d", "later": ["\uDE00"], "debug": "\ud83d\ude00"}') == [
        "image: holds half of a surrogate pair, which is not Unicode text",
        "later[0]: holds half of a surrogate pair, which is not Unicode text",
        'debug: expected bool, got "😀"',
    ]
    assert RunConfig.from_json(r'{"name": "x", "image": "\ud83d\ude00"}').image == "😀"
    assert problems_of(r'{"name": "x", "\ud83d": 1}')


@pytest.mark.parametrize("depth", [101, 300, 5_000, 200_000])
@pytest.mark.parametrize("key", ["later", "authz_config", "image"])
def test_a_bomb_of_nested_values_is_a_problem(depth, key):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = f'{{"name": "x", "{key}": {{"b": {opening * depth}1{closing * depth}}}}}'
        assert any("expected str" in problem or "nested more than 100" in problem for problem in problems_of(text))
        assert all(len(problem) < 300 for problem in problems_of(text))


def test_a_hundred_levels_are_allowed_and_survive_every_way_of_saving():
    text = f'{{"name": "x", "later": {"[" * 100}{"]" * 100}, "authz_config": {{"a": {"[" * 99}{"]" * 99}}}}}'
    config = RunConfig.from_json(text)
    assert json.loads(config.to_json()) == json.loads(text)
    assert RunConfig.from_yaml(config.to_yaml()) == config == RunConfig.from_dict(config.to_dict())


def test_the_same_integer_is_read_the_same_again():
    for _ in range(2):
        assert (
            RunConfig.from_json('{"name": "x", "port": 8080, "later": -0}').to_json(indent=None).endswith('"later":-0}')
        )


def test_the_text_is_indented_as_toolhive_does_and_ascii_is_not_forced():
    config = RunConfig.from_dict({"name": "x", "image": "é<&>", "cmd_args": [], "later": {}, "publish": ["80"]})
    assert config.to_json() == (
        '{\n  "name": "x",\n  "image": "é<&>",\n  "cmd_args": [],\n  "later": {},\n  "publish": [\n    "80"\n  ]\n}'
    )
    assert config.to_json(indent=None) == '{"name":"x","image":"é<&>","cmd_args":[],"later":{},"publish":["80"]}'


@given(st.binary(max_size=60))
@example(b"{}")
def test_any_bytes_give_a_run_config_or_problems(data):
    assert_read_or_refused(data)


@given(st.lists(st.sampled_from(EXPORTED.split('"')) | st.text(max_size=3), max_size=30), st.text(max_size=2))
def test_any_text_gives_a_run_config_or_problems(pieces, joint):
    text = (joint or '"').join(pieces)
    assert_read_or_refused(text)


@given(st.data())
def test_a_document_with_any_damage_gives_a_run_config_or_problems(data):
    start = data.draw(st.integers(0, len(EXPORTED)))
    end = data.draw(st.integers(start, min(start + 20, len(EXPORTED))))
    text = EXPORTED[:start] + data.draw(st.text('{}[]":,x1\\ \n-', max_size=4)) + EXPORTED[end:]
    assert_read_or_refused(text)
