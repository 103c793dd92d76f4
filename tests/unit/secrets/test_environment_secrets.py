from __future__ import annotations

import pytest

from workloads.secrets import EnvironmentProvider, scrub


def test_a_secret_is_looked_up_under_its_own_prefix_first():
    both = {"WORKLOADS_SECRET_key": "ours", "TOOLHIVE_SECRET_key": "theirs"}
    assert EnvironmentProvider(both).get("key") == "ours"


def test_toolhive_is_asked_second():
    assert EnvironmentProvider({"TOOLHIVE_SECRET_key": "theirs"}).get("key") == "theirs"
    assert EnvironmentProvider({"WORKLOADS_SECRET_key": "", "TOOLHIVE_SECRET_key": "theirs"}).get("key") == "theirs"


@pytest.mark.parametrize("environ", [{}, {"WORKLOADS_SECRET_key": ""}, {"WORKLOADS_SECRET_KEY": "x"}, {"key": "x"}])
def test_a_name_is_taken_as_it_is_and_an_empty_value_is_none(environ):
    assert EnvironmentProvider(environ).get("key") is None


@pytest.mark.parametrize("name", ["", "\0", "a=b", "\ud800", "é", "op://vault/item"])
def test_no_name_is_too_strange_to_ask_for(name):
    assert EnvironmentProvider().get(name) is None


def test_the_environment_of_this_process_is_asked_as_it_is_at_that_time(monkeypatch):
    provider = EnvironmentProvider()
    monkeypatch.setenv("WORKLOADS_SECRET_late", "value")
    assert provider.get("late") == "value"


def test_a_provider_does_not_show_what_it_knows():
    provider = EnvironmentProvider({"WORKLOADS_SECRET_key": "hunter2"})
    assert "hunter2" not in repr(provider) + str(provider)


@pytest.mark.parametrize(
    "name",
    [
        "WORKLOADS_SECRET_key", "TOOLHIVE_SECRET_key", "TOOLHIVE_SECRET_", "WORKLOADS_SECRETS_PASSWORD",
        "TOOLHIVE_SECRETS_PASSWORD", "THV_SESSION_REDIS_PASSWORD", "WORKLOADS_SESSION_REDIS_PASSWORD",
        "TOOLHIVE_REMOTE_AUTH_BEARER_TOKEN", "WORKLOADS_REMOTE_AUTH_BEARER_TOKEN", "OP_SERVICE_ACCOUNT_TOKEN",
    ],
)  # fmt: skip
def test_what_holds_a_secret_is_scrubbed(name):
    environ = {name: "hunter2", "PATH": "/bin"}
    assert scrub(environ) == {"PATH": "/bin"}
    assert environ[name] == "hunter2", "the original stays"


@pytest.mark.parametrize("name", ["TOOLHIVE_SECRETS_PROVIDER", "MY_SECRET_key", "WORKLOADS_DEBUG", "SECRET"])
def test_what_holds_none_is_kept(name):
    assert scrub({name: "value"}) == {name: "value"}
