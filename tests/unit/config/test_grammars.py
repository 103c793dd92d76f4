"""The small languages inside of strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.config import (
    Mount,
    PublishedPort,
    RunConfig,
    SecretReference,
    check_label,
    check_labels,
    parse_cpus,
    parse_label,
    parse_memory,
    parse_mount,
    parse_publish,
    parse_secret,
    parse_user,
    parse_volume,
)
from workloads.errors import RunConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api_key,target=API_KEY", ("api_key", "API_KEY")),
        ("a b/c,target=X=Y, Z", ("a b/c", "X=Y, Z")),
        ("n,target=t", ("n", "t")),
    ],
)
def test_a_secret_names_itself_and_a_variable(text, expected):
    assert parse_secret(text) == SecretReference(*expected)


@pytest.mark.parametrize(
    "text", ["", "a", "a,", "a,target", "a,target=", ",target=A", "a, target=A", "a,b,target=C", "a,target=A\n"]
)
def test_another_form_of_secret_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="target=<ENV_NAME>") as caught:
        parse_secret(text)
    assert not text or f'"{text}"' not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", Mount("/data", "/data")),
        ("/srv/notes:/data", Mount("/srv/notes", "/data")),
        (".", Mount(".", ".")),
        ("./a b:/c", Mount("./a b", "/c")),
        ("volume://data:/d", Mount("data", "/d", scheme="volume")),
        ("s3+x://bucket/key:/d", Mount("bucket/key", "/d", scheme="s3+x")),
    ],
)
def test_a_mount_is_a_path_a_pair_or_a_uri(text, expected):
    assert parse_mount(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:",
        ":b",
        "a:b:c",
        "/a:/b:ro",
        "C:\\x:/y",
        "/a:C:\\y",
        "/a:\\b",
        "/a\0:/b",
        "$HOME:/b",
        "/a;b:/c",
        "/a:/b|c",
        "/a&:/b",
        "`a`:/b",
        "$(a):/b",
        "volume://data",
        "volume://data:/d:ro",
        "://a:/b",
    ],
)
def test_another_form_of_mount_is_refused(text):
    with pytest.raises(ValueError, match=r"mount|expected"):
        parse_mount(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a:/b", Mount("/a", "/b")),
        ("/a:/b:ro", Mount("/a", "/b", read_only=True)),
        ("./a:/b:ro", Mount("./a", "/b", read_only=True)),
        ("/a", Mount("/a", "/a")),
        ("/a:ro", Mount("/a", "/a", read_only=True)),
    ],
)
def test_a_volume_is_a_mount_and_perhaps_read_only(text, expected):
    assert parse_volume(text) == expected


@pytest.mark.parametrize("text", ["", "a", "ro", "/a:/b:rw", "/a:/b:/c", "/a:/b:ro:ro", "/a:", "$x:/b"])
def test_another_form_of_volume_is_refused(text):
    with pytest.raises(ValueError, match=r"mount|expected"):
        parse_volume(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("80", (0, 80)), ("19090:9090", (19090, 9090)), ("0:1", (0, 1)), ("65535:65535", (65535, 65535))],
)
def test_a_published_port_has_a_container_port_and_perhaps_a_host_port(text, expected):
    assert parse_publish(text) == PublishedPort(*expected)


@pytest.mark.parametrize(
    "text",
    ["", "0", "80:0", "65536", "65536:80", "-1", "80:", ":80", "1:2:3", "127.0.0.1:80:80", "80/tcp", "a", " 80", "٨٠"],
)
def test_another_form_of_published_port_is_refused(text):
    with pytest.raises(ValueError, match="hostPort:containerPort"):
        parse_publish(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("team", "research"),
        ("a", ""),
        ("A-b_c.1", "x.y-z_0"),
        ("example.org/team", "a"),
        ("a" * 63, "b" * 63),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 60}/{'d' * 63}", "e"),
    ],
)
def test_labels_by_the_rules_of_kubernetes_are_accepted(key, value):
    check_label(key, value)
    assert parse_label(f"{key}={value}") == (key, value)
    assert RunConfig(name="x", container_labels={key: value}).container_labels == {key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "a"),
        ("-a", "b"),
        ("a-", "b"),
        ("a b", "c"),
        ("a" * 64, "b"),
        ("a", "b" * 64),
        ("a", "-b"),
        ("a", "b."),
        ("a", "b/c"),
        ("/a", "b"),
        ("a/", "b"),
        ("A.org/a", "b"),
        ("a..b/c", "d"),
        ("a/b/c", "d"),
        ("a\n", "b"),
        ("a", "b\n"),
        ("é", "a"),
        ("a\nb", "c"),
        (f"{'a.' * 125}a/bcd", "e"),
    ],
)
def test_other_labels_are_refused(key, value):
    with pytest.raises(ValueError, match=r"expected|Kubernetes"):
        check_label(key, value)
    with pytest.raises(RunConfigError) as caught:
        RunConfig(name="x", container_labels={"ok": "ok", key: value})
    assert len(caught.value.problems) == 1


def test_labels_of_the_libraries_own_may_hold_names_of_any_length():
    labels = {"toolhive-name": "n" * 100, "toolhive-basename": "n" * 100, "workloads.name": "n" * 100}
    assert RunConfig(name="x", container_labels=labels).container_labels == labels


def test_a_label_needs_an_equals_sign():
    with pytest.raises(ValueError, match="key=value"):
        parse_label("team")
    assert parse_label("team=") == ("team", "")


def test_all_labels_are_checked_at_once():
    check_labels({"a": "b"})
    with pytest.raises(RunConfigError) as caught:
        check_labels({"a": "b", "-": "c", "d": "-"})
    assert [problem.path for problem in caught.value.problems] == ["-", "d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("1024", 1024), ("10b", 10), ("1k", 1024), ("512m", 512 * 1024**2), ("2G", 2 * 1024**3)],
)
def test_memory_is_in_bytes_or_binary_units(text, expected):
    assert parse_memory(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "m", "1.5g", "-1", "1t", "1 k", "1kb", "\u212a", "5\u212a", "٣", "1" * 30]
)
def test_another_amount_of_memory_is_refused(text):
    with pytest.raises(ValueError, match="amount of memory"):
        parse_memory(text)


@pytest.mark.parametrize(("text", "expected"), [("1", 1.0), ("0.5", 0.5), ("64", 64.0), ("00.25", 0.25)])
def test_processors_are_a_decimal_number(text, expected):
    assert parse_cpus(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0.0", ".5", "1.", "-1", "1e3", "inf", "a", "1,5"])
def test_another_number_of_processors_is_refused(text):
    with pytest.raises(ValueError, match="processors"):
        parse_cpus(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", ("1000", "")),
        ("1000:100", ("1000", "100")),
        ("www-data", ("www-data", "")),
        ("a:b", ("a", "b")),
        ("a:0", ("a", "0")),
    ],
)
def test_a_user_is_an_id_or_a_name_and_perhaps_a_group(text, expected):
    assert parse_user(text) == expected


@pytest.mark.parametrize("text", ["", ":", "a:", ":b", "a b", "a:b:c", "-a", "1a", "a\n", "é"])
def test_another_form_of_user_is_refused(text):
    with pytest.raises(ValueError, match="uid"):
        parse_user(text)


@pytest.mark.parametrize(
    ("key", "parse"),
    [("secrets", parse_secret), ("volumes", parse_volume), ("publish", parse_publish)],
)
@given(data=st.data())
def test_a_run_config_accepts_exactly_what_the_grammar_reads(key, parse, data):
    piece = st.sampled_from(["a", "/", ":", "ro", "80", ",target=", "A", "65536", "\n", "$", "://", ".", "0", "é"])
    text = "".join(data.draw(st.lists(piece, max_size=6)))
    try:
        parse(text)
        allowed = True
    except ValueError:
        allowed = False
    try:
        RunConfig.from_dict({"name": "x", key: [text]})
        accepted = True
    except RunConfigError:
        accepted = False
    assert accepted == allowed


@given(st.dictionaries(st.text("aA0-._/é\n", max_size=5), st.text("aA0-._/é\n", max_size=5), max_size=3))
def test_a_run_config_accepts_exactly_the_labels_that_pass(labels):
    try:
        check_labels(labels)
        allowed = True
    except RunConfigError:
        allowed = False
    try:
        RunConfig.from_dict({"name": "x", "container_labels": labels})
        accepted = True
    except RunConfigError:
        accepted = False
    assert accepted == allowed
