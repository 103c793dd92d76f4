"""Nothing is coerced, and everything that is wrong is told, each with its path."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.config.documents import EXPORTED, documents, values

from workloads.config import (
    AuditConfig,
    MiddlewareConfig,
    NetworkPermissions,
    PermissionProfile,
    RemoteAuthConfig,
    RunConfig,
    ScalingConfig,
    SessionRedis,
    ToolOverride,
    Webhook,
    _rules,
)
from workloads.config._kinds import kind_of
from workloads.config._shape import shape_of
from workloads.errors import Problem, RunConfigError
from workloads.model import TransportType


def problems_of(document: Any) -> list[str]:
    text = json.dumps(document)
    with pytest.raises(RunConfigError) as from_json:
        RunConfig.from_json(text)
    with pytest.raises(RunConfigError) as from_yaml:
        RunConfig.from_yaml(text)
    with pytest.raises(RunConfigError) as from_dict:
        RunConfig.from_dict(document)
    assert from_json.value.problems == from_yaml.value.problems == from_dict.value.problems
    return [str(problem) for problem in from_json.value.problems]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("port", "12", 'port: expected int, got "12"'),
        ("port", 1.0, "port: expected int, got 1.0"),
        ("port", True, "port: expected int, got true"),
        ("port", 65536, "port: expected 0 to 65535, got 65536"),
        ("port", -1, "port: expected 0 to 65535, got -1"),
        ("port", [80], "port: expected int, got a list"),
        ("mcpserver_generation", 2**63, f"mcpserver_generation: expected {-(2**63)} to {2**63 - 1}, got {2**63}"),
        ("debug", 1, "debug: expected bool, got 1"),
        ("debug", "true", 'debug: expected bool, got "true"'),
        ("image", 5, 'image: expected str, got 5; write "5"'),
        ("image", False, 'image: expected str, got false; write "false"'),
        ("image", {}, "image: expected str, got an object"),
        ("cmd_args", "abc", 'cmd_args: expected list of str, got "abc"'),
        ("cmd_args", {"a": "b"}, "cmd_args: expected list of str, got an object"),
        ("cmd_args", ["a", 8080], 'cmd_args[1]: expected str, got 8080; write "8080"'),
        ("cmd_args", [None], 'cmd_args[0]: expected str, got null; write ""'),
        ("env_vars", {"LOG_LEVEL": 3}, 'env_vars.LOG_LEVEL: expected str, got 3; write "3"'),
        ("env_vars", {"A": True}, 'env_vars.A: expected str, got true; write "true"'),
        ("env_vars", ["A=b"], "env_vars: expected object of str, got a list"),
        ("env_vars", {"a\nb": 1}, "env_vars.'a\\nb': expected str, got 1; write \"1\""),
        ("transport", "http", 'transport: expected one of stdio, sse, streamable-http, inspector, got "http"'),
        ("transport", 1, "transport: expected one of stdio, sse, streamable-http, inspector, got 1"),
        ("transport", [], "transport: expected one of stdio, sse, streamable-http, inspector, got a list"),
        ("proxy_mode", "grpc", 'proxy_mode: expected one of sse, streamable-http, got "grpc"'),
        ("proxy_mode", "stdio", 'proxy_mode: expected one of sse, streamable-http, got "stdio"'),
        ("sleep_mode", "nap", 'sleep_mode: expected one of stop, suspend, got "nap"'),
        ("permission_profile", "network", 'permission_profile: expected object, got "network"'),
        ("permission_profile", [], "permission_profile: expected object, got a list"),
        (
            "permission_profile",
            {"network": {"outbound": {"allow_port": [80, 443, "https"]}}},
            'permission_profile.network.outbound.allow_port[2]: expected int, got "https"',
        ),
        (
            "permission_profile",
            {"network": {"outbound": {"allow_port": [70000]}}},
            "permission_profile.network.outbound.allow_port[0]: expected 0 to 65535, got 70000",
        ),
        ("scaling_config", {"session_redis": {"db": 2**31}}, None),
        ("middleware_configs", [None], "middleware_configs[0]: expected object, got null"),
        ("middleware_configs", {}, "middleware_configs: expected list of objects, got an object"),
        ("middleware_configs", [{"parameters": {}}], "middleware_configs[0].type: required"),
        ("middleware_configs", [{"type": None}], "middleware_configs[0].type: required"),
        ("tools_override", {"a": {}}, "tools_override.a: needs a name or a description"),
        ("tools_override", [], "tools_override: expected object of objects, got a list"),
        ("tools_override", {"a": "b"}, 'tools_override.a: expected object, got "b"'),
        ("authz_config", [1], "authz_config: expected object, got a list"),
        ("authz_config", "x", 'authz_config: expected object, got "x"'),
        (
            "remote_auth_config",
            {"headers": {}},
            "remote_auth_config.headers: expected list of JSON values, got an object",
        ),
        ("oidc_config", {"Issuer": 1}, 'oidc_config.Issuer: expected str, got 1; write "1"'),
        ("telemetry_config", {"tracingEnabled": "x"}, 'telemetry_config.tracingEnabled: expected bool, got "x"'),
        ("secrets", ["A"], 'secrets[0]: expected "<secret-name>,target=<ENV_NAME>"'),
        ("volumes", ["/a:/b:rw"], None),
        ("publish", ["80/tcp"], 'publish[0]: expected "hostPort:containerPort" or "containerPort", got "80/tcp"'),
        ("session_ttl", "5", None),
        ("session_ttl", "-5s", 'session_ttl: expected a duration of zero or more, got "-5s"'),
        ("container_labels", {"team": "a b"}, None),
        ("container_labels", {"-": "a"}, None),
        ("group", "Research", "group: only a-z, 0-9, '_', '-' and spaces are allowed, got \"Research\""),
        ("base_name", "../x", None),
        ("depends_on", ["a b"], None),
        ("memory", "lots", None),
        ("cpus", "0", None),
        ("user", "a b", None),
        ("pids", -1, "pids: expected 0 to 2147483647, got -1"),
        ("allowed_hosts", [""], "allowed_hosts[0]: expected a host name or address, with or without a port"),
        ("runtime_config", {"additional_packages": ["a b"]}, None),
        ("runtime_config", {"runtime_env": {"a": "b"}}, None),
        ("validating_webhooks", [{"timeout": "soon"}], None),
        ("validating_webhooks", [{"timeout": 1.5}], "validating_webhooks[0].timeout: expected int or str, got 1.5"),
    ],
)
def test_a_wrong_value_is_one_problem_with_its_path(key, value, message):
    (problem,) = problems_of({"name": "x", key: value})
    assert problem.startswith(key)
    if message is not None:
        assert problem == message


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (None, "required"),
        ("", "empty"),
        ("a/b", "only letters"),
        ("../a", "only letters"),
        ("..", "start with"),
        ("a" * 101, "101"),
    ],
)
def test_a_document_needs_an_allowed_name(name, rule):
    (problem,) = problems_of({"name": name})
    assert problem.startswith("name: ")
    assert rule in problem
    assert problems_of({}) == ["name: required"]


def test_every_problem_is_told_at_once_in_the_order_of_the_fields():
    found = problems_of(
        {
            "later": 1,
            "debug": "yes",
            "name": "a b",
            "port": "80",
            "permission_profile": {"read": [1], "network": {"mode": 5, "inbound": 6}},
            "middleware_configs": [{"type": 1}, {"type": "x"}, 7],
            "scaling_config": {"backend_replicas": "3"},
        }
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "name",
        "port",
        "permission_profile.read[0]",
        "permission_profile.network.mode",
        "permission_profile.network.inbound",
        "debug",
        "middleware_configs[0].type",
        "middleware_configs[2]",
        "scaling_config.backend_replicas",
    ]


def test_problems_of_old_keys_are_told_under_the_old_keys():
    (problem,) = problems_of({"name": "x", "remote_auth_config": {"ClientID": "c", "CallbackPort": "1"}})
    assert problem == 'remote_auth_config.CallbackPort: expected int, got "1"'


def test_the_error_names_its_source_and_keeps_the_problems():
    with pytest.raises(RunConfigError, match=r"invalid run config /tmp/a\.json: 2 problems") as caught:
        RunConfig.from_json('{"port": "1"}', source="/tmp/a.json")
    assert caught.value.source == "/tmp/a.json"
    assert caught.value.problems == (Problem("name", "required"), Problem("port", 'expected int, got "1"'))


@pytest.mark.parametrize("document", [None, 1, "x", [], [{"name": "x"}], True])
def test_a_document_that_is_no_object_is_a_problem(document):
    (problem,) = problems_of(document)
    assert problem.startswith("expected object, got ")


@pytest.mark.parametrize(
    "odd",
    [object(), {1}, b"x", float("nan"), float("inf"), 10**5000],
    ids=["object", "set", "bytes", "nan", "infinity", "a long integer"],
)
@pytest.mark.parametrize("wrap", [lambda odd: odd, lambda odd: {"a": [odd]}], ids=["itself", "inside"])
def test_what_json_cannot_hold_is_a_problem_of_a_dict(odd, wrap):
    for key in ("later", "authz_config"):
        with pytest.raises(RunConfigError) as caught:
            RunConfig.from_dict({"name": "x", key: wrap(odd)})
        assert caught.value.problems[0].path.startswith(key)
        assert len(caught.value.problems) == 1


def test_keys_that_are_no_strings_are_a_problem_of_a_dict():
    with pytest.raises(RunConfigError, match='later: expected str, got 1; write "1"'):
        RunConfig.from_dict({"name": "x", "later": {1: 2}})


def test_an_object_that_holds_itself_is_a_problem():
    loop: dict[str, Any] = {"name": "x"}
    loop["later"] = loop
    with pytest.raises(RunConfigError, match="nested more than 100 levels deep"):
        RunConfig.from_dict(loop)
    with pytest.raises(RunConfigError, match="nested more than 100 levels deep"):
        RunConfig(name="x", authz_config=loop)


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x", "port": True}, ["port"]),
        ({"name": "x", "port": "80"}, ["port"]),
        ({"name": "x", "cmd_args": "abc"}, ["cmd_args"]),
        ({"name": "x", "cmd_args": [1, "a", None]}, ["cmd_args[0]", "cmd_args[2]"]),
        ({"name": "x", "cmd_args": 5, "env_vars": 5, "transport": 5}, ["cmd_args", "transport", "env_vars"]),
        ({"name": "x", "env_vars": {"A": 1, 2: "b"}}, ["env_vars.A", "env_vars"]),
        ({"name": "x", "scaling_config": {"backend_replicas": 1}}, ["scaling_config"]),
        ({"name": "x", "scaling_config": SessionRedis()}, ["scaling_config"]),
        ({"name": "x", "middleware_configs": [Webhook()]}, ["middleware_configs[0]"]),
        ({"name": "x", "tools_override": {"a": Webhook()}}, ["tools_override.a"]),
        ({"name": "x", "authz_config": {"a": {1}}}, ["authz_config.a"]),
        ({"name": "x", "authz_config": "text"}, ["authz_config"]),
        (
            {"name": "x", "session_ttl": "soon", "secrets": ["a"], "volumes": ["$x:/y"]},
            ["volumes[0]", "secrets[0]", "session_ttl"],
        ),
        ({"name": "x", "sleep_mode": "nap"}, ["sleep_mode"]),
    ],
)
def test_a_constructor_tells_every_problem_too(values, paths):
    with pytest.raises(RunConfigError) as caught:
        RunConfig(**values)
    assert [problem.path for problem in caught.value.problems] == paths


def test_nested_constructors_check_themselves():
    with pytest.raises(RunConfigError, match=r"network: expected NetworkPermissions, got an object"):
        PermissionProfile(network={"mode": "none"})
    with pytest.raises(RunConfigError, match="mode: expected str, got 5"):
        NetworkPermissions(mode=5)
    with pytest.raises(RunConfigError, match="needs a name"):
        ToolOverride()
    with pytest.raises(RunConfigError, match="callback_port"):
        RemoteAuthConfig(callback_port=-1)
    assert AuditConfig(detect_application_errors=None, max_delegation_depth=3).max_delegation_depth == 3


def test_a_constructor_wants_its_required_arguments_and_knows_no_others():
    with pytest.raises(TypeError, match="name"):
        RunConfig()
    with pytest.raises(TypeError, match="type"):
        MiddlewareConfig()
    with pytest.raises(TypeError, match="replicas"):
        RunConfig(name="x", replicas=3)


def test_changes_are_checked_as_a_constructor_checks():
    loaded = RunConfig.from_json(EXPORTED)
    with pytest.raises(RunConfigError) as caught:
        loaded.evolve(port="x", scaling_config=ScalingConfig(backend_replicas=1), backend_replicas=2)
    assert [problem.path for problem in caught.value.problems] == ["port"]
    with pytest.raises(RunConfigError, match="backend_replicas"):
        loaded.evolve(backend_replicas=2)


def test_collections_of_any_kind_are_taken_and_copied():
    arguments = ["a"]
    config = RunConfig(
        name="x",
        cmd_args=arguments,
        command=iter(["b"]),
        allowed_origins=("c",),
        tools_override={"a": ToolOverride(name="b")},
    )
    arguments.append("z")
    assert (config.cmd_args, config.command, config.allowed_origins) == (("a",), ("b",), ("c",))


@given(documents(unknown=False), st.data())
def test_a_valid_document_with_one_bad_value_has_problems_only_there(document, data):
    key = data.draw(st.sampled_from(["port", "debug", "cmd_args", "env_vars", "transport", "name"]))
    bad = data.draw(st.sampled_from([{"a": [[]]}, [{}], 0.5, "§"]))
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_dict({**document, key: bad})
    assert {problem.path.replace("[", ".").split(".")[0] for problem in caught.value.problems} == {key}


@given(st.dictionaries(st.sampled_from(sorted(json.loads(EXPORTED))), values))
def test_any_values_under_known_keys_give_a_run_config_or_problems(document):
    refused = None
    try:
        config = RunConfig.from_dict(document)
    except RunConfigError as error:
        refused = error
    assert config.to_dict() == document if refused is None else refused.problems


@pytest.mark.parametrize("wire", sorted(shape_of(RunConfig).by_wire))
def test_a_value_that_json_does_not_know_is_told_once_whatever_it_is_for(wire):
    document = {"name": "x", wire: float("nan")}
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_dict(document)
    assert caught.value.problems == (Problem(wire, "nan is not a number that JSON knows"),)


def test_fields_that_contradict_each_other_are_told_beside_nulls_and_keys_without_a_field():
    found = problems_of({"name": "x", "image": None, "backend_replicas": 1, "scaling_config": {"backend_replicas": 2}})
    assert [problem.partition(":")[0] for problem in found] == ["backend_replicas"]
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_json('{"name": "x", "proxy_mode": "a", "later": ' + "[" * 101 + "]" * 101 + "}")
    assert [problem.path.partition("[")[0] for problem in caught.value.problems] == ["proxy_mode", "later"]


def test_an_integer_too_long_to_be_written_is_told_by_its_size():
    with pytest.raises(RunConfigError, match=r"port: expected 0 to 65535, got an integer of 16610 bits"):
        RunConfig(name="x", port=10**5000)
    with pytest.raises(RunConfigError, match=r"port: expected int, got 9{60}…"):
        RunConfig.from_json('{"name": "x", "port": ' + "9" * 5000 + "}")


def test_numbers_of_enums_are_stored_as_plain_ones():
    class Port(IntEnum):
        HTTP = 80

    config = RunConfig(name="x", port=Port.HTTP, authz_config={"a": [Port.HTTP, TransportType.SSE]})
    assert type(config.port) is int
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert RunConfig.from_dict({"name": "x", "port": Port.HTTP}).port == 80


def test_lists_of_json_values_are_copied_and_checked():
    headers = [{"name": "X-Key", "required": True}]
    auth = RemoteAuthConfig(headers=headers)
    headers[0]["name"] = "Y"
    assert auth.headers == ({"name": "X-Key", "required": True},)
    for bad in ("text", {"a": 1}, [{1}], 5):
        with pytest.raises(RunConfigError, match="headers"):
            RemoteAuthConfig(headers=bad)


def test_rules_forget_what_they_have_met_before_it_becomes_too_much(monkeypatch):
    monkeypatch.setattr(_rules, "_MOST_MET", 3)
    for _ in range(2):
        for number in range(10):
            assert RunConfig.from_dict({"name": f"n{number}", "publish": ["80", "81", "82", "83"]}).name == f"n{number}"
        with pytest.raises(RunConfigError):
            RunConfig.from_dict({"name": "a b"})


def test_a_new_kind_of_annotation_needs_a_new_kind_of_field():
    with pytest.raises(TypeError, match="no kind for the annotation 'complex'"):
        kind_of("complex")
