from __future__ import annotations

import traceback

import pytest

from workloads.config import SecretReference
from workloads.errors import SecretNotFoundError
from workloads.secrets import EnvironmentProvider, resolve


def test_references_become_the_environment_of_a_server():
    provider = EnvironmentProvider({"WORKLOADS_SECRET_a": "1", "TOOLHIVE_SECRET_b": "2"})
    references = [SecretReference("a", "A_KEY"), SecretReference("b", "B_KEY"), SecretReference("a", "COPY")]
    assert resolve(references, provider) == {"A_KEY": "1", "B_KEY": "2", "COPY": "1"}


def test_nothing_to_resolve_asks_nobody():
    assert resolve([], None) == {}


def test_all_missing_secrets_are_told_at_once_and_no_value_is():
    provider = EnvironmentProvider({"WORKLOADS_SECRET_known": "hunter2"})
    references = [SecretReference(name, name.upper()) for name in ("one", "known", "two", "one")]
    with pytest.raises(SecretNotFoundError) as caught:
        resolve(references, provider)
    assert caught.value.names == ("one", "two")
    assert "WORKLOADS_SECRET_<name>" in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_any_object_that_knows_secrets_will_do():
    class Vault:
        def get(self, name):
            return "" if name == "empty" else None

    assert resolve([SecretReference("empty", "E")], Vault()) == {"E": ""}
    with pytest.raises(SecretNotFoundError, match="Vault"):
        resolve([SecretReference("missing", "M")], Vault())
