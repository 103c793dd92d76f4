"""Names of workloads and groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.config import (
    RunConfig,
    check_group_name,
    check_portable_name,
    check_workload_name,
    sanitize_name,
)
from workloads.errors import InvalidNameError, RunConfigError


@pytest.mark.parametrize("name", ["a", "notes-search", "A.b_c-1", ".hidden", "-", "a..b", "a" * 100, "0"])
def test_these_names_of_workloads_are_allowed(name):
    check_workload_name(name)
    assert RunConfig(name=name).effective_base_name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "..a",
        "...",
        "../a",
        "a/b",
        "/a",
        "a\\b",
        "a\0",
        "\0",
        "é",
        "\uff41",
        "a b",
        "a\n",
        "a$",
        "a&",
        "a;",
        "a|",
        "`a`",
        "$(a)",
        "a" * 101,
        "a:b",
        "a*",
        "a\u202eb",
    ],
)
def test_these_names_of_workloads_are_refused(name):
    with pytest.raises(InvalidNameError) as caught:
        check_workload_name(name)
    assert caught.value.rule
    with pytest.raises(RunConfigError, match="name: "):
        RunConfig(name=name)


def test_a_long_name_is_not_repeated_whole():
    with pytest.raises(InvalidNameError) as caught:
        check_workload_name("a" * 1_000_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 50, "-"])
def test_these_names_work_everywhere(name):
    check_portable_name(name)


@pytest.mark.parametrize("name", ["", "A", "a_b", "a.b", "a" * 51, "a b", "é", "a\n"])
def test_these_names_do_not_work_everywhere(name):
    with pytest.raises(InvalidNameError, match="1 to 50"):
        check_portable_name(name)


@pytest.mark.parametrize("group", ["default", "a b", "a_b-c", "0", "a" * 300, "a\tb"])
def test_these_names_of_groups_are_allowed(group):
    check_group_name(group)
    assert RunConfig(name="x", group=group).effective_group == group


@pytest.mark.parametrize("group", ["", "A", " a", "a ", "a  b", "a/b", "..", "a.b", "é", "a\0", "\n"])
def test_these_names_of_groups_are_refused(group):
    with pytest.raises(InvalidNameError) as caught:
        check_group_name(group)
    assert "group" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My server!", "My-server-"),
        ("a/b", "a-b"),
        ("../a", "---a"),
        (".", "-"),
        ("..", "--"),
        (".a", ".a"),
        ("é", "-"),
        ("ok", "ok"),
    ],
)
def test_bad_characters_become_dashes(text, name):
    assert sanitize_name(text) == name


def test_nothing_cannot_be_made_a_name():
    with pytest.raises(InvalidNameError):
        sanitize_name("")


@given(st.text(min_size=1, max_size=150))
def test_any_text_can_be_made_a_name(text):
    name = sanitize_name(text)
    check_workload_name(name)
    assert sanitize_name(name) == name
    assert len(name) == min(len(text), 100)


@given(st.text(max_size=5) | st.from_regex(r"[a-z./_-]{0,5}", fullmatch=True))
def test_an_allowed_name_is_a_file_name_of_its_own(name):
    try:
        check_workload_name(name)
    except InvalidNameError:
        return
    assert "/" not in name
    assert name not in ("", ".", "..")
    assert name.isascii()
