"""What was loaded is saved as it was."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.config.documents import EXPORTED, documents, exact, same_numbers

from workloads.config import MiddlewareConfig, PermissionProfile, RemoteAuthConfig, RunConfig
from workloads.errors import RunConfigError
from workloads.model import TransportType

many = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a tree there are objects."""
    if isinstance(tree, dict):
        return [path, *(found for key, item in tree.items() for found in places(item, (*path, key)))]
    if isinstance(tree, list):
        return [found for index, item in enumerate(tree) for found in places(item, (*path, index))]
    return []


def test_an_exported_document_is_saved_as_it_was():
    assert exact(RunConfig.from_json(EXPORTED).to_json()) == exact(EXPORTED)
    assert RunConfig.from_json(EXPORTED).to_dict() == json.loads(EXPORTED)


def test_an_exported_document_survives_yaml_as_well():
    config = RunConfig.from_json(EXPORTED)
    again = RunConfig.from_yaml(config.to_yaml())
    assert again == config
    assert exact(again.to_json()) == exact(EXPORTED)


@pytest.mark.parametrize(
    "path",
    # These map names to strings, or tools to overrides, so that a key is a name there.
    [
        path
        for path in places(json.loads(EXPORTED))
        if path not in (("env_vars",), ("container_labels",), ("tools_override",))
    ],
    ids=lambda path: ".".join(map(str, path)) or "top",
)
def test_unknown_keys_are_kept_at_every_level(path):
    document = json.loads(EXPORTED)
    place = document
    for key in path:
        place = place[key]
    place["later_key"] = {"list": [1, None, {"deep": True}], "empty": {}}
    text = json.dumps(document)
    config = RunConfig.from_json(text)
    assert exact(config.to_json()) == exact(text)
    assert exact(RunConfig.from_yaml(config.to_yaml()).to_json()) == exact(text)
    assert config != RunConfig.from_json(EXPORTED)
    for copied in (
        copy.copy(config),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
        config.evolve(),
        attrs.evolve(config),
        config.evolve(debug=True).evolve(debug=False),
    ):
        assert copied == config
        assert hash(copied) == hash(config)
        assert copied.to_dict()[path[0] if path else "later_key"] == document[path[0] if path else "later_key"]


def test_unknown_keys_survive_a_change_beside_them():
    config = RunConfig.from_dict({"name": "x", "later": 1, "permission_profile": {"later": 2, "name": "p"}})
    profile = config.permission_profile
    assert profile is not None
    changed = config.evolve(permission_profile=profile.evolve(privileged=True), group="g")
    assert changed.to_dict() == {
        "name": "x",
        "later": 1,
        "permission_profile": {"later": 2, "name": "p", "privileged": True},
        "group": "g",
    }


@many
@given(documents())
def test_any_document_is_saved_as_it_was_in_json(document):
    text = json.dumps(document)
    config = RunConfig.from_json(text)
    assert exact(config.to_json()) == exact(text)
    assert exact(config.to_json(indent=None)) == exact(text)
    assert RunConfig.from_json(config.to_json()) == config


@many
@given(documents())
def test_any_document_is_saved_as_it_was_in_yaml(document):
    text = json.dumps(document)
    config = RunConfig.from_json(text)
    again = RunConfig.from_yaml(config.to_yaml())
    assert again == config
    assert exact(again.to_json()) == exact(text)
    assert again.to_yaml() == config.to_yaml()


@many
@given(documents())
def test_any_document_survives_copies(document):
    config = RunConfig.from_dict(document)
    for copied in (copy.deepcopy(config), pickle.loads(pickle.dumps(config)), config.evolve()):
        assert copied == config
        assert hash(copied) == hash(config)
        assert exact(copied.to_json()) == exact(config.to_json())


@many
@given(documents(unknown=False, nulls=False))
def test_what_is_built_anew_from_the_fields_of_a_document_is_equal_to_it(document):
    loaded = RunConfig.from_dict(document)
    fields = [a for a in attrs.fields(RunConfig) if not a.name.startswith("__")]
    built = RunConfig(**{field.name: getattr(loaded, field.name) for field in fields})
    assert built == loaded
    assert same_numbers(RunConfig.from_json(built.to_json()).to_json()) == same_numbers(built.to_json())


@pytest.mark.parametrize(
    "literal",
    [
        "1.10",
        "1E5",
        "1e400",
        "-1e-400",
        "-0",
        "0.0",
        "-0.0",
        "1e+16",
        "100000000000000000000000",
        "9" * 5000,
        "1.0",
        "5e-324",
    ],
)
@pytest.mark.parametrize("place", ["later", "authz_config"])
def test_number_literals_stay_as_written(literal, place):
    text = f'{{"name": "x", "{place}": {{"value": [{literal}]}}}}'
    config = RunConfig.from_json(text)
    assert exact(config.to_json()) == exact(text)
    assert exact(RunConfig.from_yaml(config.to_yaml()).to_json()) == exact(text)
    for copied in (config.evolve(debug=True), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert literal in copied.to_json()


@pytest.mark.parametrize(
    ("literal", "written"),
    [
        ("0x1F", "31"),
        ("0o17", "15"),
        ("+5", "5"),
        ("007", "7"),
        (".5", "0.5"),
        ("1.", "1.0"),
        ("+1.5e3", "1.5e3"),
        ("-.5", "-0.5"),
    ],
)
def test_number_literals_of_yaml_stay_in_yaml_and_become_json_in_json(literal, written):
    config = RunConfig.from_yaml(f"name: x\nlater: {literal}\n")
    assert f"later: {literal}\n" in config.to_yaml()
    assert f'"later": {written}' in config.to_json()
    assert json.loads(config.to_json())["later"] == config.to_dict()["later"]


def test_a_literal_in_a_field_is_kept_until_the_field_changes():
    config = RunConfig.from_yaml("name: x\nport: 0x1F90\n")
    assert config.port == 8080
    assert "port: 0x1F90" in config.to_yaml()
    assert '"port": 8080' in config.to_json()
    assert "port: 81" in config.evolve(port=81).to_yaml()


def test_nulls_absent_keys_and_empty_values_stay_distinct():
    text = '{"name": "x", "env_vars": null, "cmd_args": [], "image": null, "debug": null, "scaling_config": {}}'
    config = RunConfig.from_json(text)
    assert (config.env_vars, config.cmd_args, config.image, config.debug) == ({}, (), "", False)
    assert exact(config.to_json()) == exact(text)
    assert RunConfig.from_json('{"name": "x", "env_vars": {}}').to_dict() == {"name": "x", "env_vars": {}}


def test_explicit_defaults_are_kept_and_absent_ones_not_added():
    text = '{"debug": false, "port": 0, "name": "x", "transport": "stdio"}'
    assert exact(RunConfig.from_json(text).to_json()) == exact(text)


def test_changes_are_written_where_the_key_was_and_new_keys_at_the_end():
    config = RunConfig.from_json('{"debug": true, "later": 1, "name": "x"}').evolve(debug=False, group="g", port=5)
    assert list(config.to_dict().items()) == [
        ("debug", False),
        ("later", 1),
        ("name", "x"),
        ("port", 5),
        ("group", "g"),
    ]


def test_a_key_set_back_to_none_disappears_unless_it_is_always_written():
    config = RunConfig.from_dict({"name": "x", "permission_profile": {}, "scaling_config": {}})
    assert config.evolve(permission_profile=None, scaling_config=None).to_dict() == {
        "name": "x",
        "permission_profile": None,
    }


def test_what_is_built_in_python_writes_the_keys_that_toolhive_always_writes():
    assert RunConfig(name="x").to_dict() == {
        "schema_version": "v0.1.0",
        "image": "",
        "name": "x",
        "transport": "stdio",
        "host": "127.0.0.1",
        "port": 0,
        "permission_profile": None,
    }


def test_other_schema_versions_are_accepted_and_kept():
    config = RunConfig.from_dict({"name": "x", "schema_version": "v9.9.9"})
    assert config.effective_schema_version == config.to_dict()["schema_version"] == "v9.9.9"
    assert RunConfig.from_dict({"name": "x", "schema_version": ""}).effective_schema_version == "v0.1.0"


def test_old_keys_of_remote_auth_are_read_and_written_as_they_are():
    text = """{"name": "x", "remote_auth_config": {"ClientID": "c", "UsePKCE": true, "Timeout": 300000000000,
        "OAuthParams": {"a": "b"}, "AuthorizeURL": "u", "Later": 1, "client_id": "unknown here", "Scopes": null}}"""
    config = RunConfig.from_json(text)
    auth = config.remote_auth_config
    assert auth is not None
    assert (auth.client_id, auth.use_pkce, auth.timeout, auth.authorize_url) == ("c", True, 300_000_000_000, "u")
    assert auth.oauth_params == {"a": "b"}
    assert exact(config.to_json()) == exact(text)
    changed = auth.evolve(client_secret="s,target=S", use_pkce=False).to_dict()
    assert (changed["ClientSecret"], changed["UsePKCE"]) == ("s,target=S", False)


def test_new_keys_of_remote_auth_are_used_when_nothing_was_loaded():
    assert RemoteAuthConfig(client_id="c").to_dict() == {"client_id": "c", "use_pkce": False}


def test_every_config_class_reads_and_writes_by_itself():
    profile = PermissionProfile.from_json('{"later": 1, "name": "p", "network": {"mode": "none"}}', source="p.json")
    assert profile.network is not None
    assert profile.network.mode == "none"
    assert PermissionProfile.from_yaml(profile.to_yaml()) == profile
    assert MiddlewareConfig(type="bodylimit", parameters={"max_bytes": 1}).to_dict() == {
        "type": "bodylimit",
        "parameters": {"max_bytes": 1},
    }


def test_changing_what_to_dict_gave_changes_nothing_else():
    config = RunConfig.from_dict({"name": "x", "later": {"a": []}, "cmd_args": ["a"], "authz_config": {"b": {}}})
    tree = config.to_dict()
    tree["later"]["a"].append(1)
    tree["cmd_args"].append("b")
    tree["authz_config"]["b"]["c"] = 1
    assert config.to_dict() == {"name": "x", "later": {"a": []}, "cmd_args": ["a"], "authz_config": {"b": {}}}


def test_changing_what_was_loaded_from_changes_nothing():
    document: dict[str, Any] = {"name": "x", "later": {"a": []}, "cmd_args": ["a"]}
    config = RunConfig.from_dict(document)
    document["later"]["a"].append(1)
    document["cmd_args"].append("b")
    assert config.to_dict() == {"name": "x", "later": {"a": []}, "cmd_args": ["a"]}
    assert config.cmd_args == ("a",)


def test_enums_and_other_subclasses_are_written_as_plain_values():
    config = RunConfig(
        name="x", proxy_mode=TransportType.SSE, cmd_args=[TransportType.STDIO], env_vars={"A": TransportType.SSE}
    )
    assert type(config.proxy_mode) is str
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert RunConfig.from_dict({"name": "x", "transport": TransportType.SSE}).transport is TransportType.SSE


def test_documents_of_more_sets_of_keys_than_get_functions_of_their_own_are_read_alike():
    values = {"image": "a:1", "host": "::1", "port": 1, "group": "g", "stateless": True, "cmd_args": ["x"]}
    for chosen in itertools.islice(itertools.permutations(values, 3), 50):
        document = {key: values[key] for key in chosen} | {"name": "n"}
        for _ in range(2):
            config = RunConfig.from_dict(document)
            assert list(config.to_dict()) == list(document)
            assert (config, hash(config)) == (RunConfig(**document), hash(RunConfig(**document)))
            with pytest.raises(RunConfigError, match="port"):
                RunConfig.from_dict(document | {"port": "1"})
            with pytest.raises(RunConfigError, match="required"):
                RunConfig.from_dict({key: values[key] for key in chosen})
