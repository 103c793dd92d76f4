"""``workloads secret``."""

from __future__ import annotations

import io
import json
import sys

import pytest
from tests.support.recording_manager import RecordingManager, a_config
from tests.support.secret_store import SecretStore

import workloads.secrets
from workloads.cli.app import app
from workloads.config import RunConfig
from workloads.errors import (
    CorruptStateError,
    SecretProviderNotFoundError,
    SecretStoreLockedError,
    WorkloadNotFoundError,
    WrongPasswordError,
)
from workloads.secrets import PROVIDERS, EnvironmentProvider

CANARY = "canary-9d3c7b1a"


class Secrets:
    """The providers that the command finds: the chosen ones, and all of them by name."""

    def __init__(self) -> None:
        self.environ = {"WORKLOADS_SECRET_token": CANARY}
        self.known = {name: SecretStore(name) for name in ("encrypted", "keyring")}
        self.known["environment"] = EnvironmentProvider(self.environ)
        self.chosen = ["environment"]
        self.folders = []

    def open(self, name, paths):
        self.folders.append(paths.data)
        return self.known[name]

    def choose(self, paths):
        self.folders.append(paths.data)
        return [self.known[name] for name in self.chosen]


@pytest.fixture
def secrets(monkeypatch):
    found = Secrets()
    monkeypatch.setattr(workloads.secrets, "open_provider", found.open)
    monkeypatch.setattr(workloads.secrets, "chosen_providers", found.choose)
    return found


@pytest.fixture
def typed(monkeypatch):
    """Puts something on the command's standard input."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


class OfDocuments(RecordingManager):
    """A manager with these workloads, as others wrote them: some say what is not run here."""

    def __init__(self, documents) -> None:
        super().__init__(*(a_config(name) for name in documents))
        self._documents = documents

    def get_run_config(self, name):
        return RunConfig.from_dict({"name": name, "image": "uvx://a", **self._documents[name]})


def using(*references, **more):
    """A manager with workloads, each of which refers to one of these secrets, or to those of its own run config."""
    documents = {f"w{number}": {"secrets": [f"{name},target=X"]} for number, name in enumerate(references)}
    return OfDocuments(documents | more)


# set


def test_a_value_from_standard_input_is_kept_where_the_option_says(command, secrets, typed):
    typed(CANARY.encode() + b"\n")
    outcome = command("secret", "set", "key", "--provider", "encrypted")
    assert (outcome.code, outcome.out) == (0, "key: kept (encrypted)\n")
    assert secrets.known["encrypted"].secrets == {"key": CANARY}
    assert CANARY not in outcome.err


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"a", "a"),
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\r", "a\r"),
        (b"a\n\n", "a\n"),
        (b"-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END"),
        ("ключ".encode(), "ключ"),
    ],
)
def test_only_one_line_end_is_not_a_part_of_the_value(command, secrets, typed, data, value):
    typed(data)
    command("secret", "set", "key", "--provider", "keyring")
    assert secrets.known["keyring"].secrets == {"key": value}


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"\n", "empty"), (CANARY.encode() + b"\0", "NUL"), (CANARY.encode() + b"\xff", "UTF-8")],
)
def test_what_is_no_value_is_refused_without_repeating_it(command, secrets, typed, data, reason):
    typed(data)
    outcome = command("--debug", "secret", "set", "key", "--provider", "keyring")
    assert outcome.code == 2
    assert reason in outcome.err
    assert CANARY not in outcome.out + outcome.err
    assert secrets.known["keyring"].secrets == {}


def test_a_value_among_the_arguments_is_refused_without_repeating_it(command, secrets, typed):
    typed(b"")
    for arguments in (("key", CANARY), ("key", CANARY, "--provider", "keyring"), ("key", "--", CANARY)):
        outcome = command("secret", "set", *arguments)
        assert outcome.code == 2
        assert "on standard input" in outcome.err
        assert CANARY not in outcome.err


def test_nothing_is_stored_before_somebody_says_where(command, secrets, typed):
    typed(CANARY.encode())
    outcome = command("secret", "set", "key")
    assert outcome.code == 2
    assert "--provider keyring" in outcome.err
    assert sys.stdin.read() == CANARY, "nobody is asked for a value that cannot be kept"


def test_after_that_secrets_go_where_the_others_are(command, secrets, typed):
    typed(CANARY.encode())
    secrets.chosen = ["keyring", "environment"]
    assert command("secret", "set", "key").out == "key: kept (keyring)\n"


def test_where_two_hold_secrets_one_has_to_be_chosen(command, secrets, typed):
    typed(CANARY.encode())
    secrets.chosen = ["encrypted", "keyring", "environment"]
    outcome = command("secret", "set", "key")
    assert outcome.code == 2
    assert "encrypted and keyring hold secrets; say with --provider" in outcome.err


def test_a_secret_that_workloads_will_not_get_is_noted(command, secrets, typed):
    typed(CANARY.encode())
    secrets.chosen = ["keyring", "environment"]
    outcome = command("secret", "set", "key", "--provider", "encrypted")
    assert outcome.code == 0
    assert "workloads do not get it from there" in outcome.err


@pytest.mark.parametrize("name", ["__thv_token", "a,b", "", "a\x1b[2J"])
def test_what_no_secret_can_be_called_is_a_usage_error(command, secrets, typed, name):
    typed(CANARY.encode())
    for verb in ("set", "rm"):
        outcome = command("secret", verb, name, "--provider", "keyring")
        assert outcome.code == 2
        assert "\x1b" not in outcome.err
    assert secrets.known["keyring"].secrets == {}


def test_without_standard_input_it_says_so(command, secrets, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    outcome = command("secret", "set", "key", "--provider", "keyring")
    assert (outcome.code, "standard input" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SecretStoreLockedError("keyring", "unlock it"), 1),
        (WrongPasswordError("encrypted", "another"), 1),
        (SecretProviderNotFoundError("vault", ["keyring"]), 2),
    ],
)
def test_an_error_of_a_provider_is_one_message(command, secrets, typed, error, code):
    typed(CANARY.encode())
    secrets.known["keyring"].error = error
    outcome = command("secret", "set", "key", "--provider", "keyring")
    assert (outcome.code, outcome.err) == (code, f"error: {error}\n")


def test_the_state_folder_counts_here_too(command, secrets, typed, tmp_path):
    typed(CANARY.encode())
    command("secret", "set", "key", "--provider", "keyring", "--state-dir", str(tmp_path))
    assert set(secrets.folders) == {tmp_path}


# list


def test_a_list_tells_who_knows_each_secret_and_which_workloads_use_it(command, secrets):
    secrets.known["encrypted"].secrets = {"key": CANARY, "unused": CANARY, "__thv_x": CANARY}
    secrets.chosen = ["encrypted", "environment"]
    command.manager = using("key", "token", "missing", "key")
    outcome = command("secret", "list")
    assert outcome.out == (
        "NAME     PROVIDER     WORKLOADS\n"
        "key      encrypted    w0, w3\n"
        "missing  -            w2\n"
        "token    environment  w1\n"
        "unused   encrypted    -\n"
    )
    assert CANARY not in outcome.out + outcome.err


def test_json_has_null_for_a_secret_that_nobody_knows(command, secrets):
    command.manager = using("token", "missing")
    assert json.loads(command("secret", "list", "--json").out) == [
        {"name": "missing", "provider": None, "workloads": ["w1"]},
        {"name": "token", "provider": "environment", "workloads": ["w0"]},
    ]


def test_a_secret_that_two_know_is_that_of_the_first(command, secrets):
    for name in ("encrypted", "keyring"):
        secrets.known[name].secrets = {"key": CANARY}
    secrets.chosen = ["encrypted", "keyring", "environment"]
    assert [entry["provider"] for entry in json.loads(command("secret", "list", "--json").out)] == ["encrypted"]


def test_of_one_provider_only_what_it_knows_is_listed(command, secrets):
    secrets.known["keyring"].secrets = {"key": CANARY}
    command.manager = using("token", "key")
    assert command("secret", "list", "--provider", "keyring").out == "NAME  PROVIDER  WORKLOADS\nkey   keyring   w1\n"
    assert "token" in command("secret", "list", "--provider", "environment").out


def test_no_secrets_are_no_table(command, secrets):
    outcome = command("secret", "list")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "no secrets\n")
    assert command("secret", "list", "--json").out == "[]\n"


def test_on_a_terminal_the_list_is_a_table(command, secrets):
    command.manager = using("token")
    assert "\x1b[1mNAME" in command.on_terminal("secret", "list").out


def test_a_workload_whose_run_config_cannot_be_read_is_named(command, secrets, tmp_path, monkeypatch):
    command.manager = using("token", "key")
    damaged = CorruptStateError(tmp_path, "is not JSON")
    found = {"w0": damaged, "w1": WorkloadNotFoundError("w1")}
    monkeypatch.setattr(command.manager, "get_run_config", lambda name: (_ for _ in ()).throw(found[name]))
    outcome = command("secret", "list")
    assert (outcome.code, outcome.err) == (0, f"no secrets\nwarning: w0 is not counted: {damaged}\n")
    secrets.chosen = ["keyring"]
    outcome = command("secret", "rm", "other")
    assert outcome.code == 1
    assert "what w0 uses is not known" in outcome.err
    assert command("secret", "rm", "other", "--force").code == 0


# rm


def test_secrets_are_removed_wherever_they_are_kept(command, secrets):
    secrets.known["encrypted"].secrets = {"key": CANARY, "other": CANARY}
    secrets.known["keyring"].secrets = {"key": CANARY}
    secrets.chosen = ["encrypted", "keyring", "environment"]
    outcome = command("secret", "rm", "key", "none", "key")
    assert (outcome.code, outcome.out) == (0, "key: removed (encrypted, keyring)\nnone: was not there\n")
    assert secrets.known["encrypted"].secrets == {"other": CANARY}


def test_one_provider_alone_can_be_told_to_forget(command, secrets):
    for name in ("encrypted", "keyring"):
        secrets.known[name].secrets = {"key": CANARY}
    assert command("secret", "rm", "key", "--provider", "keyring").out == "key: removed (keyring)\n"
    assert secrets.known["encrypted"].secrets == {"key": CANARY}


@pytest.mark.parametrize(
    "document",
    [
        {"secrets": ["key,target=X"]},
        {"header_forward": {"add_headers_from_secret": {"X-Key": "key"}}},
        {"validating_webhooks": [{"name": "v", "url": "https://v", "hmac_secret_ref": "key"}]},
    ],
    ids=["secrets", "header_forward", "webhook"],
)
def test_none_is_removed_while_a_workload_uses_one_unless_forced(command, secrets, document):
    secrets.known["keyring"].secrets = {"first": CANARY, "key": CANARY}
    secrets.chosen = ["keyring", "environment"]
    command.manager = using(user=document)
    outcome = command("secret", "rm", "first", "key")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "error: secret 'key' is used by user; --force removes it all the same\n"
    assert command("secret", "rm", "first", "key", "--force").code == 0
    assert secrets.known["keyring"].secrets == {}


def test_the_environment_cannot_be_told_to_forget(command, secrets):
    outcome = command("secret", "rm", "token")
    assert outcome.code == 2
    assert "the environment cannot be written" in outcome.err


# help


@pytest.mark.parametrize("verb", ["set", "list", "rm"])
def test_every_verb_has_help_with_examples_and_names_every_provider(command, verb):
    shown = command("secret", verb, "--help").out
    assert f"workloads secret {verb}" in shown.partition("Examples:")[2]
    assert all(provider in shown for provider in PROVIDERS)


def test_the_overview_names_the_verb(command):
    assert "secret " in command("--help").out
    assert "secret" in app.list_commands(None)
