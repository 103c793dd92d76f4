"""Providers of secrets with the real libraries: encrypted files between real processes, keyrings, and the command."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import pty
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import quick, record_of, runner_of

import workloads
from workloads._core.locks import FileLock
from workloads._core.paths import Paths
from workloads._core.temporary import is_temporary
from workloads.errors import (
    CorruptStateError,
    InsecureStateError,
    InvalidNameError,
    InvalidSecretError,
    SecretStoreLockedError,
    SecretStoreUnavailableError,
    UnsupportedOperationError,
    WrongPasswordError,
)
from workloads.secrets import EncryptedProvider, KeyringProvider, ToolHiveProvider, default_provider, open_provider

pytestmark = pytest.mark.needs("secrets")

CANARY = "canary-77c0f1e5"
PASSWORD = "pass-0f1e577c"
QUICKLY = 10
WORKLOADS = str(Path(sys.executable).with_name("workloads"))


@pytest.fixture(autouse=True)
def entries(monkeypatch):
    """The entries of the keyring of this process, which is in memory."""
    import keyring
    from tests.support.keyrings import MemoryKeyring

    backend = MemoryKeyring()
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
    return backend.entries


@pytest.fixture
def broken(monkeypatch):
    """Makes the keyring of this process one that fails."""
    import keyring
    from tests.support.keyrings import FailingKeyring

    return lambda error: monkeypatch.setattr(keyring.core, "_keyring_backend", FailingKeyring(error))


@pytest.fixture
def data(tmp_path):
    """The folder of an application, not there yet."""
    return tmp_path / "data"


@pytest.fixture
def encrypted(data):
    return EncryptedProvider(data / "secrets_encrypted", lambda: PASSWORD, cost=QUICKLY)


@pytest.fixture
def in_keyring(data):
    return KeyringProvider(data / "secrets_keyring.json")


def files_with(text: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def shown(error: BaseException) -> str:
    """Everything that a log or another process could see of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(pickle.dumps(error))


# The encrypted file


def test_what_is_set_is_read_by_another_until_it_is_deleted(encrypted, data):
    encrypted.set("first", "1")
    encrypted.set("second", "two\nlines")
    encrypted.set("first", CANARY)
    other = EncryptedProvider(data / "secrets_encrypted", lambda: PASSWORD)
    assert other.names() == ["first", "second"]
    assert [other.get(name) for name in ("first", "second", "third")] == [CANARY, "two\nlines", None]
    assert [other.delete("second"), other.delete("second")] == [True, False]
    assert encrypted.names() == ["first"]


def test_no_password_is_asked_for_while_there_is_nothing_to_decrypt(data):
    def nobody() -> str:
        raise AssertionError("asked")

    provider = EncryptedProvider(data / "secrets_encrypted", nobody)
    assert (provider.get("key"), provider.names(), provider.delete("key")) == (None, [], False)
    assert not data.exists()


def test_the_file_goes_with_the_last_secret(encrypted, data):
    encrypted.set("key", CANARY)
    encrypted.delete("key")
    assert [file.name for file in data.iterdir()] == ["secrets_encrypted.lock"]


def test_files_are_private_whatever_the_umask(encrypted, data):
    former = os.umask(0)
    try:
        encrypted.set("key", CANARY)
    finally:
        os.umask(former)
    assert data.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in data.iterdir()} == {0o600}


def test_a_folder_that_others_can_write_to_is_refused(encrypted, data):
    encrypted.set("key", CANARY)
    data.chmod(0o777)
    for use in (encrypted.names, lambda: encrypted.get("key"), lambda: encrypted.set("key", "x")):
        with pytest.raises(InsecureStateError):
            use()


def test_no_value_and_no_password_is_in_a_file_a_log_or_a_representation(encrypted, data, caplog):
    caplog.set_level(logging.DEBUG)
    encrypted.set("key", CANARY)
    assert encrypted.get("key") == CANARY
    seen = caplog.text + repr(encrypted) + str(encrypted)
    for text in (CANARY, PASSWORD):
        assert files_with(text, data) == []
        assert text not in seen


def test_a_wrong_password_reads_nothing_and_changes_nothing(encrypted, data):
    encrypted.set("key", CANARY)
    before = (data / "secrets_encrypted").read_bytes()
    wrong = EncryptedProvider(data / "secrets_encrypted", lambda: "wrong" + PASSWORD)
    for use in (wrong.names, lambda: wrong.get("key"), lambda: wrong.set("key", CANARY), lambda: wrong.delete("key")):
        with pytest.raises(WrongPasswordError) as caught:
            use()
        assert CANARY not in shown(caught.value)
        assert PASSWORD not in shown(caught.value)
    assert (data / "secrets_encrypted").read_bytes() == before


def test_a_damaged_file_is_left_as_it_is(encrypted, data):
    encrypted.set("key", CANARY)
    file = data / "secrets_encrypted"
    damaged = file.read_bytes()[:-40]
    file.write_bytes(damaged)
    for use in (encrypted.names, lambda: encrypted.get("key"), lambda: encrypted.set("key", "x")):
        with pytest.raises(CorruptStateError, match="secrets_encrypted"):
            use()
    assert file.read_bytes() == damaged


def test_what_cannot_be_kept_is_refused_before_anything_is_written(encrypted, in_keyring, entries, data):
    for provider in (encrypted, in_keyring):
        with pytest.raises(InvalidNameError):
            provider.set("__thv_token", CANARY)
        with pytest.raises(InvalidSecretError) as caught:
            provider.set("key", CANARY + "\0")
        assert CANARY not in shown(caught.value)
    assert not data.exists()
    assert entries == {}


def test_who_cannot_write_because_another_does_not_let_go_says_so(encrypted, data, monkeypatch):
    monkeypatch.setattr("workloads.secrets.locking._TIMEOUT", 0.05)
    encrypted.set("key", "before")
    with (
        FileLock(data / "secrets_encrypted.lock").held(),
        pytest.raises(SecretStoreUnavailableError, match="try again"),
    ):
        encrypted.set("key", CANARY)
    assert encrypted.get("key") == "before"


def test_a_new_file_has_the_cost_that_keeps_guessing_slow_and_it_is_paid_once(data):
    from workloads.secrets import cipher

    cipher._scrypt.cache_clear()
    path = data / "secrets_encrypted"
    EncryptedProvider(path, lambda: PASSWORD).set("key", CANARY)
    assert path.read_bytes()[19:22] == bytes([17, 8, 1])
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(EncryptedProvider(path, lambda: PASSWORD).get("key")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CANARY] * 8
    assert cipher._scrypt.cache_info().misses == 1


_SETTER = """
import sys
from pathlib import Path
from workloads.secrets import EncryptedProvider
provider = EncryptedProvider(Path(sys.argv[1]), lambda: sys.argv[2], cost=10)
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    provider.set(f"{sys.argv[3]}{number}", f"value {number}")
"""


def start(program: str, *arguments: object, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def run_together(*processes: subprocess.Popen[str]) -> None:
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.enter_context(process)
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(40) for process in processes] == [0] * len(processes)


def test_two_processes_that_set_fifty_secrets_each_lose_none(encrypted, data):
    path = data / "secrets_encrypted"
    run_together(*(start(_SETTER, path, PASSWORD, prefix) for prefix in ("a", "b")))
    assert encrypted.names() == sorted(f"{prefix}{number}" for prefix in ("a", "b") for number in range(50))
    assert {encrypted.get(f"{prefix}49") for prefix in ("a", "b")} == {"value 49"}


_WRITER = """
import sys
from pathlib import Path
from workloads.secrets import EncryptedProvider
provider = EncryptedProvider(Path(sys.argv[1]), lambda: sys.argv[2], cost=10)
number = int(sys.argv[3])
while True:
    number += 1
    provider.set("key", f"{number} " + "x" * (number * 997 % 50_000))
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_a_readable_file(encrypted, data):
    chance = random.Random(20260105)
    last = kills = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        with start(_WRITER, data / "secrets_encrypted", PASSWORD, last) as writer:
            told = int(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.02))  # the moment of the kill is what is tried out
            writer.send_signal(signal.SIGKILL)
            told = int((writer.stdout.read().split() or [told])[-1])
        number, filler = encrypted.get("key").split(" ")
        assert int(number) >= told, "what was acknowledged is there"
        assert len(filler) == int(number) * 997 % 50_000
        last = int(number)
        kills += 1
    assert kills >= 2
    assert {file.name for file in data.iterdir() if not is_temporary(file.name)} == {
        "secrets_encrypted", "secrets_encrypted.lock",
    }  # fmt: skip
    assert files_with("xxxx", data) == [], "what an interrupted write leaves behind is encrypted, too"


# The keyring


def test_a_secret_is_an_entry_of_the_service_and_only_its_name_is_in_a_file(in_keyring, entries, data, caplog):
    caplog.set_level(logging.DEBUG)
    in_keyring.set("key", CANARY)
    in_keyring.set("other", "2")
    assert entries == {("workloads", "key"): CANARY, ("workloads", "other"): "2"}
    assert (in_keyring.get("key"), in_keyring.get("none")) == (CANARY, None)
    assert in_keyring.names() == ["key", "other"]
    assert files_with(CANARY, data) == []
    assert CANARY not in caplog.text + repr(in_keyring)
    assert json.loads((data / "secrets_keyring.json").read_bytes()) == {"names": ["key", "other"]}


def test_a_secret_leaves_the_keyring_when_it_is_deleted(in_keyring, entries, data):
    in_keyring.set("key", CANARY)
    assert [in_keyring.delete("key"), in_keyring.delete("key")] == [True, False]
    assert entries == {}
    assert not (data / "secrets_keyring.json").exists()


def test_an_entry_of_another_folder_is_found_but_not_listed(in_keyring, entries, data):
    entries["workloads", "elsewhere"] = CANARY
    assert (in_keyring.get("elsewhere"), in_keyring.names()) == (CANARY, [])
    assert in_keyring.delete("elsewhere")
    assert entries == {}
    assert not data.exists()


def test_an_entry_that_another_program_removed_is_not_listed(in_keyring, entries):
    in_keyring.set("key", CANARY)
    entries.clear()
    assert in_keyring.names() == []


def test_a_damaged_file_of_names_is_left_as_it_is_and_hides_no_secret(in_keyring, data):
    in_keyring.set("key", CANARY)
    file = data / "secrets_keyring.json"
    for damage in (b"{", b'{"names": 1}', b'{"names": [1]}'):
        file.write_bytes(damage)
        for use in (in_keyring.names, lambda: in_keyring.set("key", "x"), lambda: in_keyring.delete("key")):
            with pytest.raises(CorruptStateError, match=r"secrets_keyring\.json"):
                use()
        assert file.read_bytes() == damage
        assert in_keyring.get("key") == CANARY


def test_a_machine_without_keyring_says_so_and_keeps_nothing(in_keyring, data, monkeypatch):
    import keyring

    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.fail.Keyring())
    for use in (lambda: in_keyring.get("key"), lambda: in_keyring.set("key", CANARY)):
        with pytest.raises(SecretStoreUnavailableError, match="no keyring") as caught:
            use()
        assert not isinstance(caught.value, SecretStoreLockedError)
        assert CANARY not in shown(caught.value)
    assert not (data / "secrets_keyring.json").exists(), "workloads are not told to look there"


def test_a_locked_keyring_is_told_apart(in_keyring, broken):
    import keyring.errors

    broken(keyring.errors.KeyringLocked)
    for use in (lambda: in_keyring.get("key"), lambda: in_keyring.set("key", CANARY), lambda: in_keyring.delete("key")):
        with pytest.raises(SecretStoreLockedError, match="unlock it") as caught:
            use()
        assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("error", [OSError, ValueError, "PasswordSetError"])
def test_whatever_a_backend_raises_is_an_error_of_this_library_without_the_value(in_keyring, broken, data, error):
    import keyring.errors

    broken(getattr(keyring.errors, error) if isinstance(error, str) else error)
    with pytest.raises(SecretStoreUnavailableError, match="it refused") as caught:
        in_keyring.set("key", CANARY)
    assert CANARY not in shown(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(SecretStoreUnavailableError, match="cannot read key"):
        in_keyring.get("key")
    assert not (data / "secrets_keyring.json").exists()


def test_a_keyring_that_forgets_what_it_is_given_is_found_out(in_keyring, monkeypatch, data):
    import keyring
    import keyring.backends.null

    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.null.Keyring())
    with pytest.raises(SecretStoreUnavailableError, match=r"keyring\.backends\.null\.Keyring does not keep"):
        in_keyring.set("key", CANARY)
    assert not (data / "secrets_keyring.json").exists()


_KEYRING_SETTER = """
import sys
from pathlib import Path
from workloads.secrets import KeyringProvider
provider = KeyringProvider(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    provider.set(f"{sys.argv[2]}{number}", f"value {number}")
"""


@pytest.fixture
def keyring_of_processes(tmp_path):
    """The environment of processes with a keyring of their own, a folder."""
    folder = tmp_path / "keyring"
    folder.mkdir()
    return os.environ | {
        "PYTHON_KEYRING_BACKEND": "tests.support.keyrings.FolderKeyring",
        "TEST_KEYRING": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def test_no_name_is_lost_between_processes(data, keyring_of_processes):
    index = data / "secrets_keyring.json"
    run_together(*(start(_KEYRING_SETTER, index, prefix, env=keyring_of_processes) for prefix in ("a", "b")))
    assert len(json.loads(index.read_bytes())["names"]) == 100


# The password


def test_the_password_is_that_of_the_environment_and_else_that_of_the_keyring(data, entries):
    entries["workloads", "__workloads_password"] = "of the keyring"
    paths = Paths.locate(state_dir=data)

    def opens(environ, password):
        provider = open_provider("encrypted", paths, environ)
        written = EncryptedProvider(data / "secrets_encrypted", lambda: password, cost=QUICKLY)
        written.set("key", password)
        assert provider.get("key") == password
        written.delete("key")

    both = {"WORKLOADS_SECRETS_PASSWORD": "ours", "TOOLHIVE_SECRETS_PASSWORD": "theirs"}
    opens(both, "ours")
    opens(both | {"WORKLOADS_SECRETS_PASSWORD": ""}, "theirs")
    opens({}, "of the keyring")


def test_without_a_password_nothing_is_written_and_the_ways_to_give_one_are_told(data):
    provider = open_provider("encrypted", Paths.locate(state_dir=data), {})
    with pytest.raises(SecretStoreLockedError, match=r"set WORKLOADS_SECRETS_PASSWORD, or .* `keyring set workloads"):
        provider.set("key", CANARY)
    assert list(data.iterdir()) == []


def test_the_password_in_a_locked_keyring_is_not_a_missing_one(data, broken):
    import keyring.errors

    broken(keyring.errors.KeyringLocked)
    with pytest.raises(SecretStoreLockedError, match="keyring, which may hold its password, is locked"):
        open_provider("encrypted", Paths.locate(state_dir=data), {}).set("key", CANARY)


# ToolHive's file


def as_toolhive_writes(document: object, password: str = PASSWORD) -> bytes:
    """A nonce, and a JSON object encrypted under the SHA-256 of the password."""
    import hashlib

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, key = bytes(range(12)), hashlib.sha256(password.encode()).digest()
    return nonce + AESGCM(key).encrypt(nonce, json.dumps(document).encode(), None)


@pytest.fixture
def toolhive(data):
    data.mkdir(mode=0o750)
    file = data / "secrets_encrypted"
    file.write_bytes(as_toolhive_writes({"secrets": {"key": CANARY, "__thv_auth_token": "internal"}}))
    return ToolHiveProvider(file, lambda: PASSWORD)


def test_what_toolhive_keeps_is_read_and_never_written(toolhive, data):
    assert (toolhive.get("key"), toolhive.get("none")) == (CANARY, None)
    assert toolhive.names() == ["__thv_auth_token", "key"]
    before = (data / "secrets_encrypted").read_bytes()
    for change in (lambda: toolhive.set("key", CANARY), lambda: toolhive.delete("key")):
        with pytest.raises(UnsupportedOperationError, match="`thv secret`") as caught:
            change()
        assert CANARY not in shown(caught.value)
    assert (data / "secrets_encrypted").read_bytes() == before
    assert [file.name for file in data.iterdir()] == ["secrets_encrypted"]


def test_its_password_is_where_toolhive_keeps_it_and_its_internal_secrets_stay_its_own(toolhive, data, entries):
    entries["toolhive", "toolhive"] = PASSWORD
    provider = default_provider(Paths.locate(state_dir=data), {"TOOLHIVE_SECRET_extra": "value"}, app="toolhive")
    assert (provider.get("key"), provider.get("extra")) == (CANARY, "value")
    assert provider.names() == ["key"]
    with pytest.raises(InvalidNameError):
        provider.get("__thv_auth_token")


def test_an_empty_file_of_toolhive_holds_no_secrets(data):
    data.mkdir(mode=0o700)
    (data / "secrets_encrypted").write_bytes(b"")
    assert ToolHiveProvider(data / "secrets_encrypted", lambda: PASSWORD).names() == []
    assert ToolHiveProvider(data / "none", lambda: PASSWORD).names() == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"too short", CorruptStateError),
        (as_toolhive_writes, WrongPasswordError),
        (lambda document: as_toolhive_writes([document], PASSWORD), CorruptStateError),
    ],
    ids=["short", "another password", "no secrets"],
)
def test_what_cannot_be_read_of_toolhive_is_told(data, content, error):
    data.mkdir(mode=0o700)
    if callable(content):
        content = content({"secrets": {"key": CANARY}}) if error is CorruptStateError else content({}, "another")
    (data / "secrets_encrypted").write_bytes(content)
    with pytest.raises(error, match="secrets_encrypted") as caught:
        ToolHiveProvider(data / "secrets_encrypted", lambda: PASSWORD).get("key")
    assert CANARY not in shown(caught.value)


# All of it together


def test_a_secret_of_the_encrypted_file_reaches_the_server_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKLOADS_SECRETS_PASSWORD", PASSWORD)
    open_provider("encrypted", Paths.locate()).set("token", CANARY)
    with workloads.new_manager("process") as manager:
        workload = manager.run_workload_detached(quick(secrets=["token,target=TOKEN"], debug=True), wait=20)
        try:
            environment = json.loads(call_tool(workload.url, "env"))
            assert environment["TOKEN"] == CANARY
            assert PASSWORD not in environment.values()
            for file in ("environ", "cmdline"):
                seen = Path(f"/proc/{runner_of('quick')}/{file}").read_bytes()
                assert CANARY.encode() not in seen
                assert PASSWORD.encode() not in seen
            assert record_of("quick").runner is not None
        finally:
            manager.delete_workloads(["quick"]).wait(20)
    assert files_with(CANARY, tmp_path) == []


def command(*arguments: str, value: str = "", code: int = 0, env=None) -> tuple[str, str]:
    done = subprocess.run(
        [WORKLOADS, "secret", *arguments], input=value, capture_output=True, text=True, timeout=40, env=env, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr
    return done.stdout, done.stderr


def test_the_command_keeps_lists_and_removes(keyring_of_processes, tmp_path):
    env = keyring_of_processes | {"WORKLOADS_SECRETS_PASSWORD": PASSWORD}
    told = command("set", "one", "--provider", "encrypted", value=CANARY + "\n", env=env)
    assert told == ("one: kept (encrypted)\n", "")
    assert command("set", "two", value="2", env=env) == ("two: kept (encrypted)\n", "")
    told = command("set", "three", "--provider", "keyring", value=CANARY, env=env)
    assert told == ("three: kept (keyring)\n", "")
    assert "encrypted and keyring hold secrets" in command("set", "four", value=CANARY, code=2, env=env)[1]
    out, _ = command("list", "--json", env=env)
    assert [(entry["name"], entry["provider"]) for entry in json.loads(out)] == [
        ("one", "encrypted"), ("three", "keyring"), ("two", "encrypted"),
    ]  # fmt: skip
    out, _ = command("rm", "one", "three", "none", env=env)
    assert out == "one: removed (encrypted)\nthree: removed (keyring)\nnone: was not there\n"
    assert files_with(CANARY, tmp_path) == []


def test_on_a_terminal_the_value_is_asked_for_and_not_shown(keyring_of_processes):
    ours, theirs = pty.openpty()
    arguments = [WORKLOADS, "secret", "set", "key", "--provider", "keyring"]
    with subprocess.Popen(
        arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=keyring_of_processes, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = b""
        for question in (b"Value of key: ", b"confirmation: "):
            while not seen.endswith(question):
                seen += os.read(ours, 4096)
            os.write(ours, CANARY.encode() + b"\n")
        with contextlib.suppress(OSError):  # the last writer is gone
            while chunk := os.read(ours, 4096):
                seen += chunk
    os.close(ours)
    assert process.returncode == 0, seen
    assert CANARY.encode() not in seen
    folder = Path(keyring_of_processes["TEST_KEYRING"])
    assert [bytes.fromhex(file.read_text()).decode() for file in folder.iterdir()] == [CANARY]
