"""Secrets as files, as far as no engine is needed."""

from __future__ import annotations

import shutil

import pytest

from workloads import RunConfig
from workloads.errors import InsecureStateError, WorkloadFailedError
from workloads.runtimes.container import admission, secret_files
from workloads.runtimes.container.secret_files import delivered, split, sweep
from workloads.runtimes.process.admission import refusals as process_refusals
from workloads.runtimes.protocol import Owner

OWNER = Owner(app="workloads", scope="5ec")
FILES = {"/run/secrets/key": "hush", "/etc/token": "quiet"}


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """A folder that is taken for one in memory."""
    folder = tmp_path / "memory"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(secret_files, "_home", lambda: folder / "home")
    return folder


def deliver(files=FILES, container="a.0"):
    return delivered(files, OWNER, name="a", container=container)


def test_a_path_is_a_file_and_a_name_a_variable():
    assert split({"KEY": "a", "/run/secrets/key": "b"}) == ({"KEY": "a"}, {"/run/secrets/key": "b"})


def test_files_are_there_while_a_container_starts_and_gone_afterwards(memory):
    with deliver() as mounts:
        assert [mount.target for mount in mounts] == ["/etc/token", "/run/secrets/key"]
        assert all(mount.read_only for mount in mounts)
        found = {mount.target: memory.joinpath(mount.source).read_text() for mount in mounts}
        assert found == FILES
    assert [path for path in memory.rglob("*") if path.is_file()] == []
    with deliver() as again:
        assert again == mounts


@pytest.fixture
def killed(memory, tmp_path):
    """The files of a start that was killed: the lock went with the process, and nothing else did."""
    with deliver():
        shutil.copytree(memory, tmp_path / "then")
    shutil.copytree(tmp_path / "then", memory, dirs_exist_ok=True)
    files = secrets(memory)
    assert set(files.values()) == set(FILES.values())
    return files


def secrets(memory):
    return {path: path.read_text() for path in memory.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_what_was_left_by_a_kill_is_replaced(memory, killed):
    with deliver({"/etc/token": "new"}):
        assert list(secrets(memory).values()) == ["new"]


def test_what_was_left_by_a_kill_is_removed_by_the_next_start_of_another(memory, killed):
    with deliver({"/etc/token": "new"}, "b.0"):
        assert list(secrets(memory).values()) == ["new"]
    assert list(memory.joinpath("home").iterdir()) == []


def test_what_was_left_by_a_kill_is_removed_by_who_sweeps(memory, killed):
    sweep()
    assert list(memory.joinpath("home").iterdir()) == []


def test_nothing_is_removed_where_others_can_write(memory, killed):
    memory.joinpath("home").chmod(0o777)
    sweep()
    assert secrets(memory) == killed


def test_what_is_being_delivered_is_left_alone(memory):
    with deliver():
        sweep()
        with deliver({"/etc/token": "new"}, "b.0"):
            assert sorted(secrets(memory).values()) == ["hush", "new", "quiet"]
        assert set(secrets(memory).values()) == set(FILES.values())


def test_nothing_is_made_without_secrets(memory):
    with deliver({}) as mounts:
        assert mounts == []
    assert list(memory.iterdir()) == []


def test_a_place_that_others_can_write_is_refused(memory):
    with deliver():
        pass
    (home,) = memory.iterdir()
    home.chmod(0o777)
    with pytest.raises(InsecureStateError), deliver():
        pass


def test_without_memory_there_are_no_files(monkeypatch, tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\n")
    monkeypatch.setattr(secret_files, "_MOUNTS", mounts)
    with pytest.raises(WorkloadFailedError, match="target a variable instead"), deliver():
        pass


@pytest.mark.parametrize("target", ["/", "/proc/key", "/dev/shm/key", "/run/../etc/key", "/run/secrets/", "//key"])
def test_a_file_has_a_place_where_it_can_be(target):
    config = RunConfig(name="a", image="a", transport="stdio", secrets=("ok,target=/run/ok", f"key,target={target}"))
    assert [problem.path for problem in admission.refusals(config)] == ["secrets[1]"]


def test_local_processes_have_no_files_of_their_own():
    config = RunConfig(name="a", command=("a",), transport="stdio", secrets=("key,target=/run/secrets/key",))
    assert [problem.path for problem in process_refusals(config)] == ["secrets[0]"]
