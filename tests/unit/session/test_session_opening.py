"""The session manager that a run config asks for."""

from __future__ import annotations

import pytest

from workloads import RunConfig
from workloads.config import ScalingConfig, SessionRedis
from workloads.errors import InvalidSessionStoreError
from workloads.session import LocalStorage, RedisStorage, RoutingStorage, SessionManager

SECRET = "p@ss/w:rd%"


def config(**redis) -> RunConfig:
    return RunConfig(
        name="time",
        image="uvx://mcp-server-time",
        session_ttl="10m",
        session_cache_size=7,
        scaling_config=ScalingConfig(session_redis=SessionRedis(**redis)),
    )


@pytest.mark.parametrize(
    "without",
    [
        RunConfig(name="time", image="uvx://mcp-server-time", session_ttl="10m"),
        RunConfig(name="time", image="uvx://mcp-server-time", session_ttl="10m", scaling_config=ScalingConfig()),
        config(address=""),
    ],
)
def test_without_redis_sessions_are_kept_in_memory(without):
    manager = SessionManager.from_run_config(without, environ={})
    assert isinstance(manager.storage, LocalStorage)
    assert manager.storage.ttl == 600


def test_the_bound_of_the_cache_is_the_run_configs():
    storage = SessionManager.from_run_config(config(address="127.0.0.1:6390"), environ={}).storage
    assert isinstance(storage, RoutingStorage)
    assert storage.max_local_entries == 7
    default = RunConfig.from_dict({**config(address="127.0.0.1:6390").to_dict(), "session_cache_size": 0})
    assert SessionManager.from_run_config(default, environ={}).storage.max_local_entries == 1000


@pytest.mark.parametrize(("prefix", "expected"), [("", "thv:proxy:session:"), ("mine:", "mine:")])
def test_redis_is_the_run_configs(prefix, expected):
    storage = SessionManager.from_run_config(config(address="[::1]:6390", db=3, key_prefix=prefix), environ={}).storage
    remote = storage._remote
    assert isinstance(remote, RedisStorage)
    assert repr(remote) == f"RedisStorage('redis://[::1]:6390/3', key_prefix={expected!r}, ttl=600)"


@pytest.mark.parametrize(
    ("environ", "password"),
    [
        ({}, None),
        ({"THV_SESSION_REDIS_PASSWORD": SECRET}, SECRET),
        ({"THV_SESSION_REDIS_PASSWORD": "other", "WORKLOADS_SESSION_REDIS_PASSWORD": SECRET}, SECRET),
        ({"THV_SESSION_REDIS_PASSWORD": SECRET, "WORKLOADS_SESSION_REDIS_PASSWORD": ""}, SECRET),
    ],
)
def test_the_password_comes_from_the_environment(monkeypatch, environ, password):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    remote = SessionManager.from_run_config(config(address="127.0.0.1:6390")).storage._remote
    assert remote._target.password == password
    assert SECRET not in repr(remote) + str(remote._target)


@pytest.mark.parametrize("address", ["127.0.0.1:notaport", "user:secret@127.0.0.1:1@x", "a b"])
def test_an_address_that_cannot_be_used_is_told(address):
    with pytest.raises(InvalidSessionStoreError, match=r"url|address") as caught:
        SessionManager.from_run_config(config(address=address), environ={"WORKLOADS_SESSION_REDIS_PASSWORD": SECRET})
    assert SECRET not in str(caught.value)


def test_an_address_is_no_more_than_that():
    """What is before an @ would be a user, and the password of the environment would go to what follows it."""
    with pytest.raises(InvalidSessionStoreError):
        SessionManager.from_run_config(config(address="redis.example:6379@evil.example:6379"), environ={})
