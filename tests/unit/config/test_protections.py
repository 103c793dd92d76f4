"""What this build cannot enforce is refused, and what it ignores is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.config.documents import EXPORTED

from workloads.config import RunConfig, protections, unenforceable, unenforced_warnings


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
