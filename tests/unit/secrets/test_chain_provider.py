"""Several providers as one, and which they are."""

from __future__ import annotations

import pytest
from tests.support.secret_store import SecretStore

from workloads._core.paths import Paths
from workloads.config import SecretReference
from workloads.errors import (
    InvalidNameError,
    SecretNotFoundError,
    SecretProviderNotFoundError,
    SecretStoreLockedError,
    UnsupportedOperationError,
)
from workloads.secrets import (
    PROVIDERS,
    ChainProvider,
    EnvironmentProvider,
    SecretProvider,
    chosen_providers,
    default_provider,
    open_provider,
    resolve,
)

ENVIRON = {"WORKLOADS_SECRET_key": "of the environment", "WORKLOADS_SECRET_other": "only here"}


def chained(*stores) -> SecretProvider:
    return ChainProvider([*stores, EnvironmentProvider(ENVIRON)])


def test_a_secret_is_that_of_the_first_who_knows_it():
    chain = chained(SecretStore("first", key="of the first"), SecretStore("second", key="of the second", third="3"))
    assert [chain.get(name) for name in ("key", "third", "other", "none")] == [
        "of the first", "3", "only here", None,
    ]  # fmt: skip


def test_a_chain_is_named_after_its_providers():
    assert chained(SecretStore("vault")).name == "vault, environment"


def test_an_error_is_not_taken_for_an_unknown_secret():
    locked = SecretStore("locked", error=SecretStoreLockedError("locked", "unlock it"))
    with pytest.raises(SecretStoreLockedError):
        chained(locked).get("key")


def test_internal_secrets_are_refused_and_not_listed():
    store = SecretStore("store", __thv_workloads_token="x", __workloads_password="x", key="value")
    chain = chained(store)
    assert chain.names() == ["key"]
    for change in (chain.get, chain.delete, lambda name: chain.set(name, "x")):
        with pytest.raises(InvalidNameError):
            change("__thv_workloads_token")
    assert "__thv_workloads_token" in store.secrets


def test_the_one_who_can_write_is_written_to():
    store = SecretStore("store")
    chain = chained(store)
    assert chain.can_write
    chain.set("key", "value")
    assert store.secrets == {"key": "value"}
    assert [chain.delete("key"), chain.delete("key")] == [True, False]


def test_of_several_who_can_write_the_caller_has_to_choose():
    chain = chained(SecretStore("first"), SecretStore("second"))
    assert not chain.can_write
    with pytest.raises(UnsupportedOperationError, match="choose one of the providers first, second"):
        chain.set("key", "value")


def test_the_environment_neither_writes_nor_lists_and_says_so_beforehand():
    chain = chained()
    assert (chain.can_write, chain.can_list) == (False, False)
    for change in (chain.names, lambda: chain.set("key", "hunter2"), lambda: chain.delete("key")):
        with pytest.raises(UnsupportedOperationError, match="environment") as caught:
            change()
        assert "hunter2" not in str(caught.value)


def test_a_missing_secret_is_told_with_every_way_to_provide_it():
    with pytest.raises(SecretNotFoundError, match="into vault; or set it in the environment as WORKLOADS_"):
        resolve([SecretReference("none", "NONE")], chained(SecretStore("vault")))


# Which providers there are

ENCRYPTED, KEYRING = "secrets_encrypted", "secrets_keyring.json"


def names_chosen(tmp_path, environ, *files, app="workloads"):
    for file in files:
        tmp_path.joinpath(file).write_bytes(b"")
    return [provider.name for provider in chosen_providers(Paths.locate(state_dir=tmp_path), environ, app=app)]


@pytest.mark.parametrize(
    ("environ", "files", "names"),
    [
        ({}, [], ["environment"]),
        ({}, [ENCRYPTED], ["encrypted", "environment"]),
        ({}, [KEYRING], ["keyring", "environment"]),
        ({}, [KEYRING, ENCRYPTED], ["encrypted", "keyring", "environment"]),
        ({"WORKLOADS_SECRETS_PROVIDER": "keyring"}, [ENCRYPTED], ["keyring", "environment"]),
        ({"TOOLHIVE_SECRETS_PROVIDER": "encrypted"}, [KEYRING], ["encrypted", "environment"]),
        (
            {"WORKLOADS_SECRETS_PROVIDER": "keyring", "TOOLHIVE_SECRETS_PROVIDER": "encrypted"},
            [],
            ["keyring", "environment"],
        ),
        ({"WORKLOADS_SECRETS_PROVIDER": "", "TOOLHIVE_SECRETS_PROVIDER": ""}, [], ["environment"]),
        ({"WORKLOADS_SECRETS_PROVIDER": "environment"}, [ENCRYPTED], ["environment"]),
        ({"WORKLOADS_DISABLE_ENV_FALLBACK": "true"}, [ENCRYPTED], ["encrypted"]),
        ({"TOOLHIVE_DISABLE_ENV_FALLBACK": "true"}, [ENCRYPTED], ["encrypted"]),
        ({"TOOLHIVE_DISABLE_ENV_FALLBACK": "false"}, [ENCRYPTED], ["encrypted", "environment"]),
        (
            {"WORKLOADS_DISABLE_ENV_FALLBACK": "false", "TOOLHIVE_DISABLE_ENV_FALLBACK": "true"},
            [ENCRYPTED],
            ["encrypted", "environment"],
        ),
        ({"WORKLOADS_DISABLE_ENV_FALLBACK": "true"}, [], ["environment"]),
        ({"WORKLOADS_SECRETS_PROVIDER": "environment", "WORKLOADS_DISABLE_ENV_FALLBACK": "1"}, [], ["environment"]),
    ],
)  # fmt: skip
def test_the_providers_asked_are_those_that_are_named_or_hold_secrets_and_then_the_environment(
    tmp_path, environ, files, names
):
    assert names_chosen(tmp_path, environ, *files) == names


def test_an_unknown_provider_is_an_error_that_names_the_others(tmp_path):
    with pytest.raises(SecretProviderNotFoundError, match="'1password' not found; there are: encrypted, environment"):
        names_chosen(tmp_path, {"TOOLHIVE_SECRETS_PROVIDER": "1password"})


def test_of_toolhive_there_is_its_own_file_and_the_environment(tmp_path):
    assert names_chosen(tmp_path, {}, ENCRYPTED, KEYRING, app="toolhive") == ["encrypted", "environment"]
    provider = open_provider("encrypted", Paths.locate(state_dir=tmp_path), {}, app="toolhive")
    assert not provider.can_write
    with pytest.raises(SecretProviderNotFoundError):
        open_provider("keyring", Paths.locate(state_dir=tmp_path), {}, app="toolhive")


def test_asking_for_a_provider_creates_nothing(tmp_path):
    paths = Paths.locate(state_dir=tmp_path / "none")
    assert default_provider(paths, {}).get("key") is None
    for name in PROVIDERS:
        assert open_provider(name, paths, {}).name == name
    assert list(tmp_path.joinpath("none").parent.iterdir()) == [tmp_path / "home"]


def test_the_environment_of_this_process_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKLOADS_SECRET_key", "value")
    assert default_provider(Paths.locate(state_dir=tmp_path)).get("key") == "value"
    monkeypatch.setenv("WORKLOADS_SECRETS_PROVIDER", "none such")
    with pytest.raises(SecretProviderNotFoundError):
        default_provider(Paths.locate(state_dir=tmp_path))
