"""URLs of Redis: every problem at once, and no part of one in an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import InvalidSessionStoreError
from workloads.session import RedisStorage
from workloads.session.redis.target import Target
from workloads.session.redis.url import parse


def target(url, **options):
    found, problems = parse(url, **options)
    assert problems == []
    return found


def paths(url, **options):
    found, problems = parse(url, **options)
    assert found is None
    return [problem.path for problem in problems]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", Target(kind="server", addresses=(("localhost", 6379),))),
        ("redis://cache", Target(kind="server", addresses=(("cache", 6379),))),
        ("redis://cache:6380/2", Target(kind="server", addresses=(("cache", 6380),), database=2)),
        ("redis://cache/?db=2", Target(kind="server", addresses=(("cache", 6379),), database=2)),
        ("redis://[2001:db8::1]:1", Target(kind="server", addresses=(("2001:db8::1", 1),))),
        (
            "rediss://app:a%40b%2F%3A@cache?ssl_ca_certs=/a%20b&ssl_check_hostname=no",
            Target(
                kind="server", addresses=(("cache", 6379),), username="app", password="a@b/:", tls=True,
                ssl_ca_certs="/a b", ssl_check_hostname=False,
            ),
        ),
        ("redis://:secret@cache", Target(kind="server", addresses=(("cache", 6379),), password="secret")),
        ("unix:///run/a%20b.sock?db=3", Target(kind="unix", path="/run/a b.sock", database=3)),
        ("unix://app:secret@/s", Target(kind="unix", path="/s", username="app", password="secret")),
        (
            "redis+sentinel://:secret@a,b:1,[::1]/main/4?sentinel_username=s&sentinel_password=t&sentinel_ssl=true",
            Target(
                kind="sentinel", addresses=(("a", 26379), ("b", 1), ("::1", 26379)), master="main", database=4,
                password="secret", sentinel_username="s", sentinel_password="t", sentinel_ssl=True,
            ),
        ),
        (
            "rediss+cluster://a:7000,b:7001?socket_timeout=0.5&socket_connect_timeout=1&max_connections=4&client_name=c",
            Target(
                kind="cluster", addresses=(("a", 7000), ("b", 7001)), tls=True, socket_timeout=0.5,
                socket_connect_timeout=1.0, max_connections=4, client_name="c",
            ),
        ),
    ],
)  # fmt: skip
def test_a_url_says_where_redis_is(url, expected):
    assert target(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache:6380/2", "rediss://cache:6379/0", "unix:///run/s?db=3", "redis+cluster://a:7000,b:7001",
        "rediss+sentinel://a:1,[::1]:26379/main/4",
    ],
)  # fmt: skip
def test_a_target_is_shown_as_a_url_without_user_and_options(url):
    assert str(target(url)) == url
    assert str(target(url.replace("://", "://u:canary@", 1))) == url
    assert "canary" not in repr(target(url.replace("://", "://u:canary@", 1)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ["url"]),
        ("cache:6379", ["url"]),
        ("http://cache", ["url"]),
        ("unix+cluster://a", ["url"]),
        ("redis://cache:0", ["url.port"]),
        ("redis://cache:65536", ["url.port"]),
        ("redis://cache:http", ["url.host"]),
        ("redis://a,b", ["url.host"]),
        ("redis://::1", ["url.host"]),
        ("redis://cache/x", ["url.database"]),
        ("redis://cache/1/2", ["url.database"]),
        ("redis://cache//5", ["url.database"]),
        ("redis+sentinel://a/main//5", ["url.database"]),
        ("redis://cache/1?db=2", ["url.db"]),
        ("redis://u:p@ss@cache", ["url.user"]),
        ("redis://cache#x", ["url"]),
        ("redis://cache?nope=1", ["url.options"]),
        ("redis://cache?client_name=a&client_name=b", ["url.client_name"]),
        ("redis://cache?sentinel_password=a", ["url.sentinel_password"]),
        ("redis://cache?ssl_ca_certs=/a", ["url.ssl_ca_certs"]),
        ("rediss://cache?ssl_keyfile=/a", ["url.ssl_keyfile"]),
        ("rediss://cache?ssl_cert_reqs=optional&ssl_check_hostname=maybe&ssl_ca_certs=", [
            "url.ssl_cert_reqs", "url.ssl_check_hostname", "url.ssl_ca_certs",
        ]),
        ("redis://cache?socket_timeout=0&socket_connect_timeout=x&max_connections=0", [
            "url.socket_timeout", "url.socket_connect_timeout", "url.max_connections",
        ]),
        ("redis+sentinel://a", ["url.master"]),
        ("redis+cluster://a/1", ["url.database"]),
        ("unix://", ["url.path"]),
        ("unix://host/s", ["url.host"]),
        ("redis://a:0,[b/x?nope=1&max_connections=x#y", [
            "url", "url.port", "url.host", "url.database", "url.options", "url.max_connections",
        ]),
    ],
)  # fmt: skip
def test_every_problem_is_told(url, expected):
    assert paths(url) == expected


def test_a_password_beside_the_url_is_the_password():
    assert target("redis://app@cache", password="a@b").password == "a@b"
    assert paths("redis://app:x@cache", password="y") == ["url.password"]


def test_all_that_is_wrong_with_a_storage_is_one_error():
    with pytest.raises(InvalidSessionStoreError) as caught:
        RedisStorage.from_url("redis://cache/x?max_connections=y", key_prefix="sessions", ttl=0)
    assert [problem.path for problem in caught.value.problems] == [
        "url.database", "url.max_connections", "key_prefix", "ttl",
    ]  # fmt: skip
    assert str(caught.value).count(";") == 3


@pytest.mark.parametrize("prefix", ["", "thv", ":x", None, b"a:"])
def test_a_prefix_ends_with_a_colon(prefix):
    with pytest.raises(InvalidSessionStoreError, match="key_prefix"):
        RedisStorage.from_url("redis://cache", key_prefix=prefix, ttl=60)


def test_a_storage_is_shown_without_secrets():
    storage = RedisStorage.from_url("redis://app:canary@cache/1", ttl=60)
    assert repr(storage) == "RedisStorage('redis://cache:6379/1', key_prefix='thv:proxy:session:', ttl=60)"


def test_what_is_no_client_is_refused():
    with pytest.raises(TypeError, match=r"redis\.asyncio"):
        RedisStorage(object(), ttl=60)


@given(st.text(alphabet="canary/?#@:[],%&=. \u00e9", min_size=1, max_size=30))
def test_no_part_of_a_url_that_is_refused_is_repeated(password):
    """Whatever is forgotten to be encoded, no piece of it can be read in the error."""
    secret = f"Zq7{password}Zq8"
    for url in (f"redis://app:{secret}@cache/0", f"redis+sentinel://:{secret}@a,b/main", f"unix://:{secret}@/s"):
        _, problems = parse(url)
        assert not any("Zq" in str(problem) for problem in problems)
