from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core import files, temporary
from workloads._core.locks import FileLock
from workloads.errors import InsecureStateError, InvalidNameError, StateError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another user")
needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user: nothing is refused to root")


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request):
    previous = os.umask(request.param)
    yield request.param
    os.umask(previous)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir(mode=0o700)
    return path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new")
    assert files.read_bytes(path) == b"new"


def test_nothing_else_is_left_behind(folder):
    files.write_atomic(folder / "a", b"1")
    files.create_exclusive(folder / "a", b"2")
    files.create_exclusive(folder / "b", b"3")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_a_file_that_does_not_exist_reads_as_none(tmp_path):
    assert files.read_bytes(tmp_path / "a") is None


def test_files_are_0600_whatever_the_umask(tmp_path, umask):
    files.write_atomic(tmp_path / "a", b"")
    files.create_exclusive(tmp_path / "b", b"")
    assert [mode(tmp_path / "a"), mode(tmp_path / "b")] == [0o600, 0o600]


def test_folders_are_0700_whatever_the_umask(tmp_path, umask):
    files.secure_folder(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b")] == [0o700, 0o700]


def test_create_exclusive_leaves_the_present_file_alone(tmp_path):
    path = tmp_path / "a"
    assert files.create_exclusive(path, b"first")
    assert not files.create_exclusive(path, b"second")
    assert path.read_bytes() == b"first"


def test_create_exclusive_does_not_follow_a_dangling_link(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    assert not files.create_exclusive(tmp_path / "a", b"")
    assert not (tmp_path / "elsewhere").exists()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(folder, monkeypatch):
    path = folder / "a"
    files.write_atomic(path, b"old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left on device"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see which file a descriptor means")
def test_a_write_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(str(Path(f"/proc/self/fd/{fd}").readlink())), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda old, new: (calls.append("rename"), replace(old, new)))
    files.write_atomic(tmp_path / "a", b"")
    temporary, rename, folder = calls
    assert temporary.startswith(str(tmp_path / ".a.tmp-"))
    assert [rename, folder] == ["rename", str(tmp_path)]


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_sync_folders_is_taken_as_it_is(folder, monkeypatch, number, fails):
    fsync = os.fsync

    def sync_files_only(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    with pytest.raises(StateError) if fails else contextlib.nullcontext():
        files.write_atomic(folder / "a", b"1")
    assert files.read_bytes(folder / "a") == b"1"


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    (tmp_path / "a").symlink_to(target)
    files.write_atomic(tmp_path / "a", b"ours")
    assert target.read_bytes() == b"theirs"
    assert not (tmp_path / "a").is_symlink()


def test_a_link_is_not_read_through(tmp_path):
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    with pytest.raises(StateError, match="symbolic link"):
        files.read_bytes(tmp_path / "a")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_regular_files_are_read(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(StateError, match="regular file"):
        files.read_bytes(tmp_path / "a")


def test_remove_tells_whether_there_was_a_file(tmp_path):
    files.write_atomic(tmp_path / "a", b"")
    assert files.remove(tmp_path / "a")
    assert not files.remove(tmp_path / "a")


def test_system_errors_name_the_file(tmp_path):
    path = tmp_path / "missing" / "a"
    with pytest.raises(StateError) as caught:
        files.write_atomic(path, b"")
    assert caught.value.path == path
    assert "No such file" in str(caught.value)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(StateError, match="not a folder"):
        files.secure_folder(tmp_path / "a")
    with pytest.raises(StateError):
        files.secure_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o1777, 0o2720])
def test_a_folder_that_others_can_write_is_refused(tmp_path, bits):
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(bits)
    with pytest.raises(InsecureStateError, match=f"{bits:04o}"):
        files.secure_folder(folder)
    with pytest.raises(InsecureStateError):
        files.check_folder(folder)
    assert mode(folder) == bits, "refused, not changed"


@pytest.mark.parametrize("bits", [0o700, 0o750, 0o755])
def test_a_folder_that_others_can_only_read_is_accepted_as_it_is(tmp_path, bits):
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(bits)
    files.secure_folder(folder)
    assert mode(folder) == bits


@needs_root
def test_a_folder_of_another_user_is_refused(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir(0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(InsecureStateError, match="12345"):
        files.secure_folder(folder)


@needs_user
def test_a_folder_of_root_is_refused():
    with pytest.raises(InsecureStateError, match="belongs to user 0"):
        files.check_folder(Path("/usr"))


@needs_user
def test_a_folder_that_cannot_be_created_is_an_error():
    with pytest.raises(StateError, match="Permission denied"):
        files.secure_folder(Path("/usr/workloads-test/a"))


def test_every_folder_from_the_root_on_must_be_safe(tmp_path):
    root = tmp_path / "root"
    files.secure_folder(root / "a" / "b", root=root)
    root.chmod(0o777)
    assert files.check_folder(root / "a" / "b")
    with pytest.raises(InsecureStateError) as caught:
        files.check_folder(root / "a" / "b", root=root)
    assert caught.value.path == root


def test_checking_a_folder_that_is_missing_creates_nothing(folder):
    assert not files.check_folder(folder / "a" / "b", root=folder / "a")
    assert list(folder.iterdir()) == []


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_content_comes_back(tmp_path_factory, old, new):
    path = tmp_path_factory.mktemp("any") / "a"
    files.write_atomic(path, old)
    files.write_atomic(path, new)
    assert files.read_bytes(path) == new


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "../a", "a\0b", ".a.json.tmp-1", "\ud800", "x" * 234])
def test_what_cannot_be_a_file_name_is_refused(tmp_path, name):
    with pytest.raises(InvalidNameError):
        files.entry(tmp_path, name)


@given(st.text(max_size=260))
def test_an_entry_is_in_its_folder_or_refused(name):
    folder = Path("/folder")
    try:
        path = files.entry(folder, name)
    except InvalidNameError:
        return
    assert path.parent == folder
    assert os.path.normpath(path) == str(path)


def test_a_file_name_that_is_not_utf8_works(tmp_path):
    path = files.entry(tmp_path, os.fsdecode(b"\xff\xfe"))
    files.write_atomic(path, b"1")
    assert files.read_bytes(path) == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file whose size is not told beforehand")
def test_a_file_is_read_whole_whatever_its_size_was_said_to_be():
    data, status = files.read_file("/proc/self/status")
    assert status.st_size == 0
    assert data.startswith(b"Name:")
    assert data.endswith(b"\n")


_WRITER = """
import os, sys, time
from pathlib import Path
from workloads._core import files, temporary
from workloads._core.locks import FileLock
os.fsync = lambda fd: (print("in the midst", flush=True), time.sleep(60))
files.write_atomic(Path(sys.argv[1]), b"new")
"""


@pytest.fixture
def writer(folder):
    """A process in the midst of a write."""
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder / "a")], stdout=subprocess.PIPE)
    assert child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_what_a_killed_writer_left_is_swept_and_what_a_live_one_writes_is_not(folder, writer):
    files.write_atomic(folder / "a", b"old")
    assert temporary.sweep(folder) == 0
    assert len(list(folder.iterdir())) == 2
    writer.kill()
    writer.wait()
    assert temporary.sweep(folder) == 1
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert files.read_bytes(folder / "a") == b"old"


def test_what_was_left_of_a_lock_that_is_held_is_swept(folder):
    """A lock file gets its name by a link, so what is left has the same lock."""
    with FileLock(folder / "a.lock").held(0):
        (folder / ".a.lock.tmp-0123456789abcdef").hardlink_to(folder / "a.lock")
        assert temporary.sweep(folder) == 1
    assert [path.name for path in folder.iterdir()] == ["a.lock"]


@pytest.mark.parametrize(
    "name", [".tmp-123456789", ".a.json.tmp-1234567890", "a.tmp-0123456789abcdef", ".a.tmp-0123456789abcdeF", ".a"]
)
def test_what_this_library_did_not_write_is_not_swept(folder, name):
    (folder / name).touch()
    assert temporary.sweep(folder) == 0
    assert (folder / name).exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_only_files_are_swept(folder, make):
    make(folder / ".a.tmp-0123456789abcdef")
    assert temporary.sweep(folder) == 0


def test_a_folder_that_does_not_exist_has_nothing_to_sweep(folder):
    assert temporary.sweep(folder / "none") == 0


def test_a_temporary_file_that_is_swept_before_it_is_locked_is_begun_anew(folder, monkeypatch):
    flock, swept = fcntl.flock, []

    def sweep_first(fd, operation):
        if not swept:
            swept.append(True)
            assert temporary.sweep(folder) == 1
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    files.write_atomic(folder / "a", b"new")
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert files.read_bytes(folder / "a") == b"new"


def test_writers_and_sweepers_at_once_lose_nothing(folder):
    """Every write is whole and lasts, however often others sweep meanwhile."""
    stop = threading.Event()
    failures: list[Exception] = []

    def sweep() -> None:
        while not stop.is_set():
            temporary.sweep(folder)

    def write(name: str) -> None:
        try:
            for number in range(50):
                files.write_atomic(folder / name, b"%d" % number)
                assert files.read_bytes(folder / name) == b"%d" % number
                assert files.create_exclusive(folder / f"{name}-{number}", b"", durable=False)
        except (OSError, StateError, AssertionError) as failure:
            failures.append(failure)

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in (*sweepers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sweepers:
        thread.join()
    assert not failures
    assert len(list(folder.iterdir())) == 3 + 3 * 50
