from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from workloads._core.locks import FileLock
from workloads.errors import StateError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


def is_free(path):
    lock = FileLock(path)
    free = lock.acquire(0)
    lock.release()
    return free


def test_a_lock_has_one_holder(path):
    first, second = FileLock(path), FileLock(path)
    assert first.acquire(0)
    assert not second.acquire(0)
    first.release()
    assert second.acquire(0)
    second.release()


def test_a_lock_that_is_held_times_out(path):
    with FileLock(path).held():
        begin = time.monotonic()
        assert not FileLock(path).acquire(0.1)
        assert 0.1 <= time.monotonic() - begin < 20


def test_held_raises_when_the_time_is_out(path):
    with FileLock(path).held(), pytest.raises(TimeoutError, match=r"a\.lock"), FileLock(path).held(0.02):
        pass


def test_held_releases_when_its_block_fails(path):
    with pytest.raises(ZeroDivisionError), FileLock(path).held(0):
        raise ZeroDivisionError
    assert is_free(path)


def test_releasing_a_lock_that_is_not_held_does_nothing(path):
    lock = FileLock(path)
    lock.release()
    with FileLock(path).held(0):
        lock.release()
        assert not lock.acquire(0)


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_waiting_thread_gets_the_lock_when_it_is_released(path, timeout):
    lock, got = FileLock(path), []
    assert lock.acquire(0)
    other = FileLock(path)
    waiter = threading.Thread(target=lambda: got.append(other.acquire(timeout)))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    lock.release()
    waiter.join(30)
    assert got == [True]
    other.release()


def test_threads_that_share_one_object_exclude_each_other(path):
    """TH-13.17: the status manager has no mutex within its process."""
    lock, inside, counts = FileLock(path), threading.Semaphore(1), []

    def work():
        for _ in range(20):
            with lock.held(10):
                counts.append(inside.acquire(blocking=False))
                inside.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [True] * 80


def test_the_file_stays_after_the_release(path):
    with FileLock(path).held(0):
        inode = path.stat().st_ino
    assert path.stat().st_ino == inode


def test_a_file_that_was_removed_while_waiting_for_it_is_noticed(path):
    foreign, ours = FileLock(path), FileLock(path)
    assert foreign.acquire(0)
    got = []
    waiter = threading.Thread(target=lambda: got.append(ours.acquire(5)))
    waiter.start()
    waiter.join(0.05)
    path.unlink()  # what ToolHive does as it lets go
    foreign.release()
    waiter.join(30)
    assert got == [True]
    assert not is_free(path), "the lock is on the file that others see"
    ours.release()


def test_a_file_that_was_replaced_is_noticed(path, monkeypatch):
    """TH-13.17: lock files are unlinked on release: two holders are possible, of the old inode and the new."""
    path.touch()
    flock, replaced = fcntl.flock, []

    def replace_after_locking(fd, operation):
        flock(fd, operation)
        if not replaced:
            replaced.append(path.stat().st_ino)
            path.unlink()
            path.touch()

    monkeypatch.setattr(fcntl, "flock", replace_after_locking)
    lock = FileLock(path)
    assert lock.acquire(0)
    monkeypatch.undo()
    assert not is_free(path)
    lock.release()
    assert is_free(path)


def test_no_descriptor_is_left_over(path):
    with FileLock(path).held(0):
        FileLock(path).acquire(0)
        FileLock(path).acquire(0.01)
        assert len(_descriptors_of(path)) == 1
    assert _descriptors_of(path) == []


def test_the_descriptor_is_not_inherited(path):
    lock = FileLock(path)
    lock.acquire(0)
    assert not any(os.get_inheritable(fd) for fd in _descriptors_of(path))
    lock.release()
    assert _descriptors_of(path) == []


def test_a_copy_of_the_descriptor_does_not_keep_the_lock(path):
    # What a child has for a moment that was forked while the lock was held.
    lock = FileLock(path)
    lock.acquire(0)
    copy = os.dup(_descriptors_of(path)[0])
    lock.release()
    assert is_free(path)
    os.close(copy)


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=oct)
def test_the_file_is_0600_whatever_the_umask(path, umask):
    previous = os.umask(umask)
    try:
        with FileLock(path).held(0):
            assert not is_free(path)
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_missing_is_an_error(path):
    with pytest.raises(StateError):
        FileLock(path / "b").acquire(0)


def test_a_link_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        FileLock(path).acquire(0)
    assert not (tmp_path / "elsewhere").exists()


def test_the_repr_names_the_file(path):
    assert repr(FileLock(path)) == f"FileLock({str(path)!r})"


def _descriptors_of(path):
    status = path.stat()
    return [fd for fd in map(int, (entry.name for entry in Path("/dev/fd").iterdir())) if _is(fd, status)]


def _is(fd, status):
    try:
        return os.path.samestat(os.fstat(fd), status)
    except OSError:
        return False  # that of the listing itself
