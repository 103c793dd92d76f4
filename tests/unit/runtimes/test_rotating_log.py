"""The log file of a server."""

from __future__ import annotations

import errno
import logging
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.runtimes.process import log
from workloads.runtimes.process.log import RotatingLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0.log"


def contents(path):
    """All that is kept, oldest first."""
    numbered = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: -int(file.name.rpartition(".")[2]))
    return [file.read_bytes() for file in (*numbered, path)]


def test_what_is_written_is_in_the_file_at_once(path):
    file = RotatingLog(path)
    file.write(b"one\n")
    assert path.read_bytes() == b"one\n"
    file.close()


def test_an_existing_file_is_continued_and_counts(path):
    path.write_bytes(b"12345678\n")
    file = RotatingLog(path, limit=10)
    file.write(b"abc\n")
    file.close()
    assert contents(path) == [b"12345678\n", b"abc\n"]


def test_only_the_owner_can_read_it_whatever_the_umask(path):
    before = os.umask(0o777)
    try:
        file = RotatingLog(path, limit=4)
        file.write(b"one\ntwo\n")
        file.close()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(found.stat().st_mode) for found in sorted(path.parent.glob("0.log*"))] == [0o600, 0o600]


def test_a_link_in_its_place_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic") as caught:
        RotatingLog(path)
    assert caught.value.errno == errno.ELOOP


def test_files_are_cut_after_a_line_and_the_oldest_go(path):
    file = RotatingLog(path, limit=8, kept=2)
    for line in (b"aaa\n", b"bbb\n", b"ccc\n", b"ddd\n", b"eee\n", b"fff\n", b"ggg\n"):
        file.write(line)
    file.close()
    assert contents(path) == [b"ccc\nddd\n", b"eee\nfff\n", b"ggg\n"]


def test_a_line_longer_than_a_file_is_cut(path):
    file = RotatingLog(path, limit=4, kept=3)
    file.write(b"a" * 10)
    file.close()
    assert contents(path) == [b"aaaa", b"aaaa", b"aa"]


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20), st.integers(1, 4))
def test_what_is_kept_is_the_end_of_what_was_written_and_never_more_than_allowed(chunks, limit, kept):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "0.log")
        file = RotatingLog(path, limit=limit, kept=kept)
        for chunk in chunks:
            file.write(chunk)
        file.close()
        found = contents(path)
    assert b"".join(chunks).endswith(b"".join(found))
    assert len(found) <= kept + 1
    assert all(len(part) <= limit for part in found)
    written = sum(map(len, chunks))
    assert sum(map(len, found)) == written or len(found) == kept + 1


def test_what_a_full_disk_does_not_take_is_dropped_and_told_once(path, monkeypatch, caplog):
    file = RotatingLog(path)
    file.write(b"before\n")

    def full(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, log.__name__):
        patch.setattr(log.os, "write", full)
        file.write(b"lost\n")
        file.write(b"lost too\n")
    assert [record.message for record in caplog.records] == ["cannot write a log"]
    file.write(b"after\n")
    file.close()
    assert path.read_bytes() == b"before\n[14 bytes of this log could not be written]\nafter\n"


def test_a_rotation_that_fails_is_made_up_for_later(path, monkeypatch):
    first, second, third = b"1" * 59 + b"\n", b"2" * 59 + b"\n", b"3\n"
    file = RotatingLog(path, limit=60)
    file.write(first)

    def forbidden(self, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", forbidden)
        file.write(second)
    file.write(third)
    file.close()
    assert contents(path) == [first, b"[60 bytes of this log could not be written]\n" + third]


def test_what_the_disk_takes_in_parts_is_whole(path, monkeypatch):
    write = os.write
    monkeypatch.setattr(log.os, "write", lambda fd, data: write(fd, data[:3]))
    file = RotatingLog(path)
    file.write(b"one two three\n")
    file.close()
    assert path.read_bytes() == b"one two three\n"
