from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from workloads._core.paths import Paths
from workloads.errors import InvalidNameError, StateError


def test_the_defaults_are_below_the_home_folder():
    paths = Paths.locate(environ={"HOME": "/home/ana"})
    assert paths.runconfigs == Path("/home/ana/.local/state/workloads/runconfigs")
    assert paths.groups == Path("/home/ana/.local/state/workloads/groups")
    assert paths.runtimes == Path("/home/ana/.local/state/workloads/runtimes")
    assert paths.statuses == Path("/home/ana/.local/share/workloads/statuses")
    assert paths.logs == Path("/home/ana/.local/share/workloads/logs")


def test_xdg_variables_move_them():
    paths = Paths.locate("toolhive", environ={"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "/d"})
    assert paths.runconfigs == Path("/s/toolhive/runconfigs")
    assert paths.statuses == Path("/d/toolhive/statuses")


@pytest.mark.parametrize("value", ["", "relative", "./x", "~/x"])
def test_a_relative_xdg_variable_is_ignored(value):
    paths = Paths.locate(environ={"HOME": "/h", "XDG_STATE_HOME": value, "XDG_DATA_HOME": value})
    assert (paths.state, paths.data) == (Path("/h/.local/state/workloads"), Path("/h/.local/share/workloads"))


def test_the_environment_of_the_process_is_the_default(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/from/environment")
    assert Paths.locate().state == Path("/from/environment/workloads")


def test_a_state_folder_holds_everything_directly(tmp_path):
    paths = Paths.locate(state_dir=tmp_path)
    folders = [paths.runconfigs, paths.groups, paths.statuses, paths.runtimes, paths.logs]
    assert {folder.parent for folder in folders} == {tmp_path}
    assert len(set(folders)) == 5


def test_a_relative_state_folder_is_meant_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = Paths.locate(state_dir=Path("x"))
    monkeypatch.chdir("/")
    assert paths.runconfigs == tmp_path / "x" / "runconfigs"


def test_asking_creates_nothing(tmp_path):
    paths = Paths.locate(state_dir=tmp_path / "state")
    paths.server_log("a", 0)
    assert not paths.state.exists()


def test_logs_are_named_after_the_workload(tmp_path):
    paths = Paths.locate(state_dir=tmp_path)
    assert paths.proxy_log("a") == tmp_path / "logs" / "a.log"
    assert paths.server_log("a", 2) == tmp_path / "logs" / "servers" / "a" / "2.log"
    assert paths.server_folder("a", 2) == tmp_path / "servers" / "a" / "2"


@pytest.mark.parametrize("base", ["..", "../../etc", "/etc", "", "a/b", "a\0"])
def test_no_name_leads_out_of_the_folders(tmp_path, base):
    paths = Paths.locate(state_dir=tmp_path)
    for path in (lambda: paths.server_log(base, 0), lambda: paths.server_folder(base, 0)):
        with pytest.raises(InvalidNameError):
            path()
    if base not in ("", ".."):  # with ".log" those are names
        with pytest.raises(InvalidNameError):
            paths.proxy_log(base)


@pytest.mark.parametrize("app", ["", ".", "..", "a/b", "/a"])
def test_an_application_must_be_the_name_of_a_folder(app):
    with pytest.raises(InvalidNameError, match="application"):
        Paths.locate(app, environ={"HOME": "/h"})


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_variable_the_user_database_is_asked(environ):
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert Paths.locate(environ=environ).state == Path(home, ".local/state/workloads")


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(StateError, match="set HOME"):
        Paths.locate(environ={})


def test_on_macos_only_toolhive_keeps_to_the_library_folder(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    environ = {"HOME": "/Users/ana"}
    assert Paths.locate("toolhive", environ=environ).logs == Path(
        "/Users/ana/Library/Application Support/toolhive/logs"
    )
    assert Paths.locate(environ=environ).logs == Path("/Users/ana/.local/share/workloads/logs")


def test_a_home_that_is_not_utf8_works():
    home = os.fsdecode(b"/home/\xff")
    assert os.fsencode(Paths.locate(environ={"HOME": home}).state) == b"/home/\xff/.local/state/workloads"
