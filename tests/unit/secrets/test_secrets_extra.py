"""The extra ``secrets``: loaded late, and missing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from workloads._core.paths import Paths
from workloads.errors import MissingDependencyError, SecretStoreLockedError
from workloads.secrets import open_provider
from workloads.secrets.cipher import decrypt

PASSWORD = {"WORKLOADS_SECRETS_PASSWORD": "correct horse"}


@pytest.fixture
def without_extra(monkeypatch):
    from workloads.secrets import cipher

    cipher._scrypt.cache_clear()
    for name in list(sys.modules):
        if name.partition(".")[0] in ("cryptography", "keyring"):
            monkeypatch.delitem(sys.modules, name)
    for name in ("cryptography", "keyring"):
        monkeypatch.setitem(sys.modules, name, None)


def test_looking_up_a_secret_in_the_environment_loads_neither_library():
    code = """
import json, os, pathlib, sys
from workloads._core.paths import Paths
from workloads.secrets import default_provider
os.environ["WORKLOADS_SECRET_key"] = "value"
assert default_provider(Paths.locate(state_dir=pathlib.Path("/nonexistent"))).get("key") == "value"
print(json.dumps([name for name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert {"cryptography", "keyring", "cattrs", "logging"} & set(json.loads(done.stdout)) == set()


def test_every_public_name_is_found_late_and_no_other():
    import workloads.secrets

    assert all(getattr(workloads.secrets, name) is not None for name in workloads.secrets.__all__)
    assert set(workloads.secrets.__all__) <= set(dir(workloads.secrets))
    with pytest.raises(AttributeError, match="no attribute 'Vault'"):
        workloads.secrets.Vault  # noqa: B018  # looking it up is the test


@pytest.mark.parametrize("name", ["encrypted", "keyring"])
def test_what_needs_the_extra_says_so(name, without_extra, tmp_path):
    provider = open_provider(name, Paths.locate(state_dir=tmp_path / "data"), PASSWORD)
    with pytest.raises(MissingDependencyError, match=r"pip install 'workloads\[secrets\]'") as caught:
        provider.set("key", "hunter2")
    assert caught.value.extra == "secrets"
    assert "hunter2" not in str(caught.value)


def test_reading_what_is_encrypted_says_so_too(without_extra):
    with pytest.raises(MissingDependencyError):
        decrypt(b"k" * 32, b"n" * 12, b"content")


def test_without_it_no_keyring_is_asked_for_a_password(without_extra, tmp_path):
    with pytest.raises(SecretStoreLockedError, match="set WORKLOADS_SECRETS_PASSWORD"):
        open_provider("encrypted", Paths.locate(state_dir=tmp_path / "data"), {}).set("key", "hunter2")
