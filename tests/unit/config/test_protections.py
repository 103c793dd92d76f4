"""What this build cannot enforce is refused, and what it ignores is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.config.documents import EXPORTED

from workloads.config import RunConfig, protections, unenforceable, unenforced_limits, unenforced_warnings


def refused(**document: Any) -> list[str]:
    return [problem.path for problem in unenforceable(RunConfig.from_dict({"name": "x", **document}))]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("authz_config", {}),
        ("authz_config_path", "/etc/authz.json"),
        ("audit_config", {"enabled": True}),
        ("audit_config_path", "/etc/audit.json"),
        ("rate_limit_config", {}),
        ("rate_limit_namespace", "a"),
        ("validating_webhooks", [{}]),
        ("mutating_webhooks", [{}]),
        ("token_exchange_config", {}),
        ("upstream_swap_config", {}),
        ("aws_sts_config", {}),
        ("embedded_auth_server_config", {}),
        ("remote_auth_config", {}),
    ],
)
def test_a_key_that_asks_for_what_is_not_there_is_refused(key, value):
    assert refused(**{key: value}) == [key]


def test_everything_is_listed_at_once():
    document = RunConfig.from_json(EXPORTED).evolve(authz_config_path="/b", audit_config_path="/a")
    assert [problem.path for problem in unenforceable(document)] == [
        "authz_config_path",
        "audit_config_path",
    ]
    assert all("this version" in problem.message for problem in unenforceable(document))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"audit_config": {"component": "a"}},
        {"audit_config": {"enabled": False}},
        {"validating_webhooks": [], "remote_url": "https://a.example", "authz_config": None},
        {"middleware_configs": [{"type": "origin"}, {"type": "bodylimit"}, {"type": "recovery"}]},
    ],
)
def test_what_asks_for_nothing_more_is_accepted_silently(document):
    config = RunConfig.from_dict({"name": "x", **document})
    assert unenforceable(config) == []
    assert unenforced_warnings(config) == []


@pytest.mark.parametrize("installed", [True, False])
def test_what_is_accepted_without_effect_is_named(installed, monkeypatch):
    # As if it were, or were not: a module of which there is no more than its name.
    monkeypatch.setattr(protections, "find_spec", lambda name: installed or None)
    config = RunConfig.from_dict(
        {
            "name": "x",
            "telemetry_config": {"endpoint": "a"},
            "middleware_configs": [
                {"type": "bodylimit"},
                {"type": "mcp-parser"},
                {"type": "telemetry", "parameters": {"endpoint": "b"}},
            ],
            "additional_middleware_configs": [{"type": "usagemetrics"}],
        }
    )
    assert unenforceable(config) == []
    assert unenforced_warnings(config) == [
        "telemetry_config",
        "middleware_configs[1].type (mcp-parser)",
        f"middleware_configs[2].{'parameters' if installed else 'type'} (telemetry)",
        "additional_middleware_configs[0].type (usagemetrics)",
    ]


@pytest.mark.parametrize("key", ["thv_ca_bundle", "jwks_auth_token_file"])
def test_a_key_that_nothing_reads_is_kept_and_named(key):
    """TH-13.29: fields of flags that are dead: `thv_ca_bundle`, `jwks_auth_token_file`."""
    config = RunConfig.from_dict({"name": "x", key: "/a/file"})
    assert config.to_dict()[key] == "/a/file"
    assert unenforced_warnings(config) == [key]


ALLOWED = {"outbound": {"allow_host": ["example.org"], "allow_port": [443]}}


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ({"permission_profile": {"network": ALLOWED}}, ["permission_profile.network.outbound"]),
        ({"permission_profile": {"network": {"outbound": {}}}}, ["permission_profile.network.outbound"]),
        ({"permission_profile": {"network": {"mode": "host", **ALLOWED}}}, ["permission_profile.network.outbound"]),
        (
            {"permission_profile": {"network": {**ALLOWED, "inbound": {"allow_host": ["notes.example.org"]}}}},
            ["permission_profile.network.outbound", "permission_profile.network.inbound.allow_host"],
        ),
        ({"permission_profile_name_or_path": "none"}, ["permission_profile_name_or_path"]),
    ],
)
def test_a_limit_of_a_network_that_is_not_isolated_is_named_with_its_remedy(document, keys):
    found = unenforced_limits(RunConfig.from_dict({"name": "x", "image": "a", **document}))
    assert [problem.path for problem in found] == keys
    assert all("set isolate_network to true" in problem.message for problem in found)


def test_isolation_on_a_network_of_others_is_named_once():
    profile = {"network": {"mode": "host", **ALLOWED}}
    config = RunConfig.from_dict({"name": "x", "image": "a", "isolate_network": True, "permission_profile": profile})
    (problem,) = unenforced_limits(config)
    assert str(problem) == (
        "isolate_network: isolates nothing on the network 'host'; leave permission_profile.network.mode out"
    )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"isolate_network": True, "permission_profile": {"network": ALLOWED}},
        {"isolate_network": True, "permission_profile_name_or_path": "none"},
        {"permission_profile_name_or_path": "network"},
        {"permission_profile": {"read": ["/a"]}},
        {"permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}}},
        {"permission_profile": {"network": {"mode": "none", **ALLOWED}}},
        {"image": "", "remote_url": "https://a.example", "permission_profile": {"network": ALLOWED}},
    ],
)
def test_nothing_is_told_of_limits_that_are_kept_or_not_asked_for(document):
    assert unenforced_limits(RunConfig.from_dict({"name": "x", "image": "a", **document})) == []
