from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core import process
from workloads._core.process import ProcessIdentity
from workloads.errors import StateError

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")

# What `cat /proc/self/stat` looks like, with the name of the program left to the test.
_STAT = b"4321 (%s) %s 1 4321 4321 0 -1 4194560 98 0 0 0 0 0 0 0 20 0 1 0 %d 2703360 254 18446744073709551615 1 1 0\n"


@pytest.mark.parametrize("name", [b"cat", b"", b"a b", b"a) Z 1 (b", b")", b") R 1 2 3 (", b"\xff\n", b"a\nb"])
def test_the_name_of_a_program_cannot_fake_its_start_time(name):
    assert process.parse_stat(_STAT % (name, b"S", 777)) == 777


@pytest.mark.parametrize("state", [b"Z", b"X", b"x"])
def test_a_zombie_is_dead(state):
    assert process.parse_stat(_STAT % (b"cat", state, 777)) is None


@pytest.mark.parametrize("state", [b"R", b"S", b"D", b"T", b"t", b"I"])
def test_a_stopped_process_is_alive(state):
    assert process.parse_stat(_STAT % (b"cat", state, 0)) == 0


def test_this_process_is_alive():
    here = process.current()
    assert here.pid == os.getpid()
    assert here.host == os.uname().nodename
    assert process.is_alive(here)
    assert process.identify(os.getpid()) == here


@needs_linux
def test_the_facts_are_those_of_the_kernel():
    here = process.current()
    assert here.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert here.pid_namespace == str(Path(f"/proc/{os.getpid()}/ns/pid").readlink())


@pytest.mark.parametrize(
    "other",
    [{"start_ticks": 1}, {"boot_id": "another"}, {"pid_namespace": "pid:[1]"}, {"host": "another"}],
    ids=lambda other: next(iter(other)),
)
def test_one_wrong_fact_makes_another_process(other):
    stranger = attrs.evolve(process.current(), **other)
    assert not process.is_alive(stranger)
    assert not process.send_signal(stranger, 0)
    assert not process.signal_group(stranger, 0)
    assert process.wait_gone(stranger, 0)


@pytest.mark.parametrize(
    "pid", [0, -1, -os.getpid(), 2**22 + 1, 2**40], ids=["0", "-1", "minus mine", "2**22+1", "2**40"]
)
def test_numbers_that_are_no_pid_are_nobody(pid):
    nobody = attrs.evolve(process.current(), pid=pid)
    assert process.identify(pid) is None
    assert not process.send_signal(nobody, 0)
    assert not process.signal_group(nobody, 0)
    assert process.wait_gone(nobody, 0)


@given(
    st.builds(
        ProcessIdentity,
        st.integers(1, 2**31 - 1),
        st.integers(0, 2**63 - 1),
        st.text(),
        st.text(),
        st.text(),
    )
)
def test_an_identity_comes_back_from_its_document(identity):
    assert ProcessIdentity.from_dict(identity.to_dict()) == identity


_GOOD = ProcessIdentity(1, 2, "b", "n", "h").to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"pid": 0},
        {"pid": -1},
        {"pid": True},
        {"pid": "1"},
        {"pid": 1.0},
        {"pid": None},
        {"start_ticks": -1},
        {"host": 1},
    ],
    ids=str,
)
def test_a_document_that_cannot_be_right_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        ProcessIdentity.from_dict(_GOOD | change)


@pytest.mark.parametrize("key", list(_GOOD))
def test_a_document_without_all_facts_is_refused(key):
    with pytest.raises(ValueError, match=f"{key}: .* nothing"):
        ProcessIdentity.from_dict({name: value for name, value in _GOOD.items() if name != key})


@needs_linux
def test_a_proc_folder_of_another_namespace_is_not_believed(monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 2**22)
    with pytest.raises(StateError, match="another pid namespace"):
        process.identify(1)


def test_where_there_is_no_proc_folder_psutil_is_asked(monkeypatch):
    importlib.import_module("psutil")  # which asks for the platform too
    monkeypatch.setattr(sys, "platform", "darwin")
    here = process.current()
    assert here.pid_namespace == ""
    assert here.start_ticks > 1_000_000_000_000_000, "microseconds since 1970"
    assert process.is_alive(here)
    assert process.identify(2**22 + 1) is None


def test_no_descriptor_is_left_over():
    here = process.current()
    before = list(Path("/dev/fd").iterdir())
    process.send_signal(here, 0)
    process.wait_gone(here, 0)
    process.signal_group(here, 0)
    assert list(Path("/dev/fd").iterdir()) == before
