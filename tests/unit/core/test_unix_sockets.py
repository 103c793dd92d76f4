"""Unix sockets that only their owner can connect to, in folders of any depth."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from workloads._core.unix_sockets import PrivateSocket, short_address


def connect(path):
    with socket.socket(socket.AF_UNIX) as client, short_address(path) as address:
        client.connect(address)


@pytest.fixture
def bind():
    bound = []

    def call(path):
        bound.append(PrivateSocket.bind(path))
        return bound[-1]

    yield call
    for each in bound:
        each.socket.close()


@pytest.mark.parametrize("depth", [1, pytest.param(40, marks=pytest.mark.needs("linux"))])
def test_it_listens_for_its_owner_only_however_deep_its_folder_is(bind, tmp_path, depth):
    folder = tmp_path.joinpath(*["deeper"] * depth)
    folder.mkdir(parents=True)
    made = bind(folder / "x.sock")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    connect(made.path)
    made.remove()
    made.remove()
    assert list(folder.iterdir()) == []


def test_the_mode_does_not_depend_on_the_umask(bind, tmp_path):
    before = os.umask(0)
    try:
        made = bind(tmp_path / "x.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_one_that_was_left_behind_is_replaced(bind, tmp_path):
    first = bind(tmp_path / "x.sock")
    first.socket.close()
    second = bind(tmp_path / "x.sock")
    connect(second.path)
    first.remove()  # too late: that file is another's now
    connect(second.path)


def test_one_that_somebody_listens_on_is_left_alone(bind, tmp_path):
    first = bind(tmp_path / "x.sock")
    with pytest.raises(OSError, match="in use"):
        bind(tmp_path / "x.sock")
    connect(first.path)


def test_where_there_is_no_folder_none_is_made(bind, tmp_path):
    with pytest.raises(FileNotFoundError):
        bind(tmp_path / "missing" / "x.sock")
    assert list(tmp_path.glob("missing")) == []
