"""What is meant by what is absent."""

from __future__ import annotations

import pytest

from workloads.config import NetworkPermissions, OutboundPermissions, PermissionProfile, RunConfig
from workloads.errors import RunConfigError
from workloads.model import ProxyMode, TransportType


def test_a_bare_run_config_has_the_documented_defaults():
    config = RunConfig(name="x")
    assert (config.transport, config.host, config.port, config.image) == (TransportType.STDIO, "127.0.0.1", 0, "")
    assert config.effective_schema_version == "v0.1.0"
    assert config.effective_base_name == "x"
    assert config.effective_group == "default"
    assert config.effective_session_ttl == 7200
    assert config.effective_session_cache_size == 1000
    assert config.effective_proxy_mode is ProxyMode.STREAMABLE_HTTP
    assert config.effective_isolate_network is False
    assert config.effective_backend_replicas is None


def test_the_example_of_the_readme_works():
    config = RunConfig(name="time", image="ghcr.io/acme/time:1", transport="streamable-http", group="engineering")
    assert config.transport is TransportType.STREAMABLE_HTTP


@pytest.mark.parametrize(
    ("transport", "given", "effective"),
    [
        ("stdio", "", "streamable-http"),
        ("stdio", "sse", "sse"),
        ("stdio", "streamable-http", "streamable-http"),
        ("sse", "", "sse"),
        ("sse", "streamable-http", "sse"),
        ("streamable-http", "sse", "streamable-http"),
        ("inspector", "", "streamable-http"),
        ("inspector", "inspector", "streamable-http"),
    ],
)
def test_the_proxy_mode_counts_only_for_stdio_and_is_stored_as_given(transport, given, effective):
    config = RunConfig(name="x", transport=transport, proxy_mode=given)
    assert config.effective_proxy_mode is ProxyMode(effective)
    assert config.proxy_mode == given
    assert config.to_dict().get("proxy_mode", "") == given


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 7200), ("0", 7200), ("0s", 7200), ("2h", 7200), ("90m", 5400), ("1ms", 0.001)]
)
def test_the_session_ttl_in_seconds(text, seconds):
    assert RunConfig(name="x", session_ttl=text).effective_session_ttl == seconds


@pytest.mark.parametrize(("size", "effective"), [(0, 1000), (500, 500), (-1, -1)])
def test_the_session_cache_size(size, effective):
    assert RunConfig(name="x", session_cache_size=size).effective_session_cache_size == effective


@pytest.mark.parametrize(
    ("mode", "isolated"),
    [(None, True), ("", True), ("bridge", True), ("default", True), ("none", False), ("host", False)],
)
def test_isolation_needs_a_managed_network(mode, isolated):
    profile = None if mode is None else PermissionProfile(network=NetworkPermissions(mode=mode))
    assert RunConfig(name="x", isolate_network=True, permission_profile=profile).effective_isolate_network is isolated
    assert RunConfig(name="x", permission_profile=profile).effective_isolate_network is False
    assert RunConfig(name="x", isolate_network=True, permission_profile=PermissionProfile()).effective_isolate_network


def test_a_missing_profile_is_the_built_in_one_that_allows_every_connection():
    profile = RunConfig(name="x").effective_permission_profile
    assert profile == PermissionProfile.builtin("network")
    assert profile.network == NetworkPermissions(outbound=OutboundPermissions(insecure_allow_all=True))
    assert profile.privileged is False
    assert profile.read == profile.write == ()


@pytest.mark.parametrize("name", ["none", "stdio"])
def test_a_profile_that_allows_nothing_can_be_named(name):
    profile = RunConfig(name="x", permission_profile_name_or_path=name).effective_permission_profile
    assert profile.network is None


def test_a_given_profile_goes_before_a_named_one():
    profile = PermissionProfile(name="p")
    config = RunConfig(name="x", permission_profile=profile, permission_profile_name_or_path="network")
    assert config.effective_permission_profile is profile


def test_a_named_file_is_never_taken_for_something_more_generous():
    with pytest.raises(RunConfigError, match=r"permission_profile_name_or_path: .*\./strict\.json"):
        _ = RunConfig(name="x", permission_profile_name_or_path="./strict.json").effective_permission_profile
    with pytest.raises(LookupError):
        PermissionProfile.builtin("./strict.json")
